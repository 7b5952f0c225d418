"""A tiny HTTP/1.1 responder: kube-proxy's :10256/healthz and a Service's healthCheckNodePort."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from emucluster.live.network import http_head
from emucluster.live.network.gateway import read_request
from emucluster.live.network.http_head import BadRequest
from emucluster.live.network.listener import Listener
from emucluster.live.network.sockets import Address

if TYPE_CHECKING:
    from emucluster.live.network.forwarder import Forwarding
    from emucluster.live.network.pipe import Connection

_SLOW_CLIENT_S = 10.0


class Answer(NamedTuple):
    """What is answered to a health check."""

    status: int
    headers: Mapping[str, str]
    body: bytes


OnCheck: TypeAlias = Callable[[str], Answer | Awaitable[Answer]]


def listen(forwarding: Forwarding, address: str, port: int, on_check: OnCheck) -> Listener:
    """Answer every request at `address`:`port` with `on_check(path)`, one for each connection.

    Checks leave no flow record, but when they came (`Forwarding.checked`); the host's faults act on
    them as on all of its sockets. Raises OSError when the port is taken.
    """

    def accepted(sock: socket.socket, client: Address, local: Address) -> None:
        forwarding.checked.note(client[0])
        connection = forwarding.admit(sock, client, local, hop="healthz", record=False)
        if connection is not None:
            forwarding.run(connection, _serve(forwarding, connection, on_check))

    return forwarding.add_listener(Listener(address, port, accepted))


async def _serve(forwarding: Forwarding, connection: Connection, on_check: OnCheck) -> None:
    try:
        head, _ = await read_request(connection.client, _SLOW_CLIENT_S)
    except BadRequest as error:
        data = http_head.answer(error.status)
    except (TimeoutError, ConnectionError) as error:
        await forwarding.running()
        connection.reset("timeout", "client", str(error))
        return
    else:
        await forwarding.links.entered(connection, connection.packets + 1)
        await forwarding.running()
        answered = on_check(head.target)
        if not isinstance(answered, Answer):
            answered = await answered
        status, headers, body = answered
        data = http_head.answer(status, dict(headers), b"" if head.method == "HEAD" else body)
    await forwarding.running()
    connection.close_after(data, "fin", "us", "")
