"""The DNS server over real sockets, asked by dnspython and by gRPC's own resolver."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent import futures
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import grpc
import pytest

from emucluster.core import objects as k8s
from emucluster.core.dns.records import DnsView
from emucluster.live.dns_server import DnsServer

ADDRESS = "127.0.0.1"
HEADLESS = "db.default.svc.cluster.local"


def view(*ips: str, port: int = 8080) -> DnsView:
    view = DnsView()
    meta = k8s.ObjectMeta(
        name="db", namespace="default", labels={"kubernetes.io/service-name": "db"}
    )
    view.handle(
        "ADDED",
        k8s.Service(metadata=meta, spec=k8s.ServiceSpec(cluster_ip="None", type="ClusterIP")),
    )
    endpoints = tuple(k8s.Endpoint(addresses=(ip,)) for ip in ips)
    ports = (k8s.EndpointPort(name="grpc", port=port, protocol="TCP"),)
    view.handle(
        "ADDED",
        k8s.EndpointSlice(metadata=meta, address_type="IPv4", endpoints=endpoints, ports=ports),
    )
    return view


@asynccontextmanager
async def serving(view: DnsView) -> AsyncIterator[DnsServer]:
    server = DnsServer(view, ADDRESS, 0)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def run(view: DnsView, body: Callable[[DnsServer], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(view) as server:
            await body(server)

    asyncio.run(main())


async def udp(
    server: DnsServer, query: dns.message.Message, timeout: float = 5
) -> dns.message.Message:
    return await dns.asyncquery.udp(query, ADDRESS, port=server.port, timeout=timeout)


async def tcp(server: DnsServer, query: dns.message.Message) -> dns.message.Message:
    return await dns.asyncquery.tcp(query, ADDRESS, port=server.port, timeout=5)


def addresses(reply: dns.message.Message) -> set[str]:
    return {item.to_text() for rrset in reply.answer for item in rrset}


@pytest.mark.parametrize("ask", [udp, tcp])
def test_addresses_are_answered_with_authority(
    ask: Callable[[DnsServer, dns.message.Message], Awaitable[dns.message.Message]],
) -> None:
    async def body(server: DnsServer) -> None:
        reply = await ask(server, dns.message.make_query(HEADLESS, "A"))
        assert addresses(reply) == {"127.32.1.2", "127.32.1.3"}
        assert reply.answer[0].ttl == 5
        assert reply.flags & dns.flags.AA

    run(view("127.32.1.2", "127.32.1.3"), body)


def test_negative_answers_are_told_apart() -> None:
    async def body(server: DnsServer) -> None:
        for name, qtype, rcode in (
            (HEADLESS, "AAAA", dns.rcode.NOERROR),
            ("x." + HEADLESS, "A", dns.rcode.NXDOMAIN),
            ("example.com", "A", dns.rcode.REFUSED),
        ):
            reply = await udp(server, dns.message.make_query(name, qtype))
            assert (reply.rcode(), reply.answer) == (rcode, [])
            assert bool(reply.authority) == (rcode != dns.rcode.REFUSED)

    run(view("127.32.1.2"), body)


def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    ips = {f"127.32.1.{n}" for n in range(2, 202)}

    async def body(server: DnsServer) -> None:
        for payload, most in ((None, 512), (4096, 1232)):
            query = dns.message.make_query(
                HEADLESS, "A", use_edns=payload is not None, payload=payload
            )
            reply = await udp(server, query)
            assert reply.flags & dns.flags.TC
            assert addresses(reply) < ips
            assert len(reply.to_wire()) <= most
        assert addresses(await tcp(server, dns.message.make_query(HEADLESS, "A"))) == ips

    run(view(*sorted(ips)), body)


def test_srv_targets_come_with_their_addresses() -> None:
    async def body(server: DnsServer) -> None:
        reply = await udp(server, dns.message.make_query(f"_grpc._tcp.{HEADLESS}", "SRV"))
        assert addresses(reply) == {f"0 100 8080 127-32-1-2.{HEADLESS}."}
        assert [item.to_text() for rrset in reply.additional for item in rrset] == ["127.32.1.2"]

    run(view("127.32.1.2"), body)


def test_what_is_not_a_query_for_us_gets_its_error() -> None:
    async def body(server: DnsServer) -> None:
        update = dns.message.make_query(HEADLESS, "A")
        update.set_opcode(dns.opcode.STATUS)
        assert (await udp(server, update)).rcode() == dns.rcode.NOTIMP
        chaos = dns.message.make_query("version.bind", "TXT", rdclass="CH")
        assert (await udp(server, chaos)).rcode() == dns.rcode.REFUSED
        newer = dns.message.make_query(HEADLESS, "A", use_edns=1)
        assert (await udp(server, newer)).rcode() == dns.rcode.BADVERS

    run(view("127.32.1.2"), body)


def test_malformed_messages_get_formerr_or_nothing_and_the_server_lives() -> None:
    server = DnsServer(view("127.32.1.2"), ADDRESS, 0)
    good = dns.message.make_query(HEADLESS, "A").to_wire()
    assert server.answer(good[:5], over_tcp=False) is None
    assert server.answer(bytes((*good[:2], good[2] | 0x80, *good[3:])), over_tcp=False) is None
    cut = server.answer(good[:-3], over_tcp=False)
    assert cut is not None
    assert (cut[:2], cut[3] & 15, len(cut)) == (good[:2], dns.rcode.FORMERR, 12)
    draw = random.Random(5)
    for _ in range(2000):
        noise = bytearray(good)
        for _ in range(draw.randrange(1, 6)):
            noise[draw.randrange(len(noise))] = draw.randrange(256)
        reply = server.answer(bytes(noise), over_tcp=False)
        assert reply is None or (reply[:2] == bytes(noise[:2]) and reply[2] & 0x80)


def test_messages_over_tcp_may_come_in_pieces_and_several_at_once() -> None:
    async def body(server: DnsServer) -> None:
        reader, writer = await asyncio.open_connection(ADDRESS, server.port)
        wires = [dns.message.make_query(HEADLESS, "A", id=n).to_wire() for n in (1, 2)]
        stream = b"".join(len(w).to_bytes(2, "big") + w for w in wires)
        writer.write(stream[:7])
        await writer.drain()
        writer.write(stream[7:])
        for expected in (1, 2):
            size = int.from_bytes(await reader.readexactly(2), "big")
            assert dns.message.from_wire(await reader.readexactly(size)).id == expected
        writer.close()

    run(view("127.32.1.2"), body)


def test_a_silent_server_takes_connections_and_answers_nothing_until_opened() -> None:
    async def body(server: DnsServer) -> None:
        server.set_mode("silent")
        query = dns.message.make_query(HEADLESS, "A")
        with pytest.raises(dns.exception.Timeout):
            await udp(server, query, timeout=0.2)
        waiting = asyncio.ensure_future(tcp(server, query))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        server.set_mode("open")
        assert addresses(await waiting) == {"127.32.1.2"}
        assert addresses(await udp(server, query)) == {"127.32.1.2"}

    run(view("127.32.1.2"), body)


def test_a_taken_port_is_an_error_that_leaves_nothing_open() -> None:
    async def body(server: DnsServer) -> None:
        taken = DnsServer(server.view, ADDRESS, server.port)
        with pytest.raises(OSError, match="in use"):
            await taken.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as only_udp:
            only_udp.bind((ADDRESS, 0))
            half = DnsServer(server.view, ADDRESS, only_udp.getsockname()[1])
            with pytest.raises(OSError, match="in use"):
                await half.start()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(ADDRESS, half.port)

    run(view("127.32.1.2"), body)


@pytest.mark.live
def test_grpcs_own_resolver_spreads_over_a_headless_name() -> None:
    """`dns://server/name` with round_robin reaches every ready endpoint."""
    ips = ["127.47.250.2", "127.47.250.3"]
    first, port = grpc_server(ips[0], 0)
    second, _ = grpc_server(ips[1], port)

    async def body(server: DnsServer) -> None:
        target = f"dns://{ADDRESS}:{server.port}/{HEADLESS}:{port}"
        options = [
            ("grpc.lb_policy_name", "round_robin"),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            call = channel.unary_unary("/test.Who/Are")
            seen: set[bytes] = set()
            async with asyncio.timeout(20):
                while len(seen) < 2:
                    seen.add(await call(b"", timeout=10, wait_for_ready=True))
        assert seen == {ip.encode() for ip in ips}

    try:
        run(view(*ips, port=port), body)
    finally:
        first.stop(None).wait()
        second.stop(None).wait()


def grpc_server(ip: str, port: int) -> tuple[grpc.Server, int]:
    """A server that answers every call with its own address."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: ip.encode())
    service = grpc.method_handlers_generic_handler("test.Who", {"Are": handler})
    server.add_generic_rpc_handlers((service,))
    bound = server.add_insecure_port(f"{ip}:{port}")
    server.start()
    return server, bound
