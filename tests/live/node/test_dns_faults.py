"""Faults of a node's DNS, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from emucluster.core import objects as k8s
from emucluster.core.dns.records import DnsView
from emucluster.core.faults import FaultLease
from emucluster.live.dns_server import DnsServer
from emucluster.live.network import gateway
from emucluster.live.network.routes import Later, Refuse
from emucluster.live.node.dns_faults import DnsFaults
from emucluster.live.node.feed import Feed
from tests.live.network.lab import connect, forwarding, receive, send

pytestmark = pytest.mark.live

ADDRESS = "127.62.247.2"
HEADLESS = "db.default.svc.cluster.local"


def lease(kind: str, target: str, id_: str = "", **params: Any) -> FaultLease:
    return FaultLease(id_ or f"{kind}-1", kind, target, 0.0, None, params)


class Dns:
    """A node's DNS: its server, what it is fed with, and its faults."""

    def __init__(self) -> None:
        self.view = DnsView()
        self.feed = Feed(self.view.handle)
        self.server = DnsServer(self.view, ADDRESS, 0)
        self.faults = DnsFaults(self.view, self.server, self.feed)
        meta = k8s.ObjectMeta(name="db", namespace="default")
        spec = k8s.ServiceSpec(cluster_ip="None", type="ClusterIP")
        self.feed.take("ADDED", k8s.Service(metadata=meta, spec=spec))

    def endpoint(self, ip: str) -> None:
        labels = {"kubernetes.io/service-name": "db"}
        self.feed.take(
            "ADDED",
            k8s.EndpointSlice(
                metadata=k8s.ObjectMeta(name="db", namespace="default", labels=labels),
                address_type="IPv4",
                endpoints=(k8s.Endpoint(addresses=(ip,)),),
                ports=(k8s.EndpointPort(name="grpc", port=80, protocol="TCP"),),
            ),
        )

    async def ask(self, over: str = "udp", timeout_s: float = 10) -> list[str]:
        """The addresses that are answered, or the code that comes instead."""
        query = dns.message.make_query(HEADLESS, "A")
        how = getattr(dns.asyncquery, over)
        reply = await how(query, ADDRESS, port=self.server.port, timeout=timeout_s)
        if reply.rcode() != dns.rcode.NOERROR:
            return [dns.rcode.to_text(reply.rcode())]
        return [item.to_text() for rrset in reply.answer for item in rrset]


def with_dns(body: Callable[[Dns], Awaitable[None]]) -> None:
    async def main() -> None:
        node = Dns()
        node.endpoint("127.32.1.2")
        await node.server.start()
        try:
            await body(node)
        finally:
            await node.server.close()

    asyncio.run(main())


@pytest.mark.parametrize("rcode", ["SERVFAIL", "NXDOMAIN", "REFUSED"])
def test_dns_answers_with_an_error_until_the_fault_ends(rcode: str) -> None:
    async def body(node: Dns) -> None:
        error = lease("error", "dns/node-1", rcode=rcode)
        await node.faults.break_(error)
        assert [await node.ask(over) for over in ("udp", "tcp")] == [[rcode], [rcode]]
        await node.faults.mend(error)
        assert await node.ask() == ["127.32.1.2"]

    with_dns(body)


def test_stale_dns_answers_as_it_did_and_learns_at_the_end() -> None:
    async def body(node: Dns) -> None:
        stale = lease("stale", "dns/node-1")
        await node.faults.break_(stale)
        node.endpoint("127.32.1.3")
        assert await node.ask() == ["127.32.1.2"]
        await node.faults.mend(stale)
        assert await node.ask() == ["127.32.1.3"]

    with_dns(body)


@pytest.mark.parametrize("over", ["udp", "tcp"])
def test_slow_dns_answers_late_and_what_it_then_knows(over: str) -> None:
    async def body(node: Dns) -> None:
        slow = lease("slow", "dns/node-1", delay=0.3, jitter=0.0)
        await node.faults.break_(slow)
        began_s = time.monotonic()
        asked = asyncio.create_task(node.ask(over))
        await asyncio.sleep(0)
        node.endpoint("127.32.1.3")
        assert await asked == ["127.32.1.3"]
        assert time.monotonic() - began_s >= 0.3
        await node.faults.mend(slow)
        assert node.server.late_s is None

    with_dns(body)


def test_names_are_looked_up_late_by_gateways_and_addresses_are_not() -> None:
    async def body(node: Dns) -> None:
        decided = Refuse("decided")
        at_once = node.faults.looked_up("web", lambda: decided)
        assert at_once is decided
        slow = lease("slow", "dns/node-1", delay=0.3, jitter=0.1)
        await node.faults.break_(slow)
        late = node.faults.looked_up("web", lambda: decided)
        assert isinstance(late, Later)
        assert 0.2 <= late.delay_s <= 0.4
        assert late.decide() is decided
        assert node.faults.looked_up("10.96.0.1", lambda: decided) is decided
        await node.faults.mend(slow)
        assert node.faults.looked_up("web", lambda: decided) is decided

    with_dns(body)


def test_a_gateway_asks_again_when_a_late_name_is_known() -> None:
    async def main() -> None:
        async with forwarding("node-1") as host:
            asked: list[float] = []

            def decide() -> Refuse:
                asked.append(time.monotonic())
                return Refuse("nobody is there")

            gateway.listen(
                host, ADDRESS, 15001, lambda name, port, client: Later(0.2, decide), hop="pod-ip"
            )
            began_s = time.monotonic()
            client = await connect((ADDRESS, 15001))
            await send(client, b"CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n")
            assert (await receive(client, 12)) == b"HTTP/1.1 503"
            assert asked[0] - began_s >= 0.2

    asyncio.run(main())
