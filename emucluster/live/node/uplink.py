"""A node's way to the API server, through its own links.

gRPC's sockets are its own: no filter, delay or loss of power could act on them. So the node's
channel leads to a listener of its `Forwarding`, on an address that is the node's alone, and from
there a connection from the node's address goes to the API server. What befalls the node or the link
befalls heartbeats, watches and writes on the way, by the same means as all other traffic.
"""

from __future__ import annotations

from collections.abc import Callable

import grpc.aio

from emucluster.core.durations import Speed
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.routes import Route
from emucluster.live.network.sockets import Address
from emucluster.live.rpc.channel import connect_aio

PING_AFTER_S, PING_TIMEOUT_S = 30.0, 15.0
"""client-go's HTTP2_READ_IDLE_TIMEOUT_SECONDS and HTTP2_PING_TIMEOUT_SECONDS: without them a watch
over a dead connection would hang for as long as TCP repeats."""
_PING_TIMEOUT_MIN_S = 3.0
"""A busy machine, or latency that `speed` does not divide, would fail a shorter one."""


class Uplink:
    """One node's channel to the API server.

    Args:
        api: `host:port` of the API server.
        address: where the node's own processes reach it, and nobody else.
        source_to: from which address of the node another is dialled.
        speed: divides client-go's 30 s of quiet before a ping, and 15 s for its answer.
    """

    def __init__(
        self,
        forwarding: Forwarding,
        api: str,
        *,
        address: str,
        source_to: Callable[[str], str],
        speed: Speed,
    ) -> None:
        host, _, port = api.rpartition(":")
        destination = (host, int(port))

        def route(_client: Address, _local: Address) -> Route:
            return Route(destination, source=source_to(host), hop="uplink")

        listener = forwarding.listen(address, 0, route, record=False, linked=False)
        ping_timeout_s = max(_PING_TIMEOUT_MIN_S, speed.timeout_s(PING_TIMEOUT_S))
        # grpcio 1.85 ends a connection by its ping time-out; keepalive_timeout alone does nothing.
        options = {
            "grpc.keepalive_time_ms": int(1000 * max(1.0, speed.duration_s(PING_AFTER_S))),
            "grpc.keepalive_timeout_ms": int(1000 * ping_timeout_s),
            "grpc.http2.max_pings_without_data": 0,
            "grpc.http2.ping_timeout_ms": int(1000 * ping_timeout_s),
        }
        self.channel: grpc.aio.Channel = connect_aio(f"{address}:{listener.port}", options)

    async def close(self) -> None:
        """Close the channel; the listener goes with the host."""
        await self.channel.close()
