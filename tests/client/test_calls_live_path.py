"""Calls over real sockets: edge, load balancer, NodePort, tunnel and an echo pod in one process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import pytest
import uvloop

from emucluster.client.calls import Call, Joiner, call_once, flow_id, new_id
from emucluster.client.dial import dial
from emucluster.client.lab import Flows, hop_of
from emucluster.client.load import Plan, Runner
from emucluster.client.path import Address
from emucluster.client.targets import Destination
from emucluster.core.kubelet.commands import PodIdentity
from emucluster.live.agent import flow_message
from emucluster.live.network import gateway, tunnel
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.routes import Drop, GatewayDecision, Refuse, Route, Tunnel
from emucluster.live.pods.echo import Echo, add_echo
from emucluster.live.rpc.pb import echo_pb2_grpc

pytestmark = pytest.mark.live

OUTSIDE, BALANCER, NODE_1, NODE_2, POD = (
    *("127.231.0.77", "127.247.0.77", "127.23.0.77"),
    *("127.23.0.78", "127.60.77.2"),
)
GATEWAY: Address = (OUTSIDE, 15001)
LB: Address = (BALANCER, 8080)
TOKEN = b"token"


@dataclass
class World:
    """What forwards, and the addresses that answer `refused` and `dropped`."""

    loop: asyncio.AbstractEventLoop
    hosts: list[Forwarding] = field(default_factory=list)

    def flows(self, since_s: float) -> Flows:
        async def recent() -> Sequence[Any]:
            return [flow for host in self.hosts for flow in host.flows.recent(since_s=since_s)]

        found = asyncio.run_coroutine_threadsafe(recent(), self.loop).result(timeout=10)
        return Flows(tuple(hop_of(flow_message(flow)) for flow in found), ())


async def build(world: World) -> grpc.aio.Server:
    edge, balancer, near, far = (Forwarding(n) for n in ("edge", "lb/default/web", "n1", "n2"))
    world.hosts = [edge, balancer, near, far]
    server = grpc.aio.server()
    identity = PodIdentity("u", "default", "web-1", "n2", "zone-a", POD)
    await add_echo(server, echo := Echo(identity, {}, log=lambda line: None))
    echo_pb2_grpc.add_EchoServicer_to_server(echo, server)
    port = server.add_insecure_port(f"{POD}:0")
    await server.start()

    def leave(host: str, asked: int, client: Address) -> GatewayDecision:
        if asked == 81:
            return Refuse("no endpoints")
        return Drop("no local endpoints") if asked == 82 else Route((host, asked), source=OUTSIDE)

    def through(client: Address, local: Address) -> Route:
        via = Tunnel((NODE_2, 6081), TOKEN, source=NODE_1)
        return Route((POD, 50051), source=NODE_1, via=via)

    gateway.listen(edge, *GATEWAY, leave, hop="edge")
    balancer.listen(
        *LB,
        lambda client, local: Route((NODE_1, 30080), source=client[0]),
        hop="load-balancer",
    )
    near.listen(NODE_1, 30080, through, hop="node-port")
    tunnel.listen(far, NODE_2, 6081, lambda arrival: Route((POD, port)), token=TOKEN)
    return server


@pytest.fixture
def world() -> Iterator[World]:
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = World(loop)
    server = asyncio.run_coroutine_threadsafe(build(made), loop).result(timeout=10)
    try:
        yield made
    finally:

        async def end() -> None:
            for host in made.hosts:
                await host.aclose()
            await server.stop(0)

        asyncio.run_coroutine_threadsafe(end(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


def make_calls(world: World, plan: Plan, address: Address = LB) -> list[Call]:
    destination = Destination("service/web", (address,))
    lasting = dial(destination, GATEWAY) if plan.shared else None

    def send(number: int, due_s: float | None) -> Call:
        id = new_id()
        channel = lasting or dial(destination, GATEWAY, number=number, flow_id=flow_id(id))
        try:
            return call_once(channel, timeout_s=plan.timeout_s, since_s=due_s, id=id)
        finally:
            if lasting is None:
                channel.close()

    joiner = Joiner(GATEWAY, world.flows, shared=plan.shared)
    batches = Runner(plan, send).batches(every_s=0.2)
    try:
        return [call for batch in batches for call in joiner.join(batch)]
    finally:
        if lasting is not None:
            lasting.close()


WHOLE = ("outside", "lb/default/web:8080", "n1:30080", "n2")


@pytest.mark.parametrize("shared", [False, True])
def test_each_of_many_concurrent_calls_gets_its_own_whole_path(world: World, shared: bool) -> None:
    calls = make_calls(world, Plan(count=60, concurrency=12, shared=shared))
    assert [(call.status, call.path) for call in calls] == [("OK", WHOLE)] * 60
    connections = {call.hops[0].in_peer for call in calls}
    assert len(connections) == (1 if shared else 60)
    assert all(call.pod == "web-1" and call.client.startswith(NODE_1) for call in calls)


def test_what_the_environment_says_of_proxies_does_not_matter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "GRPC_ADDRESS_HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert make_calls(world, Plan())[0].path == WHOLE


def test_a_refused_call_names_the_hop_and_its_reason(world: World) -> None:
    [call] = make_calls(world, Plan(timeout_s=10), (BALANCER, 81))
    assert (call.status, call.path) == ("UNAVAILABLE", ("outside",))
    assert call.error == "refused at edge: no endpoints"


def test_a_dropped_call_ends_at_its_deadline_and_names_the_hop(world: World) -> None:
    [call] = make_calls(world, Plan(timeout_s=0.5), (BALANCER, 82))
    assert (call.status, call.path) == ("DEADLINE_EXCEEDED", ("outside",))
    assert call.error == "dropped at edge: no local endpoints"


def test_a_call_that_a_later_hop_cannot_forward_is_followed_that_far(world: World) -> None:
    unused = socket.create_server((NODE_2, 0))
    port = unused.getsockname()[1]
    unused.close()
    [call] = make_calls(world, Plan(timeout_s=10), (NODE_2, port))
    assert (call.status, call.path) == ("UNAVAILABLE", ("outside",))
    assert call.error.startswith("refused at edge")
