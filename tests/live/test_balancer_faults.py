"""Faults of a load balancer's health checker, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from emucluster.core.durations import Speed
from emucluster.core.faults import FaultLease
from emucluster.live.balancer.balancer import Balancer
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.rpc.pb import lab_pb2
from tests.live.pods.pod_setup import until

pytestmark = pytest.mark.live

BALANCER, NODES = "127.62.248.2", {"node-1": "127.62.248.3", "node-2": "127.62.248.4"}
NODE_PORT = 30080


class Nodes:
    """Nodes that accept, and count who came."""

    def __init__(self) -> None:
        self.servers: dict[str, asyncio.Server] = {}
        self.checks = 0

    async def up(self, name: str) -> None:
        self.servers[name] = await asyncio.start_server(self._accepted, NODES[name], NODE_PORT)

    async def down(self, name: str) -> None:
        self.servers.pop(name).close()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.checks += 1
        writer.close()


@asynccontextmanager
async def balancing() -> AsyncIterator[tuple[Balancer, Nodes]]:
    """A load balancer that has found both nodes healthy; one check in 0.1 s."""
    nodes = Nodes()
    for name in NODES:
        await nodes.up(name)
    spec = lab_pb2.LoadBalancerSpec(
        namespace="default",
        service="web",
        preset="haproxy",
        ports=[lab_pb2.LoadBalancerPort(name="grpc", port=8080, node_port=NODE_PORT)],
        targets=[lab_pb2.LoadBalancerTarget(node=n, address=a) for n, a in NODES.items()],
    )
    balancer = Balancer(Forwarding("lb/default/web"), BALANCER, spec, speed=Speed(10))
    try:
        await until(lambda: states(balancer) == {"node-1": "healthy", "node-2": "healthy"})
        await until(lambda: nodes.checks > 4)
        yield balancer, nodes
    finally:
        await balancer.aclose()
        for name in list(nodes.servers):
            await nodes.down(name)


def states(balancer: Balancer) -> dict[str, str]:
    return {each["node"]: each["state"] for each in balancer.describe()["targets"]}


def lease(kind: str, **params: Any) -> FaultLease:
    return FaultLease(f"{kind}-1", kind, "lb/web", 0.0, None, params)


def run(body: Callable[[Balancer, Nodes], Any]) -> None:
    async def main() -> None:
        async with balancing() as (balancer, nodes):
            await body(balancer, nodes)

    asyncio.run(main())


def test_a_blind_checker_believes_what_it_last_saw_and_learns_when_it_sees_again() -> None:
    async def body(balancer: Balancer, nodes: Nodes) -> None:
        blind = lease("blind")
        assert await balancer.break_(blind) == "checks held back"
        await until(lambda: not balancer._probes)
        seen = nodes.checks
        await nodes.down("node-1")
        await until(lambda: len(balancer._broken_checks._held) == 2)
        assert states(balancer) == {"node-1": "healthy", "node-2": "healthy"}
        assert nodes.checks == seen
        await balancer.mend(blind)
        await until(lambda: states(balancer) == {"node-1": "unhealthy", "node-2": "healthy"})
        assert nodes.checks > seen

    run(body)


@pytest.mark.parametrize("says", ["healthy", "unhealthy"])
def test_a_lying_checker_believes_what_it_is_told_until_it_ends(says: str) -> None:
    async def body(balancer: Balancer, nodes: Nodes) -> None:
        lying = lease("lying", says=says)
        await nodes.down("node-1")
        await balancer.break_(lying)
        await until(lambda: set(states(balancer).values()) == {says})
        seen = nodes.checks
        await until(lambda: nodes.checks > seen + 3)
        assert set(states(balancer).values()) == {says}, "whatever the checks find"
        await balancer.mend(lying)
        await until(lambda: states(balancer) == {"node-1": "unhealthy", "node-2": "healthy"})

    run(body)


def test_a_crash_hides_blindness_and_what_comes_back_is_blind() -> None:
    async def body(balancer: Balancer, nodes: Nodes) -> None:
        blind, crash = lease("blind"), lease("crash")
        await balancer.break_(blind)
        await balancer.break_(crash)
        await nodes.down("node-1")
        await balancer.mend(crash)
        await until(lambda: len(balancer._broken_checks._held) == 2)
        assert states(balancer) == dict.fromkeys(NODES, "healthy"), "as this preset begins"
        await balancer.mend(blind)
        await until(lambda: states(balancer) == {"node-1": "unhealthy", "node-2": "healthy"})

    run(body)
