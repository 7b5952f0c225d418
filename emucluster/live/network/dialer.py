"""Dialling with a chosen source address and a typed outcome."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import TypeAlias

from emucluster.live.network.sockets import IP_BIND_ADDRESS_NO_PORT, Address

Prepare: TypeAlias = Callable[[socket.socket], None]
"""Is given a socket before it connects."""


class DialError(Exception):
    """A connection could not be made; `reason` is one line for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(DialError):
    """The far kernel answered RST, or the far node says so."""


class TimedOut(DialError):
    """Nobody answered in time."""


class Unreachable(DialError):
    """No route, or the source address is not of this machine, or no sockets are left."""


_REFUSED = (errno.ECONNREFUSED, errno.ECONNRESET)


def _failure(number: int, destination: Address) -> DialError:
    text = f"{destination[0]}:{destination[1]}: {os.strerror(number)}"
    if number in _REFUSED:
        return Refused(text)
    if number == errno.ETIMEDOUT:
        return TimedOut(text)
    return Unreachable(text)


def _begin(
    destination: Address, source: str | None, prepare: Prepare | None
) -> tuple[socket.socket, int]:
    """A socket that connects, and its error number: 0 when it is connected already."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        if prepare is not None:
            prepare(sock)
        number = sock.connect_ex(destination)
        if number == errno.EINPROGRESS:
            # On loopback the handshake is over by now; asking again saves a turn of the loop.
            number = sock.connect_ex(destination)
    except OSError as error:
        sock.close()
        raise _failure(error.errno or errno.EINVAL, destination) from error
    return sock, number


async def dial(
    destination: Address,
    *,
    source: str | None = None,
    timeout_s: float,
    prepare: Prepare | None = None,
) -> socket.socket:
    """A connected non-blocking socket with TCP_NODELAY, bound to `source` (any port) if given.

    Raises Refused, TimedOut (after `timeout_s`) or Unreachable. `destination` is an IPv4 address.
    """
    sock, number = _begin(destination, source, prepare)
    try:
        if number in (errno.EINPROGRESS, errno.EALREADY):
            number = await _settled(sock, timeout_s)
        if number not in (0, errno.EISCONN):
            raise _failure(number, destination)
    except BaseException:
        sock.close()
        raise
    return sock


async def _settled(sock: socket.socket, timeout_s: float) -> int:
    """Wait until a pending connect has succeeded (0) or failed (its error number)."""
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock.fileno(), _resolve, writable)
    timer = loop.call_later(timeout_s, _resolve, writable)
    try:
        await writable
    finally:
        timer.cancel()
        loop.remove_writer(sock.fileno())
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number == 0 and _still_connecting(sock):
        return errno.ETIMEDOUT
    return number


def _still_connecting(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return True
    return False


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
