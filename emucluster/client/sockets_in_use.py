"""Who listens on this machine: read from /proc, as `ss -ltnp` does."""

import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

_LISTEN = "0A"
_MAPPED = b"\0" * 10 + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Listening:
    """A listening TCP socket. Every address of 127.0.0.0/8 is taken where `wildcard`."""

    address: str
    port: int
    inode: int

    @property
    def wildcard(self) -> bool:
        return self.address == "0.0.0.0"

    def holder(self) -> str:
        """`pid 412 (nginx)`, or that it belongs to somebody whose files we may not read."""
        pid = _holder_of(self.inode)
        return f"pid {pid} ({_command(pid)})" if pid else "a process of another user"

    def __str__(self) -> str:
        where = "all addresses" if self.wildcard else self.address
        return f"port {self.port} on {where} is taken by {self.holder()}"


def listening() -> list[Listening]:
    """All listening TCP sockets that an IPv4 client could reach."""
    found: list[Listening] = []
    for name in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        found.extend(entry for line in lines if (entry := parse_line(line)) is not None)
    return found


def parse_line(line: str) -> Listening | None:
    """One line of /proc/net/tcp or tcp6; None for what does not listen or is IPv6 alone."""
    fields = line.split()
    if fields[3] != _LISTEN:
        return None
    raw, _, port = fields[1].partition(":")
    words = [int(raw[start : start + 8], 16) for start in range(0, len(raw), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4 or packed.startswith(_MAPPED):
        address = str(IPv4Address(packed[-4:]))
    elif packed == b"\0" * 16:
        address = "0.0.0.0"  # an IPv6 wildcard takes IPv4 too, unless asked not to
    else:
        return None
    return Listening(address, int(port, 16), int(fields[9]))


def bindable(address: str, port: int = 0) -> OSError | None:
    """None if a TCP socket can be bound there now; else why not."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
            sock.listen(1)
        except OSError as error:
            return error
    return None


def _holder_of(inode: int) -> int | None:
    wanted = f"socket:[{inode}]"
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            for descriptor in os.scandir(f"/proc/{entry}/fd"):
                if os.readlink(descriptor.path) == wanted:
                    return int(entry)
        except OSError:
            continue
    return None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode("utf-8", "replace").strip()[:60] or "?"
    except OSError:
        return "?"
