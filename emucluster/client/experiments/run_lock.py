"""One run at a time in a cluster: two would put each other's faults and objects into question."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from emucluster.core.errors import ClusterError, NotRunning
from emucluster.live.clock import wall_s
from emucluster.live.keeper.settings import ClusterRecord
from emucluster.live.keeper.warden import started_ticks

FILE = "run.lock"
"""In the cluster's directory. The lock is the kernel's and goes with whoever holds it."""
HOLDER_MAX = 1 << 20


class ClusterBusy(ClusterError):
    """Another run is under way in this cluster."""


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds the lock, for the message of whoever is refused, or held it last.

    Attributes:
        directory: of the journal and undo log by which the cluster is put back; empty: there is
            nothing to put back.
        leaves: what may be left of it in the cluster, in words.
    """

    pid: int
    started: int | None
    what: str
    since_s: float
    directory: str = ""
    leaves: str = ""

    @property
    def is_alive(self) -> bool:
        return started_ticks(self.pid) == self.started

    @property
    def named(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since_s))
        return f"the run of {self.what} that began at {since} (process {self.pid})"


def _begin_anew(unfinished: Holder) -> None:
    """A cluster of a run's own has had no other."""


@contextlib.contextmanager
def run_lock(
    record: ClusterRecord, what: str, *, recover: Callable[[Holder], None] = _begin_anew
) -> Iterator[int]:
    """Hold a running cluster for one run; yields the descriptor of the lock.

    A process that inherits the descriptor holds the lock too, until it ends: the guard, who puts
    the cluster back when the run was killed.

    Args:
        what: is run, in words.
        recover: puts the cluster back after a run that was killed and has left something in it.
            What it raises leaves that to the next.

    Raises ClusterBusy at once where another run holds it, NotRunning.
    """
    path = Path(record.directory) / FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise NotRunning(f'no cluster "{record.name}" is running') from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClusterBusy(_busy(record.name, path)) from None
        last = _read(path)
        if last is not None and last.directory:
            recover(last)
        pid = os.getpid()
        _write(descriptor, Holder(pid=pid, started=started_ticks(pid), what=what, since_s=wall_s()))
        yield descriptor
    finally:
        os.close(descriptor)


def note(descriptor: int, directory: str, leaves: str = "") -> None:
    """Tell whoever comes next where it stands what is to be put back; empty: nothing is."""
    holder = msgspec.json.decode(_first_line(os.pread(descriptor, HOLDER_MAX, 0)), type=Holder)
    _write(descriptor, msgspec.structs.replace(holder, directory=directory, leaves=leaves))


def unfinished(cluster_directory: str) -> Holder | None:
    """The run that was killed in this cluster and has left something in it."""
    last = _read(Path(cluster_directory) / FILE)
    return None if last is None or not last.directory or last.is_alive else last


def _write(descriptor: int, holder: Holder) -> None:
    """In one piece, whenever the writer is killed: what is behind the line is of no concern."""
    line = msgspec.json.encode(holder) + b"\n"
    os.pwrite(descriptor, line, 0)
    os.ftruncate(descriptor, len(line))


def _read(path: Path) -> Holder | None:
    """None for a file that nobody has written yet."""
    try:
        return msgspec.json.decode(_first_line(path.read_bytes()), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None


def _first_line(data: bytes) -> bytes:
    return data.partition(b"\n")[0]


def _busy(name: str, path: Path) -> str:
    holder = _read(path)
    if holder is None:  # it has only just taken it
        return f'cluster "{name}" is in use by another run'
    if not holder.is_alive:
        return (
            f'cluster "{name}" is being put back after the run of {holder.what} was killed '
            f"(process {holder.pid}); try again in a moment"
        )
    since = time.strftime("%H:%M:%S", time.localtime(holder.since_s))
    return (
        f'cluster "{name}" is in use: process {holder.pid} runs {holder.what} in it since {since}; '
        "wait for its end, or run without --cluster"
    )
