"""Standard input of a container with `stdin: true`: a FIFO beside its log.

It is the node's end that lasts, so that the process sees no end of its input while nobody is
attached. Source: containerd internal/cri/io/container_io.go (Attach), the fields `stdin` and
`stdinOnce` of core/v1 Container.
"""

from __future__ import annotations

import os
from pathlib import Path

from emucluster.live.pods.descriptors import ready


def fifo_of(log: str | Path) -> Path:
    """Where a container's standard input is, given its log."""
    return Path(log).with_suffix(".stdin")


def open_for_process(log: str | Path) -> int:
    """The end from which the container's process reads. Raises OSError when there is none."""
    # Without a writer the opening would wait for one; the process itself is to wait.
    fd = os.open(fifo_of(log), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(fd, True)
    return fd


class ContainerStdin:
    """The node's end of one instance's standard input, from before its start until its end."""

    def __init__(self, log: Path) -> None:
        self._path = fifo_of(log)
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path, 0o600)
        # Reading too: a FIFO that nobody reads cannot be opened for writing.
        self._reading = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._held = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def started(self) -> None:
        """The process has its end. From now on nobody else reads, so writing tells of its end."""
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1

    def attach(self) -> StdinWriter | None:
        """A way in; None when it is closed, or the process reads no more."""
        if self._held < 0:
            return None
        try:
            return StdinWriter(os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return None

    def close(self) -> None:
        """Hold it open no more: the process reads what is left, and then the end."""
        self.started()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
            self._path.unlink(missing_ok=True)


class StdinWriter:
    """What one client writes to a process, through a descriptor that does not block.

    Attributes:
        fd: -1 once it is closed.
    """

    def __init__(self, fd: int, *, is_terminal: bool = False) -> None:
        self.fd = fd
        self._is_terminal = is_terminal

    async def write(self, data: bytes) -> None:
        """All of it, however long the process takes; what it does not read any more is dropped."""
        left = memoryview(data)
        while left and self.fd >= 0:
            try:
                left = left[os.write(self.fd, left) :]
            except BlockingIOError:
                await ready(self.fd, write=True)
            except OSError:
                self.close()
                return

    def close(self) -> None:
        """Nothing more comes; not while somebody writes. A terminal stays open: it is for output,
        too."""
        if self.fd >= 0 and not self._is_terminal:
            os.close(self.fd)
            self.fd = -1
