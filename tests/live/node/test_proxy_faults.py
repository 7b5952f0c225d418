"""Faults of a node's kube-proxy, on real sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from emucluster.core import objects as k8s
from emucluster.core.addresses import HEALTHZ_PORT, Slice
from emucluster.core.dns.records import DnsView
from emucluster.core.faults import FaultLease
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.routing.node_routing import Caller
from emucluster.live.network import probe
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.routes import Route
from emucluster.live.node.feed import Feed
from emucluster.live.node.proxy_faults import ProxyFaults
from emucluster.live.node.routing import Routing
from emucluster.live.node.service_ports import ServicePorts
from tests.core.kubeproxy.objects import NODE_PORT, PORT, VIP, endpoint, service, slice_of
from tests.live.network.lab import connect, forwarding, receive, stays_silent

pytestmark = pytest.mark.live

ADDRESS = "127.62.246.1"
POD, OTHER = "127.62.246.2", "127.62.246.3"


def lease(kind: str, target: str, id_: str = "", **params: Any) -> FaultLease:
    return FaultLease(id_ or f"{kind}-1", kind, target, 0.0, None, params)


class Proxy:
    """A node's kube-proxy and its ports, with one pod behind nodePort 30080."""

    def __init__(self, host: Forwarding, pods: dict[str, int]) -> None:
        table = RouteTable()
        self.proxy = NodeProxy("node-1", table, rng=random.Random(1))
        self.routing = Routing(
            node_name="node-1",
            address=ADDRESS,
            masquerade_ip=ADDRESS,
            slice_=Slice(0),
            proxy=self.proxy,
            dns=DnsView(),
            real_port=lambda ip, port: pods.get(ip),
            token="token",
            outside={},
            rng=random.Random(1),
        )
        self.ports = ServicePorts(host, ADDRESS, self.proxy, self.routing)

        def take(type_: Any, obj: k8s.Object) -> None:
            table.handle(type_, obj)
            self.ports.sync()

        def stop(stopped: bool) -> None:
            self.proxy.stopped = stopped
            self.ports.stop(stopped)

        self.feed = Feed(take)
        self.faults = ProxyFaults(self.feed, stop)
        node = k8s.Node(
            metadata=k8s.ObjectMeta(name="node-1"),
            spec=k8s.NodeSpec(pod_cidr="127.62.246.0/24"),
            status=k8s.NodeStatus(addresses=(k8s.NodeAddress(type="InternalIP", address=ADDRESS),)),
        )
        self.routing.take_object("ADDED", node)
        for obj in (node, service(), slice_of(endpoint("127.62.246.2"))):
            self.feed.take("ADDED", obj)


@asynccontextmanager
async def proxying() -> AsyncIterator[tuple[Proxy, dict[str, int]]]:
    """Two pods that tell their names; the first is the endpoint."""
    pods: dict[str, int] = {}
    servers = []
    for ip in (POD, OTHER):

        def answer(reader: Any, writer: asyncio.StreamWriter, ip: str = ip) -> None:
            writer.write(ip.encode())

        server = await asyncio.start_server(answer, ip, 0)
        servers.append(server)
        pods[ip] = server.sockets[0].getsockname()[1]
    async with forwarding("node-1") as host:
        yield Proxy(host, pods), pods
    for server in servers:
        server.close()


def with_proxy(body: Callable[[Proxy], Awaitable[None]]) -> None:
    async def main() -> None:
        async with proxying() as (proxy, _):
            await body(proxy)

    asyncio.run(main())


async def answered() -> str:
    """Who answers at the nodePort."""
    client = await connect((ADDRESS, NODE_PORT))
    return (await receive(client, len(POD))).decode()


async def healthz() -> str:
    verdict = await probe.http((ADDRESS, HEALTHZ_PORT), "/healthz", timeout_s=0.5)
    return "passed" if verdict.passed else verdict.reason


def test_a_stale_kube_proxy_keeps_its_table_and_says_that_it_is_well() -> None:
    async def body(node: Proxy) -> None:
        stale = lease("stale", "kube-proxy/node-1")
        await node.faults.break_(stale)
        node.feed.take("MODIFIED", slice_of(endpoint(OTHER)))
        assert await answered() == POD
        assert await healthz() == "passed"
        await node.faults.mend(stale)
        assert await answered() == OTHER

    with_proxy(body)


def test_a_stopped_kube_proxy_takes_no_new_connection_and_keeps_those_it_has() -> None:
    async def body(node: Proxy) -> None:
        before = await connect((ADDRESS, NODE_PORT))
        assert (await receive(before, len(POD))).decode() == POD
        stop = lease("stop", "kube-proxy/node-1")
        await node.faults.break_(stop)
        verdict = await probe.tcp((ADDRESS, NODE_PORT), timeout_s=0.3)
        assert not verdict.passed
        assert "timeout" in verdict.reason
        assert "deadline exceeded" in await healthz() or "timeout" in await healthz()
        assert stays_silent(before), "neither reset nor closed"
        caller = Caller("pod", "127.62.246.9", "default")
        assert not isinstance(node.routing.connect(caller, VIP, PORT), Route)
        await node.faults.mend(stop)
        assert await answered() == POD
        assert await healthz() == "passed"

    with_proxy(body)


def test_a_node_port_that_comes_while_kube_proxy_is_stopped_answers_afterwards() -> None:
    async def body(node: Proxy) -> None:
        node.feed.take("DELETED", service())
        stop = lease("stop", "kube-proxy/node-1")
        await node.faults.break_(stop)
        node.feed.take("ADDED", service())
        assert not (await probe.tcp((ADDRESS, NODE_PORT), timeout_s=0.3)).passed
        await node.faults.mend(stop)
        assert await answered() == POD

    with_proxy(body)
