"""Which sockets of another process have a packet filter, asked of the kernel."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

_PIDFD_GETFD = 438
_SO_GET_FILTER = 26
_SOL_SOCKET = 1

_libc = ctypes.CDLL(None, use_errno=True)


def filtered(pid: int) -> int:
    """How many sockets of a process have one; none of a process that is gone.

    Raises PermissionError where we may not look into it (CAP_SYS_PTRACE).
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    try:
        return sum(_instructions(process, descriptor) > 0 for descriptor in _sockets(pid))
    finally:
        os.close(process)


def _sockets(pid: int) -> Iterator[int]:
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if _link(entry).startswith("socket:"):
                yield int(entry.name)
    except FileNotFoundError:
        return


def _link(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except FileNotFoundError:
        return ""


def _instructions(process: int, descriptor: int) -> int:
    """The length of a socket's filter; 0 for none, and for a socket that has been closed."""
    copy = _libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
    if copy < 0:
        if ctypes.get_errno() == 1:
            raise PermissionError(f"process {process}: we may not look at its sockets")
        return 0
    try:
        length = ctypes.c_uint(0)
        error = _libc.getsockopt(copy, _SOL_SOCKET, _SO_GET_FILTER, None, ctypes.byref(length))
        return 0 if error else length.value
    finally:
        os.close(copy)
