"""An HTTP/1.1 CONNECT gateway: the way into the cluster for one caller.

The listener's address says who is calling. The far side is connected before 200 is answered, so a
client's connection attempt fails as one to the real address would: 503 for a refusal, 504 for a
time-out, 403 for what is not a cluster address, and no answer at all where packets are dropped.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from emucluster.live.network import http_head
from emucluster.live.network.dialer import DialError, TimedOut
from emucluster.live.network.flows import How
from emucluster.live.network.http_head import BadRequest, RequestHead
from emucluster.live.network.listener import BACKLOG, Listener
from emucluster.live.network.routes import Deny, Drop, GatewayDecision, Later, Refuse
from emucluster.live.network.sockets import Address

if TYPE_CHECKING:
    from emucluster.live.network.forwarder import Forwarding
    from emucluster.live.network.pipe import Connection

OnConnect: TypeAlias = Callable[[str, int, Address], GatewayDecision | Later]

NO_PROXY_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.address_http_proxy_enabled_addresses", ""),
)
"""Channel options with which grpcio ignores every proxy variable of the environment.

The first alone does not turn GRPC_ADDRESS_HTTP_PROXY off (grpc/src/core/handshaker/http_connect).
"""

REASON_HEADER = "x-emucluster-reason"
FLOW_HEADER = "x-emucluster-flow"
"""A client may name its connection (32 hex digits), and so find its flow record again."""
_FLOW_ID = re.compile("[0-9a-f]{32}")
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_SLOW_CLIENT_S = 10.0
_READ_BYTES = 65536


def listen(
    forwarding: Forwarding,
    address: str,
    port: int,
    on_connect: OnConnect,
    *,
    hop: str,
    service: str = "",
    slow_client_s: float = _SLOW_CLIENT_S,
    backlog: int = BACKLOG,
) -> Listener:
    """Serve CONNECT at `address`:`port`; `on_connect(host, port, client)` decides, synchronously.

    A client that has not sent its whole request after `slow_client_s` is reset. `hop` and `service`
    name the flow where the route does not. Raises OSError when the port is taken.
    """

    def accepted(sock: socket.socket, client: Address, local: Address) -> None:
        connection = forwarding.admit(sock, client, local, hop=hop, service=service)
        if connection is not None:
            connection.speaks_for(local[0])
            forwarding.run(connection, _serve(forwarding, connection, on_connect, slow_client_s))

    listener = Listener(address, port, accepted, backlog=backlog)
    return forwarding.add_listener(listener, linked=False)


async def _serve(
    forwarding: Forwarding, connection: Connection, on_connect: OnConnect, slow_client_s: float
) -> None:
    try:
        head, early = await read_request(connection.client, slow_client_s)
        await forwarding.running()
        host, port = http_head.connect_target(head)
    except BadRequest as error:
        await forwarding.running()
        _answer(connection, error.status, error.reason, "refused")
        return
    except (TimeoutError, ConnectionError) as error:
        await forwarding.running()
        connection.reset("timeout", "client", f"no whole request: {error or 'too slow'}")
        return
    connection.handshake_in = head.length
    named = head.headers.get(FLOW_HEADER, "")
    if _FLOW_ID.fullmatch(named):
        connection.flow.id = named
    decision = on_connect(host, port, connection.flow.in_peer)
    if isinstance(decision, Later):
        await asyncio.sleep(decision.delay_s)
        await forwarding.running()
        decision = decision.decide()
    await _carry_out(forwarding, connection, decision, early)


async def _carry_out(
    forwarding: Forwarding, connection: Connection, decision: GatewayDecision, early: bytes
) -> None:
    if isinstance(decision, Deny):
        _answer(connection, 403, decision.reason, "refused")
    elif isinstance(decision, Refuse):
        connection.flow.name_after(decision.hop, decision.service)
        _answer(connection, 503, decision.reason, "refused")
    elif isinstance(decision, Drop):
        connection.flow.name_after(decision.hop, decision.service)
        forwarding.park(connection, decision)
    else:
        try:
            server = await forwarding.open_far_side(connection, decision)
        except DialError as error:
            await forwarding.running()
            if isinstance(error, TimedOut):
                _answer(connection, 504, error.reason, "timeout", by_server=True)
            else:
                _answer(connection, 503, error.reason, "refused", by_server=True)
        else:
            await connection.pipe(server, early_in=early, answer=ESTABLISHED)


def _answer(
    connection: Connection, status: int, reason: str, how: How, *, by_server: bool = False
) -> None:
    data = http_head.answer(status, {REASON_HEADER: reason})
    connection.close_after(data, how, "server" if by_server else "us", reason)


async def read_request(sock: socket.socket, timeout_s: float) -> tuple[RequestHead, bytes]:
    """A request's head and what came behind it.

    Raises BadRequest, TimeoutError, or ConnectionError when the client leaves before its end.
    """
    received = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        while True:
            chunk = await loop.sock_recv(sock, _READ_BYTES)
            if not chunk:
                raise ConnectionError("the client left")
            received += chunk
            head = http_head.parse_request(received)
            if head is not None:
                return head, received[head.length :]
