"""What a frozen, an unplugged and a crashed host look like from its neighbours' sockets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from emucluster.live.network import packet_filter
from emucluster.live.network.dialer import Refused, TimedOut, Unreachable, dial
from emucluster.live.network.flows import FlowLog
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.routes import Route
from tests.live.network.lab import Server, connect, forwarding, receive, send, stays_silent, until

NODE = "127.61.0.1"
POD = "127.61.1.2"


@pytest.fixture(params=["kernel filter", "imitated"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "imitated":
        monkeypatch.setattr(packet_filter, "available", lambda: False)
    elif not packet_filter.available():
        pytest.skip("this kernel lets us attach no filter")
    return str(request.param)


async def echoed(client: socket.socket, data: bytes) -> bytes:
    await send(client, data)
    return await receive(client, len(data))


async def answers_nobody(address: tuple[str, int]) -> bool:
    """Whether SYNs stay unanswered. Imitated, the kernel still accepts the first one."""
    held = []
    try:
        for _ in range(3):
            held.append(await dial(address, timeout_s=0.2))
    except TimedOut:
        return len(held) <= 1
    finally:
        for sock in held:
            sock.close()
    return False


def test_a_silent_host_answers_nothing_and_resets_when_it_boots(on_uvloop, means: str) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            assert host.silence() == means
            await send(client, b"anyone?")
            server.writers[0].write(b"pushed")
            assert await answers_nobody(listener.address)
            assert stays_silent(client)
            assert server.endings == []
            host.unsilence_with_reset()
            # With the filter gone the repeated segments arrive at no socket: reset.
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            again = await connect(listener.address)
            assert await echoed(again, b"y") == b"Y"
            (lost, _) = host.flows.recent()
            assert (lost.how, lost.reason) == ("fault", "reboot")
            again.close()

    on_uvloop(scenario)


def test_a_frozen_host_accepts_and_resumes_as_it_was(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            before = await connect(listener.address)
            assert await echoed(before, b"x") == b"X"
            host.freeze()
            during = await connect(listener.address)
            await send(before, b"old")
            await send(during, b"new")
            server.writers[0].write(b"pushed")
            await asyncio.sleep(0.05)  # nothing to wait for: nothing may happen
            assert stays_silent(before)
            assert stays_silent(during)
            assert len(server.peers) == 1
            host.resume()
            assert await receive(before, 9) == b"pushedOLD"
            assert await receive(during, 3) == b"NEW"
            before.close()
            during.close()

    on_uvloop(scenario)


def test_a_connection_being_dialled_when_the_host_freezes_goes_on_afterwards(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            client = await connect(listener.address)
            await until(lambda: bool(host.flows.recent()))
            host.freeze()
            await send(client, b"x")
            host.resume()
            assert await receive(client, 1) == b"X"
            client.close()

    on_uvloop(scenario)


def test_a_crash_resets_everything_and_refuses_until_it_is_over(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            client = await connect(listener.address)
            assert await echoed(client, b"x") == b"X"
            host.close_all_with_reset()
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            await until(lambda: server.endings == ["rst"])
            with pytest.raises(Refused):
                await dial(listener.address, timeout_s=5)
            host.resume()
            again = await connect(listener.address)
            assert await echoed(again, b"y") == b"Y"
            again.close()

    on_uvloop(scenario)


def test_a_listener_refuses_drops_and_opens_again_at_the_same_port(on_uvloop, means: str) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            address = listener.address
            established = await connect(address)
            assert await echoed(established, b"x") == b"X"
            listener.set_mode("refuse")
            with pytest.raises(Refused):
                await dial(address, timeout_s=5)
            listener.set_mode("drop")
            assert await answers_nobody(address)
            listener.set_mode("open")
            client = await connect(address)
            assert await echoed(client, b"y") == b"Y"
            assert await echoed(established, b"z") == b"Z"
            client.close()
            established.close()

    on_uvloop(scenario)


def test_a_fault_forgets_nothing_of_what_the_owner_wanted(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            closed = host.listen(NODE, 0, lambda client, local: Route((POD, 1)))
            closed.set_mode("refuse")
            for fault in (host.freeze, host.close_all_with_reset):
                fault()
                with pytest.raises(Refused):
                    await dial(closed.address, timeout_s=5)
                host.resume()
                with pytest.raises(Refused):
                    await dial(closed.address, timeout_s=5)

    on_uvloop(scenario)


@pytest.mark.skipif(not packet_filter.available(), reason="this kernel lets us attach no filter")
def test_source_ranges_drop_the_syns_of_everyone_else(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            assert listener.allow_sources(("127.61.9.0/24", "127.61.7.1/32"))
            for source in ("127.61.9.200", "127.61.7.1"):
                client = await connect(listener.address, source)
                assert await echoed(client, b"x") == b"X"
                client.close()
            for source in ("127.61.7.2", "127.0.0.1"):
                with pytest.raises(TimedOut):
                    await dial(listener.address, source=source, timeout_s=0.2)
            listener.allow_sources(None)
            (await connect(listener.address, "127.61.7.2")).close()

    on_uvloop(scenario)


@pytest.mark.skipif(not packet_filter.available(), reason="this kernel lets us attach no filter")
def test_a_filter_on_a_uvloop_transport_holds_bytes_back_until_it_is_cleared(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server:
            client = await connect(server.address)
            assert await echoed(client, b"x") == b"X"
            transport = server.writers[0].transport
            packet_filter.drop_all(transport)
            await send(client, b"late")
            await asyncio.sleep(0.05)  # nothing to wait for: nothing may happen
            assert stays_silent(client)
            packet_filter.clear(transport)
            assert await receive(client, 4) == b"LATE"
            packet_filter.screen(transport, allow=["127.61.9.8/32"], rules=[])
            await send(client, b"again")
            await asyncio.sleep(0.05)  # nothing to wait for: nothing may happen
            assert stays_silent(client)
            packet_filter.clear(transport)
            packet_filter.clear(transport)
            assert await receive(client, 5) == b"AGAIN"
            client.close()

    on_uvloop(scenario)


@pytest.mark.skipif(not packet_filter.available(), reason="this kernel lets us attach no filter")
def test_a_fraction_of_packets_is_dropped() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.61.0.1", 0))
        receiver.setblocking(False)
        packet_filter.drop_fraction(receiver, 0.5)
        arrived = 0
        for _ in range(1000):
            sender.sendto(b"x", receiver.getsockname())
            try:
                arrived += len(receiver.recv(1))
            except BlockingIOError:
                pass
        assert 350 < arrived < 650
        with pytest.raises(ValueError, match="between 0 and 1"):
            packet_filter.drop_fraction(receiver, 1.5)


def test_dialling_ends_in_one_of_four_ways(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server:
            sock = await dial(server.address, source="127.61.5.5", timeout_s=5)
            assert sock.getsockname()[0] == "127.61.5.5"
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            sock.close()
        with pytest.raises(Refused, match="Connection refused"):
            await dial((POD, 1), timeout_s=5)
        with pytest.raises(Unreachable):
            await dial((POD, 1), source="192.0.2.1", timeout_s=5)
        with socket.create_server((POD, 0), backlog=0) as full:
            filler = await connect(full.getsockname())
            with pytest.raises(TimedOut):
                await dial(full.getsockname(), timeout_s=0.1)
            filler.close()

    on_uvloop(scenario)


def test_a_port_that_is_taken_is_named(on_uvloop) -> None:
    async def scenario() -> None:
        with socket.create_server((NODE, 0)) as holder:
            address, port = holder.getsockname()
            async with forwarding() as host:
                with pytest.raises(OSError, match=f"cannot .* {address}:{port}"):
                    host.listen(NODE, port, lambda client, local: Route((POD, 1)))

    on_uvloop(scenario)


def test_the_flow_ring_keeps_the_last_and_every_open_one(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server:
            host = Forwarding("node-1", flows=FlowLog(capacity=3))
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            kept = await connect(listener.address)
            assert await echoed(kept, b"x") == b"X"
            for _ in range(5):
                client = await connect(listener.address, "127.61.9.7")
                assert await echoed(client, b"x") == b"X"
                client.close()
            await until(lambda: [f.end_s for f in host.flows.recent()].count(None) == 1)
            flows = host.flows.recent()
            assert len(flows) == 4
            assert flows[0].in_peer == kept.getsockname()
            assert len(host.flows.recent(address="127.61.9.7")) == 3
            assert host.flows.recent(address="{}:{}".format(*kept.getsockname())) == flows[:1]
            last_end_s = max(flow.end_s or 0.0 for flow in flows)
            assert flows[0] in host.flows.recent(since_s=last_end_s + 1)
            assert len(host.flows.recent(since_s=last_end_s + 1)) == 1
            await host.aclose()
            kept.close()

    on_uvloop(scenario)
