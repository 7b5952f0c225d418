"""One run at a time in a cluster: two would put each other's faults and objects into question."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from emucluster.core.errors import ClusterError, NotRunning
from emucluster.live.clock import wall_s
from emucluster.live.keeper.settings import ClusterRecord
from emucluster.live.keeper.warden import started_ticks

FILE = "run.lock"
"""In the cluster's directory. The lock is the kernel's and goes with whoever holds it."""


class ClusterBusy(ClusterError):
    """Another run is under way in this cluster."""


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds the lock, for the message of whoever is refused."""

    pid: int
    started: int | None
    what: str
    since_s: float


@contextlib.contextmanager
def run_lock(record: ClusterRecord, what: str) -> Iterator[int]:
    """Hold a running cluster for one run; yields the descriptor of the lock.

    A process that inherits the descriptor holds the lock too, until it ends: the guard, who puts
    the cluster back when the run was killed.

    Args:
        what: is run, in words.

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
        pid = os.getpid()
        holder = Holder(pid=pid, started=started_ticks(pid), what=what, since_s=wall_s())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(holder), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _busy(name: str, path: Path) -> str:
    try:
        holder = msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):  # it has only just taken it
        return f'cluster "{name}" is in use by another run'
    if started_ticks(holder.pid) != holder.started:
        return (
            f'cluster "{name}" is being put back after the run of {holder.what} was killed '
            f"(process {holder.pid}); try again in a moment"
        )
    since = time.strftime("%H:%M:%S", time.localtime(holder.since_s))
    return (
        f'cluster "{name}" is in use: process {holder.pid} runs {holder.what} in it since {since}; '
        "wait for its end, or run without --cluster"
    )
