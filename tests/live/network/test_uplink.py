"""Heartbeats and watches of a node pass its links: what is cut does not reach the API server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from emucluster.core.durations import Speed
from emucluster.core.faults import FaultLease
from emucluster.live.control.front import Front
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.node.uplink import Uplink
from emucluster.live.rpc.channel import credentials
from emucluster.live.rpc.server import bind, make_server
from tests.live.network.lab import forwarding

NODE, OTHER, API = "127.61.0.1", "127.61.0.2", "127.61.255.1"
TOKEN = "token"
HEARTBEAT, WATCH = "/test.Api/Heartbeat", "/test.Api/Watch"


class Plane:
    """An API server that counts heartbeats and streams their number, behind its front."""

    def __init__(self) -> None:
        self.beats: list[str] = []
        self._beaten = asyncio.Event()

    async def _heartbeat(self, request: bytes, context: Any) -> bytes:
        self.beats.append(context.peer())
        self._beaten.set()
        self._beaten = asyncio.Event()
        return request

    async def _watch(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        while True:
            yield str(len(self.beats)).encode()
            await self._beaten.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Plane]:
        server = make_server(TOKEN)
        handlers = {
            "Heartbeat": grpc.unary_unary_rpc_method_handler(self._heartbeat),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Api", handlers),)
        )
        behind = (API, bind(server, API, 0))
        await server.start()
        self.front = Front()
        self.api = self.front.open(API, 0, behind)
        try:
            yield self
        finally:
            await self.front.aclose()
            await server.stop(0)


class Node:
    """What of a node speaks with the API server."""

    def __init__(self, host: Forwarding, address: str, api: str, *, speed: float = 1.0) -> None:
        self.uplink = Uplink(
            host, api, address=address, source_to=lambda _: address, speed=Speed(speed)
        )
        self._beat = self.uplink.channel.unary_unary(HEARTBEAT)
        self._watch = self.uplink.channel.unary_stream(WATCH)

    async def beats(self, timeout_s: float = 10.0) -> bool:
        call = self._beat(b"", metadata=credentials(TOKEN), timeout=timeout_s)
        code = await call.code()
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED)
        return bool(code == grpc.StatusCode.OK)

    def watch(self) -> Any:
        return self._watch(b"", metadata=credentials(TOKEN))

    async def watches_again(self) -> bytes:
        """What a new watch begins with; as an informer does, it is asked for until it comes."""
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                watch = self.watch()
                first = await watch.read()
                watch.cancel()
                return bytes(first)
            await asyncio.sleep(0.1)


def fault(kind: str, network: str, **params: Any) -> FaultLease:
    peers = ("control-plane",)
    return FaultLease("f", kind, "node/node-1", 0.0, None, params, peers, (f"{network}/32",))


@contextlib.asynccontextmanager
async def two_nodes(**options: Any) -> AsyncIterator[tuple[Plane, Forwarding, Node, Node]]:
    async with Plane().running() as plane, forwarding() as host, forwarding("node-2") as other:
        api = f"{API}:{plane.api[1]}"
        near, far = Node(host, NODE, api, **options), Node(other, OTHER, api, **options)
        try:
            yield plane, host, near, far
        finally:
            await near.uplink.close()
            await far.uplink.close()


@pytest.mark.parametrize("held_at", ["node", "control-plane"])
def test_a_partition_cuts_heartbeats_of_this_node_alone_and_heals(on_uvloop, held_at: str) -> None:
    async def scenario() -> None:
        async with two_nodes() as (plane, host, node, other):
            assert await node.beats()
            assert await other.beats()
            at_node = held_at == "node"
            holder = host if at_node else plane.front.forwarding
            lease = fault("partition", API if at_node else NODE, direction="to")
            holder.shape(lease)
            assert not await node.beats(0.5)
            assert await other.beats()
            holder.unshape(lease)
            assert await node.beats()

    on_uvloop(scenario)


def test_a_node_is_known_to_the_api_server_by_its_own_address(on_uvloop) -> None:
    async def scenario() -> None:
        async with two_nodes() as (plane, _, node, other):
            assert await node.beats()
            assert await other.beats()
            peers = {flow.in_peer[0] for flow in _flows(plane.front.forwarding)}
            assert peers == {NODE, OTHER}

    on_uvloop(scenario)


def _flows(host: Forwarding) -> list[Any]:
    return [connection.flow for connection in host._connections]


def test_a_watch_that_fell_silent_is_given_up_and_begun_again(on_uvloop) -> None:
    """As client-go does: a ping after 30 s of quiet, and 15 s for its answer; here faster."""

    async def scenario() -> None:
        async with two_nodes(speed=30) as (_, host, node, other):
            watch = node.watch()
            assert await watch.read() == b"0"
            lease = fault("partition", API, direction="both")
            host.shape(lease)
            assert await other.beats()
            assert await watch.code() == grpc.StatusCode.UNAVAILABLE
            host.unshape(lease)
            assert await node.watches_again() == b"1"

    on_uvloop(scenario)


def test_a_quiet_watch_over_a_sound_link_stays(on_uvloop) -> None:
    async def scenario() -> None:
        async with two_nodes(speed=30) as (_, _, node, other):
            watch = node.watch()
            assert await watch.read() == b"0"
            await asyncio.sleep(3)  # nothing to wait for: pings pass meanwhile, and nothing ends
            assert await other.beats()
            assert await watch.read() == b"1"
            watch.cancel()

    on_uvloop(scenario)


def test_latency_of_the_uplink_delays_heartbeats(on_uvloop) -> None:
    async def scenario() -> None:
        async with two_nodes() as (_, host, node, _):
            assert await node.beats()
            host.shape(fault("latency", API, delay=0.3))
            assert not await node.beats(0.25)
            assert await node.beats(30)

    on_uvloop(scenario)
