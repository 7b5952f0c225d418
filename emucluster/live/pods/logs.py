"""The output of containers: one file each, the last instance's kept, and no file without end."""

from __future__ import annotations

import os
import shutil
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

from emucluster.live.pods.log_times import LogTimes

ROTATE_AT_BYTES = 10 * 1024 * 1024


class PodLogs:
    """Where a node keeps its pods' output: `ROOT/NAMESPACE_POD_UID/CONTAINER.log`."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        self.times = LogTimes()

    def directory(self, namespace: str, pod: str, uid: str) -> Path:
        return self._root / f"{namespace}_{pod}_{uid}"

    def open_new(self, directory: Path, container: str) -> Path:
        """The file of a container's next instance; what was there becomes the previous one's."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{container}.log"
        if path.exists():
            previous = directory / f"{container}.previous.log"
            self.times.moved(path, previous)
            path.replace(previous)
            rotated(path).unlink(missing_ok=True)
        path.touch()
        self.times.watch(path)
        return path

    def find(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        previous: bool = False,
        uid: str = "",
    ) -> Path | None:
        """The newest file of a pod's container (the only or first one when unnamed), if any."""
        ending = ".previous.log" if previous else ".log"
        found = [
            path
            for path in self._root.glob(f"{namespace}_{pod}_{uid or '*'}/*{ending}")
            if _container_of(path) == container or (not container and not _is_special(path, ending))
        ]
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)

    def rotate(self) -> None:
        """Keep every file below twice the limit; called now and then by the node."""
        for path in self._root.glob("*/*.log"):
            if rotate_if_large(path):
                self.times.copied(path, rotated(path))

    def remove(self, directory: Path) -> None:
        """Forget a pod's output, as kubelet does when the pod is gone."""
        self.times.forget(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _container_of(path: Path) -> str:
    return path.name.split(".", 1)[0]


def _is_special(path: Path, ending: str) -> bool:
    return path.name != _container_of(path) + ending


def rotated(path: Path) -> Path:
    """Where the older half of a file goes."""
    return path.with_name(path.name + ".1")


def rotate_if_large(path: Path, limit_bytes: int = ROTATE_AT_BYTES) -> bool:
    """Copy a file away and truncate it once it exceeds the limit; whether that was done.

    The writers hold it open for appending, so they go on in the truncated file. Bytes written
    between the copy and the truncation are lost.
    """
    try:
        if path.stat().st_size <= limit_bytes:
            return False
        shutil.copyfile(path, rotated(path))
        os.truncate(path, 0)
    except FileNotFoundError:
        return False
    return True


class ContainerLog:
    """Appends to a container's file, whole lines at a time; `previous` instances stay beside it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def line(self, text: str) -> None:
        """One line, with the time in front as servers print it."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.write(f"{moment} {text}\n")

    def write(self, text: str) -> None:
        if self._fd >= 0:
            os.write(self._fd, text.encode(errors="replace"))

    def fileno(self) -> int:
        """For `subprocess` and `dup2`."""
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


CURRENT_LOG: ContextVar[ContainerLog | None] = ContextVar("CURRENT_LOG", default=None)
"""The container on whose behalf this task runs, where several share a process."""


class SharedOutput:
    """A `sys.stdout` for a process with several containers: each task's prints go to its own log.

    Handlers of a `grpc.aio` server run in the context in which the server was started. Threads
    that user code starts by itself have no context; their output goes to the process' own.
    """

    def __init__(self, default: TextIO) -> None:
        self._default = default

    def write(self, text: str) -> int:
        if (log := CURRENT_LOG.get()) is None:
            return self._default.write(text)
        log.write(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._default, name)
