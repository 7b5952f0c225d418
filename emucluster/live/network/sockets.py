"""Socket options and kernel counters that every part of the data path needs."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import NamedTuple, TypeAlias

Address: TypeAlias = tuple[str, int]

IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h: choose the source port at connect(), so that one 4-tuple is used up, not a port."""

TCP_ESTABLISHED = 1
TCP_CLOSE = 7
TCP_CLOSE_WAIT = 8

_LINGER_RESET = struct.pack("ii", 1, 0)
# struct tcp_info of linux/tcp.h: tcpi_state, tcpi_last_data_recv (ms), tcpi_bytes_received.
_TCP_INFO = struct.Struct("=B51xI72xQ")


class TcpInfo(NamedTuple):
    """What the kernel counted for one connection."""

    state: int
    silent_s: float
    """Seconds since payload last arrived."""
    bytes_received: int
    """Payload received so far; one more than that once the peer's FIN has arrived (RFC 4898)."""


def read_tcp_info(sock: socket.socket) -> TcpInfo:
    """The kernel's counters of `sock`; a socket that is closed already counts as CLOSE, 0, 0.

    Asking the kernel, when somebody wants to know, costs the hot path nothing at all.
    """
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        state, silent_ms, received = _TCP_INFO.unpack(raw)
    except (OSError, struct.error):
        return TcpInfo(TCP_CLOSE, 0.0, 0)
    return TcpInfo(state, silent_ms / 1000, received)


def payload_received(sock: socket.socket, *, fin_seen: bool) -> int:
    """Payload bytes received on `sock`, without the one that the kernel counts for a FIN."""
    info = read_tcp_info(sock)
    fin = fin_seen or info.state == TCP_CLOSE_WAIT
    return max(0, info.bytes_received - fin)


def reset_on_close(sock: socket.socket) -> None:
    """Make the next close of `sock` send RST instead of FIN."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    except OSError:
        pass  # closed already


def close_with_reset(sock: socket.socket) -> None:
    """Close `sock` so that its peer gets RST."""
    reset_on_close(sock)
    sock.close()


def bound_socket(address: str, port: int) -> socket.socket:
    """A TCP socket bound to `address`:`port` that does not listen yet: the kernel refuses for it.

    TCP_NODELAY is set here because accepted sockets inherit it. Raises OSError naming the address.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        number = error.errno or errno.EINVAL
        text = f"cannot bind {address}:{port}: {os.strerror(number)}"
        raise OSError(number, text) from error
    return sock
