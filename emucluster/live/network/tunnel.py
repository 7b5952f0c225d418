"""Both ends of a tunnel between two nodes: one TCP connection for each flow.

The near node sends the header (see `tunnel_header`), the far node dials the destination from the
source address in it and answers one status byte; then both are pipes. Whoever cannot prove to be of
the cluster gets no answer byte at all, only the end of the connection.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from emucluster.live.network.dialer import DialError, Prepare, Refused, TimedOut, Unreachable, dial
from emucluster.live.network.listener import BACKLOG, Listener
from emucluster.live.network.routes import Drop, Refuse, Route
from emucluster.live.network.sockets import Address
from emucluster.live.network.tunnel_header import (
    NONCE_BYTES,
    REPLAY_WINDOW_S,
    BadHeader,
    ReplayGuard,
    TunnelHeader,
    decode,
    encode,
)

if TYPE_CHECKING:
    from emucluster.live.network.forwarder import Forwarding
    from emucluster.live.network.pipe import Connection

STATUS_BYTES = 1
_CONNECTED, _REFUSED = b"\x00", b"\x01"
_HEADER_TIMEOUT_S = 10.0
_READ_BYTES = 65536


async def dial_through(
    route: Route, *, flow_id: str, now_s: float, prepare: Prepare | None = None
) -> socket.socket:
    """A socket to `route.destination` through `route.via`, ready for payload.

    Raises Refused, TimedOut or Unreachable, as the far node's dialling ended.
    """
    assert route.via is not None
    try:
        async with asyncio.timeout(route.dial_timeout_s):
            sock = await dial(
                route.via.address,
                source=route.via.source,
                timeout_s=route.dial_timeout_s,
                prepare=prepare,
            )
            try:
                await _introduce(sock, route, flow_id, now_s)
            except BaseException:
                sock.close()
                raise
            return sock
    except TimeoutError as error:
        raise TimedOut(f"no answer through {route.via.address[0]}") from error


async def _introduce(sock: socket.socket, route: Route, flow_id: str, now_s: float) -> None:
    assert route.via is not None
    header = TunnelHeader(
        flow_id=bytes.fromhex(flow_id),
        nonce=secrets.token_bytes(NONCE_BYTES),
        time_ms=int(now_s * 1000),
        destination=route.destination,
        source=(route.source or route.via.source or sock.getsockname()[0], 0),
        service=route.service,
        hop=route.hop,
    )
    sock.send(encode(header, route.via.token))  # fits into any fresh send buffer
    try:
        status = await asyncio.get_running_loop().sock_recv(sock, STATUS_BYTES)
    except ConnectionError as error:
        raise Refused(f"{route.via.address[0]}: tunnel: {error.strerror}") from error
    target = f"{route.destination[0]}:{route.destination[1]}"
    if status == _REFUSED:
        raise Refused(f"{target}: refused by the far node")
    if status != _CONNECTED:
        raise Unreachable(f"{route.via.address[0]}: not admitted to the tunnel")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What `resolve` is told of a tunnelled connection."""

    destination: Address
    source: Address
    service: str
    hop: str


Resolve: TypeAlias = Callable[[Arrival], Route | Refuse | Drop]


def listen(
    forwarding: Forwarding,
    address: str,
    port: int,
    resolve: Resolve,
    *,
    token: bytes,
    hop: str = "tunnel",
    record: bool = True,
    window_s: float = REPLAY_WINDOW_S,
    backlog: int = BACKLOG,
) -> Listener:
    """Serve the far end of tunnels at `address`:`port` (6081 on a node).

    `resolve(arrival)` is synchronous and gives the real destination; a Route without a source dials
    from the header's source address. Without `record`, flows through it leave no record.
    Raises OSError when the port is taken.
    """
    guard = ReplayGuard(window_s)

    def accepted(sock: socket.socket, client: Address, local: Address) -> None:
        connection = forwarding.admit(sock, client, local, hop=hop, record=record)
        if connection is not None:
            forwarding.run(connection, _serve(forwarding, connection, resolve, token, guard))

    return forwarding.add_listener(Listener(address, port, accepted, backlog=backlog))


async def _serve(
    forwarding: Forwarding,
    connection: Connection,
    resolve: Resolve,
    token: bytes,
    guard: ReplayGuard,
) -> None:
    try:
        header, early = await _read_header(connection, token)
        await forwarding.running()
        guard.check(header, now_s=time.time())
    except (BadHeader, TimeoutError, ConnectionError) as error:
        connection.reset("refused", "us", f"tunnel header: {error or 'none in time'}")
        return
    connection.flow.id = header.flow_id.hex()
    connection.introduced(header.source[0])
    decision = resolve(Arrival(header.destination, header.source, header.service, header.hop))
    if isinstance(decision, Drop):
        connection.flow.service = decision.service or header.service
        forwarding.park(connection, decision)
    elif isinstance(decision, Refuse):
        connection.flow.service = decision.service or header.service
        _answer_refused(connection, decision.reason)
    else:
        route = replace(
            decision,
            source=decision.source or header.source[0],
            service=decision.service or header.service,
        )
        await _connect(forwarding, connection, route, early)


async def _connect(
    forwarding: Forwarding, connection: Connection, route: Route, early: bytes
) -> None:
    try:
        server = await forwarding.open_far_side(connection, route)
    except TimedOut as error:
        await forwarding.running()
        connection.reset("timeout", "server", error.reason)
    except DialError as error:
        await forwarding.running()
        _answer_refused(connection, error.reason)
    else:
        await connection.pipe(server, early_in=early, answer=_CONNECTED)


def _answer_refused(connection: Connection, reason: str) -> None:
    connection.close_after(_REFUSED, "refused", "us", reason)


async def _read_header(connection: Connection, token: bytes) -> tuple[TunnelHeader, bytes]:
    """The header, and what came behind it. Raises BadHeader, TimeoutError or ConnectionError."""
    loop = asyncio.get_running_loop()
    received = b""
    async with asyncio.timeout(_HEADER_TIMEOUT_S):
        while True:
            chunk = await loop.sock_recv(connection.client, _READ_BYTES)
            if not chunk:
                raise BadHeader("connection ended before it was complete")
            received += chunk
            decoded = decode(received, token)
            if decoded is not None:
                header, length = decoded
                connection.handshake_in = length
                return header, received[length:]
