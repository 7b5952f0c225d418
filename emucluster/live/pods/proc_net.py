"""Who listens where, as /proc/net/tcp and /proc/PID/fd tell it."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from typing import TypeAlias

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"
_MAPPED = "0" * 16 + "FFFF0000"
"""Before the word of an IPv4 address in the table of IPv6."""
_SOCKET = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One row of /proc/net/tcp or tcp6; `address` is dotted for IPv4 and mapped addresses."""

    address: str
    port: int
    listening: bool
    inode: int


def tcp_sockets() -> list[TcpSocket]:
    """All TCP sockets of this network namespace."""
    return [_parse(line) for table in _TABLES for line in _text(table).splitlines()[1:]]


def _text(table: str) -> str:
    """Empty where the kernel has no such table."""
    try:
        with open(table) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _parse(line: str) -> TcpSocket:
    fields = line.split()
    address, _, port = fields[1].partition(":")
    return TcpSocket(_address(address), int(port, 16), fields[3] == _LISTEN, int(fields[9]))


def _address(text: str) -> str:
    """Words of the host's byte order, as the kernel prints them."""
    raw = b"".join(bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8))
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw)
    if raw[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def is_listening(address: str, *ports: int) -> bool:
    """Whether somebody listens on exactly this IPv4 address and one of these ports.

    Looked up as the kernel prints it: thousands of other rows are not worth parsing.
    """
    word = socket.inet_aton(address)[::-1].hex().upper()
    plain, mapped = map(_text, _TABLES)
    return any(
        f" {word}:{port:04X} {'0' * 8}:0000 {_LISTEN} " in plain
        or f" {_MAPPED}{word}:{port:04X} {'0' * 32}:0000 {_LISTEN} " in mapped
        for port in ports
    )


def listeners_of_group(pgid: int) -> list[tuple[str, int]]:
    """Where the processes of a group listen."""
    inodes = {inode for pid in pids_of_group(pgid) for _, inode in _socket_fds(pid)}
    return sorted(
        {(row.address, row.port) for row in tcp_sockets() if row.listening and row.inode in inodes}
    )


def pids_of_group(pgid: int) -> list[int]:
    """Processes of a process group that are not zombies."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                state, _, group = file.read().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(group) == pgid and state != "Z":
            found.append(int(name))
    return found


Local: TypeAlias = tuple[str, int]
"""A socket's own address and port."""


def sockets_of_this_process() -> dict[Local, list[int]]:
    """Descriptors of our own TCP sockets, listening or connected, by where they are.

    Each descriptor is asked: the kernel's table has the sockets of all other processes as well.
    """
    found: dict[Local, list[int]] = {}
    for fd in map(int, os.listdir("/proc/self/fd")):
        if (local := local_of(fd)) is not None:
            found.setdefault(local, []).append(fd)
    return found


def local_of(fd: int) -> Local | None:
    """Where a socket is, mapped addresses as IPv4; None of what is none, or closed already."""
    try:
        asked = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
    except OSError:
        return None
    try:
        name = asked.getsockname()
    except OSError:
        return None
    finally:
        asked.detach()
    return (name[0].removeprefix("::ffff:"), name[1]) if isinstance(name, tuple) else None


def _socket_fds(pid: int) -> list[tuple[int, int]]:
    found = []
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return []
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if (match := _SOCKET.fullmatch(target)) is not None:
            found.append((int(name), int(match[1])))
    return found
