"""Faults of links act on what arrives from the peers that they name, and on nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease
from emucluster.live.network import gateway, marks, packet_filter, probe, tunnel
from emucluster.live.network.dialer import TimedOut, dial
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener
from emucluster.live.network.routes import Route, Tunnel
from tests.live.network.lab import Server, connect, forwarding, receive, send, stays_silent, until

NODE, OTHER = "127.61.0.1", "127.61.0.2"
POD, POD_RANGE = "127.61.1.2", "127.61.1.0/24"
CLIENT, STRANGER = "127.61.9.9", "127.61.9.8"
BALANCER = "127.240.0.5"
TOKEN = b"token"
QUIET_S = 0.3
"""Longer than TCP's first repetition (200 ms): what a filter lets pass would have come by then."""


@pytest.fixture(params=["kernel filter", "imitated"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "imitated":
        monkeypatch.setattr(packet_filter, "available", lambda: False)
    elif not packet_filter.available():
        pytest.skip("this kernel lets us attach no filter")
    return str(request.param)


kernel_only = pytest.mark.skipif(
    not packet_filter.available(), reason="this kernel lets us attach no filter"
)


def lease(kind: str, networks: Sequence[str], *, id_: str = "f", **params: Any) -> FaultLease:
    peers = tuple(params.pop("peers", ("node/node-9",)))
    cidrs = tuple(net if "/" in net else f"{net}/32" for net in networks)
    return FaultLease(id_, kind, "node/node-1", 0.0, None, params, peers, cidrs)


@contextlib.asynccontextmanager
async def one_hop() -> AsyncIterator[tuple[Forwarding, Listener, Server]]:
    """A host that passes on what arrives at it, and the server behind it."""
    async with Server().running(POD) as server, forwarding() as host:
        yield host, host.listen(NODE, 0, lambda client, local: Route(server.address)), server


async def echoed(client: socket.socket, data: bytes) -> bytes:
    await send(client, data)
    return await receive(client, len(data))


async def quiet(*socks: socket.socket) -> bool:
    await asyncio.sleep(QUIET_S)  # nothing to wait for: nothing may happen
    return all(stays_silent(sock) for sock in socks)


def has_filter(sock: socket.socket) -> bool:
    """Whether the kernel has a filter on it: SO_GET_FILTER tells its length."""
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, 26, 4096))
    except OSError:
        return False


def filters(host: Forwarding) -> int:
    found = [listener._sock for listener in host._listeners]
    for connection in host._connections:
        found += [sock for sock in (connection.client, connection.server) if sock is not None]
    return sum(has_filter(sock) for sock in found)


def retransmitted(sock: socket.socket) -> int:
    """tcpi_total_retrans of struct tcp_info."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int(struct.unpack_from("=I", raw, 100)[0])


async def is_cut(listener: Listener, source: str, means: str) -> bool:
    """Whether a new connection gets no further: no handshake, or imitated, no answer."""
    try:
        sock = await dial(listener.address, source=source, timeout_s=QUIET_S)
    except TimedOut:
        return True
    try:
        await send(sock, b"x")
        return means == "imitated" and await quiet(sock)
    finally:
        sock.close()


# --- partition


def test_a_partition_cuts_old_and_new_connections_of_its_peers_alone(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            cut, free = await connect(listener.address), await connect(listener.address, STRANGER)
            assert await echoed(cut, b"x") + await echoed(free, b"x") == b"XX"
            assert host.shape(lease("partition", [CLIENT])) == means
            await send(cut, b"lost")
            assert await quiet(cut)
            assert await is_cut(listener, CLIENT, means)
            assert await echoed(free, b"y") == b"Y"
            assert await echoed(await connect(listener.address, STRANGER), b"z") == b"Z"
            host.unshape(lease("partition", [CLIENT]))
            assert await receive(cut, 4) == b"LOST"
            assert await echoed(await connect(listener.address), b"new") == b"NEW"
            assert filters(host) == 0
            cut.close()
            free.close()

    on_uvloop(scenario)


def test_a_one_way_partition_lets_the_other_way_pass(on_uvloop, means) -> None:
    """What the host sends still leaves, until it needs an acknowledgement that does not come."""

    async def scenario() -> None:
        async with one_hop() as (host, listener, server):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            host.shape(lease("partition", [CLIENT], direction="to"))
            server.writers[0].write(b"pushed")
            assert await receive(client, 6) == b"pushed"
            await send(client, b"lost")
            assert await quiet(client)
            client.close()

    on_uvloop(scenario)


def test_a_partition_from_outside_both_ways_holds_what_is_sent_there_too(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, server):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            fault = lease("partition", [CLIENT], direction="both", peers=["outside"])
            expected = "kernel filter + held bytes" if means == "kernel filter" else means
            assert host.shape(fault) == expected
            server.writers[0].write(b"pushed")
            assert await quiet(client)
            host.unshape(fault)
            assert await receive(client, 6) == b"pushed"
            client.close()

    on_uvloop(scenario)


def test_dialling_a_peer_that_is_cut_off_times_out_and_goes_on_after_healing(
    on_uvloop, means
) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            fault = lease("partition", [POD_RANGE])
            host.shape(fault)
            with pytest.raises(TimedOut):
                await host.links.dial(server.address, timeout_s=0.2)
            reason = (await probe.tcp(server.address, timeout_s=0.2, dial=host.links.dial)).reason
            assert reason.endswith("i/o timeout")
            pending = asyncio.create_task(host.links.dial(server.address, timeout_s=10))
            await asyncio.sleep(QUIET_S)  # nothing to wait for: nothing may happen
            assert not pending.done()
            host.unshape(fault)
            sock = await pending
            assert not has_filter(sock)
            assert await echoed(sock, b"x") == b"X"
            sock.close()

    on_uvloop(scenario)


def test_a_cut_server_side_holds_requests_and_not_other_servers(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with (
            Server().running(POD) as cut,
            Server().running("127.61.2.2") as free,
            forwarding() as host,
        ):
            to_cut = host.listen(NODE, 0, lambda client, local: Route(cut.address))
            to_free = host.listen(NODE, 0, lambda client, local: Route(free.address))
            old, other = await connect(to_cut.address), await connect(to_free.address)
            assert await echoed(old, b"x") + await echoed(other, b"x") == b"XX"
            fault = lease("partition", [POD_RANGE])
            host.shape(fault)
            await send(old, b"lost")
            new = await connect(to_cut.address)
            await send(new, b"new")
            assert await quiet(old, new)
            assert await echoed(other, b"y") == b"Y"
            host.unshape(fault)
            assert await receive(old, 4) == b"LOST"
            assert await receive(new, 3) == b"NEW"
            for sock in (old, new, other):
                sock.close()

    on_uvloop(scenario)


def test_a_node_behind_a_tunnel_is_known_by_whom_it_speaks_for(on_uvloop, means) -> None:
    """Nodes of one machine may share its address: the tunnel's header tells them apart."""

    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as far, forwarding() as near:
            door = tunnel.listen(
                far, OTHER, 0, lambda arrival: Route(arrival.destination), token=TOKEN
            )
            via = Tunnel(door.address, TOKEN, source=NODE)

            def route(client: tuple[str, int], local: tuple[str, int]) -> Route:
                return Route(server.address, source=client[0], via=via)

            listener = near.listen(NODE, 0, route)
            cut, free = await connect(listener.address), await connect(listener.address, STRANGER)
            assert await echoed(cut, b"x") + await echoed(free, b"x") == b"XX"
            fault = lease("partition", [CLIENT])
            far.shape(fault)
            new = await connect(listener.address)
            await send(cut, b"lost")
            await send(new, b"new")
            assert await quiet(cut, new)
            assert await echoed(free, b"y") == b"Y"
            far.unshape(fault)
            assert await receive(cut, 4) == b"LOST"
            assert await receive(new, 3) == b"NEW"
            for sock in (cut, new, free):
                sock.close()

    on_uvloop(scenario)


def test_a_balancer_that_keeps_client_addresses_is_told_from_its_clients(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with (
            Server().running(POD) as server,
            forwarding() as node,
            forwarding("lb") as balancer,
        ):
            port = node.listen(NODE, 0, lambda client, local: Route(server.address))
            balancer.links.mark = marks.mark_of(BALANCER)

            def route(client: tuple[str, int], local: tuple[str, int]) -> Route:
                return Route(port.address, source=client[0])

            entrance = balancer.listen(BALANCER, 0, route)
            through, direct = await connect(entrance.address), await connect(port.address)
            assert await echoed(through, b"x") + await echoed(direct, b"x") == b"XX"
            of_balancer = lease("partition", [BALANCER])
            node.shape(of_balancer)
            await send(through, b"lost")
            assert await is_cut(entrance, CLIENT, "imitated")  # the balancer itself accepts
            assert await quiet(through)
            assert await echoed(direct, b"y") == b"Y"
            assert await echoed(await connect(port.address), b"z") == b"Z"
            node.unshape(of_balancer)
            assert await receive(through, 4) == b"LOST"
            node.shape(lease("partition", [CLIENT]))
            await send(direct, b"lost")
            assert await quiet(direct)
            assert await echoed(through, b"y") == b"Y"
            through.close()
            direct.close()

    on_uvloop(scenario)


def test_of_a_pod_only_its_own_connections_are_cut(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with (
            Server().running(POD) as mine,
            Server().running("127.61.1.3") as others,
            forwarding() as host,
        ):
            to_mine = host.listen(NODE, 0, lambda client, local: Route(mine.address))
            to_others = host.listen(NODE, 0, lambda client, local: Route(others.address))
            cut, free = await connect(to_mine.address), await connect(to_others.address)
            assert await echoed(cut, b"x") + await echoed(free, b"x") == b"XX"
            host.shape(lease("partition", [CLIENT]), local=POD)
            new = await connect(to_mine.address)
            await send(cut, b"lost")
            await send(new, b"lost")
            assert await quiet(cut, new)
            assert await echoed(free, b"y") == b"Y"
            assert await echoed(await connect(to_others.address), b"z") == b"Z"
            for sock in (cut, new, free):
                sock.close()

    on_uvloop(scenario)


def test_a_gateway_of_the_host_is_no_link(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            door = gateway.listen(host, NODE, 0, lambda *_: Route(server.address), hop="pod-ip")
            host.shape(lease("partition", [CLIENT, "127.0.0.1"]))
            sock = await connect(door.address)
            await send(sock, b"CONNECT 10.96.0.5:80 HTTP/1.1\r\n\r\n")
            assert (await receive(sock, 12)).endswith(b"200")
            sock.close()

    on_uvloop(scenario)


@kernel_only
def test_source_ranges_and_a_partition_are_one_filter(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            assert listener.allow_sources(("127.61.9.0/28",))
            fault = lease("partition", [CLIENT])
            host.shape(fault)
            assert await echoed(await connect(listener.address, STRANGER), b"x") == b"X"
            for source in (CLIENT, "127.61.9.200"):
                assert await is_cut(listener, source, "kernel filter")
            host.unshape(fault)
            assert await echoed(await connect(listener.address), b"y") == b"Y"
            assert await is_cut(listener, "127.61.9.200", "kernel filter")

    on_uvloop(scenario)


def test_a_fault_without_peers_is_refused(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            with pytest.raises(EmuclusterError, match="partition of a link needs peers"):
                host.shape(lease("partition", []))

    on_uvloop(scenario)


# --- loss


@kernel_only
def test_what_is_lost_is_sent_again_by_tcp(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            client, free = (
                await connect(listener.address),
                await connect(listener.address, STRANGER),
            )
            assert await echoed(client, b"x") == b"X"
            fault = lease("loss", [CLIENT], share=0.1)
            assert host.shape(fault) == "kernel filter"
            while not retransmitted(client):  # the deadline of the test ends this
                assert await echoed(client, b"x") == b"X"
                assert await echoed(free, b"x") == b"X"
            assert retransmitted(free) == 0
            host.unshape(fault)
            assert filters(host) == 0
            client.close()
            free.close()

    on_uvloop(scenario)


def test_without_filters_loss_is_the_time_until_tcp_repeats(on_uvloop, monkeypatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(packet_filter, "available", lambda: False)
        async with one_hop() as (host, listener, _):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            assert host.shape(lease("loss", [CLIENT], share=0.1)) == "imitated"
            took_s = 0.0
            while took_s < 0.2:  # until one is lost; the deadline of the test ends this
                [took_s] = await round_trips(client, 1)
            client.close()

    on_uvloop(scenario)


# --- latency and bandwidth


async def round_trips(client: socket.socket, count: int) -> list[float]:
    took = []
    for _ in range(count):
        begin_s = time.monotonic()
        assert await echoed(client, b"x") == b"X"
        took.append(time.monotonic() - begin_s)
    return took


def test_latency_moves_round_trips_by_itself_and_nobody_elses(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            client, free = (
                await connect(listener.address),
                await connect(listener.address, STRANGER),
            )
            before = min(await round_trips(client, 20))
            fault = lease("latency", [CLIENT], delay=0.05, jitter=0.0, distribution="constant")
            assert host.shape(fault) == "held bytes"
            during = min(await round_trips(client, 20))
            assert during - before == pytest.approx(0.05, abs=0.002)
            assert min(await round_trips(free, 20)) < 0.04
            host.unshape(fault)
            assert min(await round_trips(client, 20)) < 0.04
            (near,) = [c._near for c in host._connections if c.client.getpeername()[0] == CLIENT]
            assert near is not None
            assert near.shaper is None
            client.close()
            free.close()

    on_uvloop(scenario)


async def first_answer_s(listener: Listener) -> float:
    """How long a new connection takes until its first answer."""
    begin_s = time.monotonic()
    client = await connect(listener.address)
    assert await echoed(client, b"x") == b"X"
    client.close()
    return time.monotonic() - begin_s


def test_a_new_connection_takes_its_handshake_and_then_its_first_bytes(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            for networks, trips in (([CLIENT], 2), ([POD_RANGE], 2), ([CLIENT, POD_RANGE], 4)):
                fault = lease("latency", networks, delay=0.05)
                host.shape(fault)
                took = [await first_answer_s(listener) for _ in range(5)]
                assert trips * 0.05 - 0.002 <= min(took) < (trips + 0.9) * 0.05
                host.unshape(fault)

    on_uvloop(scenario)


def test_a_check_that_dials_through_the_links_notices_latency(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            host.shape(lease("latency", [POD_RANGE], delay=0.1))
            assert (await probe.tcp(server.address, timeout_s=5, dial=host.links.dial)).passed
            late = await probe.tcp(server.address, timeout_s=0.05, dial=host.links.dial)
            assert not late.passed

    on_uvloop(scenario)


def test_bytes_stay_in_order_under_jitter_and_the_end_comes_last(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, server):
            client = await connect(listener.address)
            host.shape(lease("latency", [CLIENT], delay=0.02, jitter=0.02, distribution="pareto"))
            sent = b"".join(b"%04d." % number for number in range(200))
            for at in range(0, len(sent), 50):
                await send(client, sent[at : at + 50])
                await asyncio.sleep(0.001)  # so that chunks are read one by one
            client.shutdown(socket.SHUT_WR)
            assert await receive(client, len(sent) + 3) == sent + b"BYE"
            assert server.endings == ["fin"]
            client.close()

    on_uvloop(scenario)


def test_lifting_lets_go_of_what_was_held_in_order(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            fault = lease("latency", [CLIENT], delay=3600.0)
            host.shape(fault)
            await send(client, b"held ")
            assert await quiet(client)
            host.unshape(fault)
            assert await receive(client, 5) == b"HELD "
            client.close()

    on_uvloop(scenario)


def test_a_reset_takes_as_long_as_bytes_do(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, server):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            fault = lease("latency", [POD_RANGE], delay=3600.0)
            host.shape(fault)
            server.reset(0)
            assert await quiet(client)
            host.unshape(fault)
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            client.close()

    on_uvloop(scenario)


def test_much_that_is_held_makes_its_sender_wait(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            fault = lease("latency", [CLIENT], delay=3600.0)
            host.shape(fault)
            sending = asyncio.create_task(send(client, b"y" * (64 << 20)))
            (connection,) = host._connections
            near = connection._near
            assert near is not None
            await until(lambda: near.shaper is not None and near.shaper.full)
            await asyncio.sleep(QUIET_S)  # nothing to wait for: nothing may happen
            assert not sending.done()
            assert near.shaper is not None
            assert near.shaper._held < 5 << 20
            host.unshape(fault)
            assert await receive(client, 64 << 20) == b"Y" * (64 << 20)
            await sending
            client.close()

    on_uvloop(scenario)


def test_bandwidth_is_of_each_connection_and_lifted_at_once(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            clients = [await connect(listener.address) for _ in range(2)]
            fault = lease("bandwidth", [CLIENT], bytesPerSecond=200_000)
            assert host.shape(fault) == "held bytes"

            async def transfer(client: socket.socket) -> float:
                begin_s = time.monotonic()
                _, got = await asyncio.gather(
                    send(client, b"z" * 100_000), receive(client, 100_000)
                )
                assert got == b"Z" * 100_000
                return time.monotonic() - begin_s

            for took_s in await asyncio.gather(*(transfer(client) for client in clients)):
                assert took_s == pytest.approx(0.5, abs=0.1)
            host.unshape(fault)
            assert await transfer(clients[0]) < 0.2
            for client in clients:
                client.close()

    on_uvloop(scenario)


def test_shapes_add_up_and_a_partition_hides_them(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            for number in (1, 2):
                host.shape(lease("latency", [CLIENT], id_=f"l{number}", delay=0.04))
            host.shape(lease("bandwidth", [CLIENT], id_="b", bytesPerSecond=10_000))
            begin_s = time.monotonic()
            assert await echoed(client, b"y" * 2448) == b"Y" * 2448
            # 1448 bytes pass at once, 1000 take 100 ms; then both delays.
            assert time.monotonic() - begin_s == pytest.approx(0.18, abs=0.05)
            host.shape(lease("partition", [CLIENT], id_="p"))
            await send(client, b"z")
            assert await quiet(client)
            host.unshape(lease("partition", [CLIENT], id_="p"))
            assert await receive(client, 1) == b"Z"
            assert min(await round_trips(client, 2)) >= 0.079
            client.close()

    on_uvloop(scenario)


def test_a_slow_node_delays_what_passes_it_both_ways(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            client = await connect(listener.address)
            before = min(await round_trips(client, 10))
            fault = lease("slow", [], delay=0.03, jitter=0.0)
            assert host.shape(fault) == "held bytes"
            during = min(await round_trips(client, 10))
            assert during - before == pytest.approx(0.06, abs=0.003)
            host.unshape(fault)
            assert min(await round_trips(client, 10)) < 0.05
            client.close()

    on_uvloop(scenario)


def test_a_frozen_host_lets_go_of_nothing_that_it_holds(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            host.shape(lease("latency", [CLIENT], delay=0.05))
            await send(client, b"y")
            await until(lambda: any(c._near.shaper._held for c in host._connections if c._near))
            host.freeze()
            assert await quiet(client)
            host.resume()
            assert await receive(client, 1) == b"Y"
            client.close()

    on_uvloop(scenario)


def test_power_hides_a_link_fault_that_is_in_force_again_afterwards(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, _):
            fault = lease("partition", [CLIENT])
            host.silence()
            host.shape(fault)
            assert await is_cut(listener, STRANGER, "kernel filter") or means == "imitated"
            host.unsilence_with_reset()
            assert await is_cut(listener, CLIENT, means)
            assert await echoed(await connect(listener.address, STRANGER), b"x") == b"X"
            host.unshape(fault)
            assert await echoed(await connect(listener.address), b"y") == b"Y"

    on_uvloop(scenario)


# --- reset and half-open


def test_reset_ends_each_connection_between_the_two_once(on_uvloop) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, server):
            client, free = (
                await connect(listener.address),
                await connect(listener.address, STRANGER),
            )
            assert await echoed(client, b"x") + await echoed(free, b"x") == b"XX"
            assert host.shape(lease("reset", [CLIENT])) == "sockets reset"
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            await until(lambda: server.endings == ["rst"])
            assert await echoed(free, b"y") == b"Y"
            assert await echoed(await connect(listener.address), b"z") == b"Z"
            free.close()

    on_uvloop(scenario)


def test_half_open_the_peer_has_forgotten_and_the_holder_is_not_told(on_uvloop, means) -> None:
    async def scenario() -> None:
        async with one_hop() as (host, listener, server):
            holder, idle = await connect(listener.address), await connect(listener.address)
            assert await echoed(holder, b"x") + await echoed(idle, b"x") == b"XX"
            fault = lease("half-open", [POD_RANGE])
            assert host.shape(fault) == means
            await until(lambda: server.endings == ["rst", "rst"])
            await send(holder, b"anyone?")
            assert await quiet(holder, idle)
            if means == "kernel filter":
                assert retransmitted(holder) > 0
            fresh = await connect(listener.address)
            assert await echoed(fresh, b"new") == b"NEW"
            host.unshape(fault)
            await send(holder, b"now?")
            with pytest.raises(ConnectionResetError):
                await receive(holder, 1)
            assert await quiet(idle)  # who says nothing goes on believing
            await send(idle, b"hello?")
            with pytest.raises(ConnectionResetError):
                await receive(idle, 1)
            assert [flow.reason for flow in host.flows.recent()] == ["half-open", "half-open", ""]
            fresh.close()

    on_uvloop(scenario)
