"""Health checks from the client's side: what a kubelet and a load balancer do to a target.

Each check is one fresh connection, bounded by `timeout_s` from its first packet to its verdict. The
reasons are worded as the kubelet words them (kubernetes/pkg/probe).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Container
from typing import NamedTuple, Protocol

from emucluster.live.network import dialer, http_head
from emucluster.live.network.dialer import DialError, Refused, TimedOut
from emucluster.live.network.sockets import Address

SUCCESS = range(200, 400)
"""What the kubelet takes for healthy; load balancers take 200 alone, or 200-399."""


class Verdict(NamedTuple):
    """Whether the check passed, and one line that says why (not)."""

    passed: bool
    reason: str


class Dial(Protocol):
    """As `dialer.dial`; that of a host's `Links` is subject to its faults."""

    async def __call__(
        self, destination: Address, *, source: str | None = None, timeout_s: float
    ) -> socket.socket: ...


async def tcp(
    address: Address, *, source: str | None = None, timeout_s: float, dial: Dial = dialer.dial
) -> Verdict:
    """Passed if a connection can be made; it is closed at once."""
    try:
        sock = await dial(address, source=source, timeout_s=timeout_s)
    except DialError as error:
        return Verdict(False, _dial_reason(address, error))
    sock.close()
    return Verdict(True, "")


async def http(
    address: Address,
    path: str = "/",
    *,
    host: str | None = None,
    source: str | None = None,
    timeout_s: float,
    expect: Container[int] = SUCCESS,
    dial: Dial = dialer.dial,
) -> Verdict:
    """Passed if `GET path` is answered with a status in `expect`; redirects are not followed."""
    url = f"http://{address[0]}:{address[1]}{path}"
    try:
        async with asyncio.timeout(timeout_s):
            sock = await dial(address, source=source, timeout_s=timeout_s)
            try:
                status = await _get(sock, path, host or f"{address[0]}:{address[1]}")
            finally:
                sock.close()
    except TimeoutError:
        return Verdict(False, f'Get "{url}": context deadline exceeded')
    except DialError as error:
        return Verdict(False, f'Get "{url}": {_dial_reason(address, error)}')
    except (OSError, ValueError) as error:
        return Verdict(False, f'Get "{url}": {error}')
    if status in expect:
        return Verdict(True, "")
    return Verdict(False, f"HTTP probe failed with statuscode: {status}")


async def _get(sock: socket.socket, path: str, host: str) -> int:
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: kube-probe/emucluster\r\n"
    await loop.sock_sendall(sock, f"{request}accept: */*\r\nconnection: close\r\n\r\n".encode())
    received = b""
    while True:
        chunk = await loop.sock_recv(sock, 4096)
        if not chunk:
            raise ConnectionError("EOF")
        received += chunk
        status = http_head.parse_status(received)
        if status is not None:
            return status


def _dial_reason(address: Address, error: DialError) -> str:
    target = f"dial tcp {address[0]}:{address[1]}"
    if isinstance(error, Refused):
        return f"{target}: connect: connection refused"
    if isinstance(error, TimedOut):
        return f"{target}: i/o timeout"
    return f"{target}: connect: {error.reason}"
