"""Which of the machine's eight address slices a cluster has.

A slice belongs to whoever holds the lock on its file; the kernel lets go of it when the holder's
last process ends, however it ends. The directory is shared by all users of the machine.
"""

import fcntl
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from emucluster.client.sockets_in_use import Listening, listening
from emucluster.core.addresses import SLICES, Slice
from emucluster.core.errors import ClusterError

DIRECTORY = Path("/tmp/emucluster-slices")


@dataclass(frozen=True, slots=True)
class SliceClaim:
    """A slice that is ours as long as `descriptor`, or a copy of it, is open."""

    index: int
    descriptor: int


def claim_slice(
    *, directory: Path = DIRECTORY, listeners: Sequence[Listening] | None = None
) -> SliceClaim:
    """The first slice that no cluster holds and in whose addresses nobody else listens.

    Raises `ClusterError` saying for each slice why not.
    """
    prepare(directory)
    listeners = listening() if listeners is None else listeners
    refusals = []
    for index in range(SLICES):
        descriptor = _lock(directory / f"slice-{index}.lock")
        if descriptor is None:
            refusals.append(f"slice {index}: held by another cluster")
        elif foreign := foreign_listener(Slice(index), listeners):
            os.close(descriptor)
            refusals.append(f"slice {index}: {foreign}")
        else:
            return SliceClaim(index, descriptor)
    raise ClusterError(
        f"all {SLICES} address slices of this machine are taken; `emucluster down` one of the "
        "clusters\n  " + "\n  ".join(refusals)
    )


def foreign_listener(addresses: Slice, listeners: Sequence[Listening]) -> Listening | None:
    """Somebody who listens on an address of this slice by its number (wildcards aside)."""
    networks = (
        addresses.nodes,
        addresses.pods,
        addresses.load_balancers,
        addresses.outside_clients,
    )
    for entry in listeners:
        if any(IPv4Address(entry.address) in network for network in networks):
            return entry
    return None


def prepare(directory: Path) -> None:
    """The directory of the locks, writable by every user. Raises `ClusterError` if it is a trap."""
    try:
        directory.mkdir()
        directory.chmod(0o1777)  # mkdir's mode is cut by the umask
    except FileExistsError:
        pass
    if not stat.S_ISDIR(directory.lstat().st_mode):
        raise ClusterError(f"{directory} is not a directory; remove it")


def _lock(path: Path) -> int | None:
    """An exclusive lock on the file, or None if somebody else has it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _open(path: Path) -> int:
    """Open the lock's file, made by whoever came first.

    O_CREAT on somebody else's existing file is refused in sticky directories
    (fs.protected_regular), even to root, so it is used only where there is none.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        os.fchmod(descriptor, 0o666)
        return descriptor
    except FileExistsError:
        return os.open(path, flags)
