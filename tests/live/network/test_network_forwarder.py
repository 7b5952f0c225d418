"""What a forwarded connection is to its two ends."""

from __future__ import annotations

import asyncio
import socket

import pytest

from emucluster.live.network.flows import Flow
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.routes import Drop, Refuse, Route
from emucluster.live.network.sockets import close_with_reset
from tests.live.network.lab import Server, connect, forwarding, receive, send, stays_silent, until

NODE = "127.61.0.1"
POD = "127.61.1.2"


def only_flow(host: Forwarding) -> Flow:
    (flow,) = host.flows.recent()
    return flow


def test_bytes_pass_both_ways_and_the_server_sees_the_chosen_source(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            route = Route(
                server.address, source="127.61.9.9", service="default/web", endpoint="web-1"
            )
            listener = host.listen(NODE, 0, lambda client, local: route, hop="node-port")
            client = await connect(listener.address)
            await send(client, b"hello")
            assert await receive(client, 5) == b"HELLO"
            assert server.peers[0][0] == "127.61.9.9"
            flow = only_flow(host)
            assert flow.in_peer == client.getsockname()
            assert flow.in_local == listener.address
            assert flow.out_local == server.peers[0]
            assert flow.out_peer == server.address
            assert (flow.hop, flow.host, flow.service) == ("node-port", "node-1", "default/web")
            assert (flow.bytes_in, flow.bytes_out, flow.how) == (5, 5, "open")
            assert host.counts() == {("default/web", "web-1"): 1}
            client.close()
            await until(lambda: flow.end_s is not None)

    on_uvloop(scenario)


def test_half_close_is_kept_and_the_first_fin_is_named(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            client = await connect(listener.address)
            await send(client, b"abc")
            client.shutdown(socket.SHUT_WR)
            assert await receive(client, 100) == b"ABCBYE"
            await until(lambda: only_flow(host).end_s is not None)
            flow = only_flow(host)
            assert (flow.how, flow.closed_by) == ("fin", "client")
            assert (flow.bytes_in, flow.bytes_out) == (3, 6)
            client.close()

    on_uvloop(scenario)


def test_a_reset_is_passed_on_as_a_reset_in_both_directions(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            first = await connect(listener.address)
            await send(first, b"x")
            await receive(first, 1)
            close_with_reset(first)
            await until(lambda: server.endings == ["rst"])
            assert (only_flow(host).how, only_flow(host).closed_by) == ("rst", "client")

            second = await connect(listener.address)
            await send(second, b"x")
            await receive(second, 1)
            server.reset(1)
            with pytest.raises(ConnectionResetError):
                await receive(second, 1)
            second.close()

    on_uvloop(scenario)


def test_megabytes_arrive_whole_though_the_reader_is_slow(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            client = await connect(listener.address)
            payload = bytes(range(97, 123)) * 2_000_000
            sending = asyncio.ensure_future(send(client, payload))
            # Nothing is read: everything between fills up and the sender has to wait.
            await until(lambda: sum(flow.bytes_in for flow in host.flows.recent()) > 1_000_000)
            assert not sending.done()
            assert await receive(client, len(payload)) == payload.upper()
            await sending
            assert only_flow(host).bytes_in == only_flow(host).bytes_out == len(payload)
            client.close()

    on_uvloop(scenario)


def test_a_refusal_is_a_reset_and_its_reason_is_recorded(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            decision = Refuse("no endpoints", service="default/web")
            listener = host.listen(NODE, 0, lambda client, local: decision)
            client = await connect(listener.address)
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            flow = only_flow(host)
            assert (flow.how, flow.reason, flow.service) == (
                "refused",
                "no endpoints",
                "default/web",
            )

    on_uvloop(scenario)


def test_a_destination_that_refuses_resets_the_client(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route((POD, 1)))
            client = await connect(listener.address)
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            assert (only_flow(host).how, only_flow(host).closed_by) == ("refused", "server")

    on_uvloop(scenario)


def test_a_dropped_connection_is_never_answered_and_leaves_when_its_client_does(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding(idle_timeout_s=0.2) as host:
            listener = host.listen(NODE, 0, lambda client, local: Drop("no local endpoints"))
            client = await connect(listener.address)
            await send(client, b"anyone?")
            await until(lambda: bool(host.flows.recent()))
            assert only_flow(host).how == "dropped"
            assert stays_silent(client)
            client.close()
            await until(lambda: not host._connections)

    on_uvloop(scenario)


def test_a_decision_that_raises_refuses_the_connection_and_is_reported(on_uvloop) -> None:
    async def scenario() -> None:
        reports: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reports.append(str(context["exception"]))
        )

        def decide(client: object, local: object) -> Route:
            raise LookupError("no such table")

        async with forwarding() as host:
            listener = host.listen(NODE, 0, decide)
            client = await connect(listener.address)
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            assert reports == ["no such table"]

    on_uvloop(scenario)


def test_what_a_client_sends_while_the_destination_is_dialled_arrives_first(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            # A full accept queue keeps the dial waiting; one accept lets it through.
            slow = socket.socket()
            slow.bind((POD, 0))
            slow.listen(0)
            slow.setblocking(False)
            filler = await connect(slow.getsockname())
            listener = host.listen(NODE, 0, lambda client, local: Route(slow.getsockname()))
            client = await connect(listener.address)
            await send(client, b"early ")
            await until(lambda: bool(host.flows.recent()))
            assert only_flow(host).out_peer is None
            loop = asyncio.get_running_loop()
            (await loop.sock_accept(slow))[0].close()
            accepted, _ = await loop.sock_accept(slow)
            await send(client, b"late")
            assert await receive(accepted, 10) == b"early late"
            for sock in (slow, filler, client, accepted):
                sock.close()

    on_uvloop(scenario)


def test_a_silent_destination_keeps_the_client_waiting_until_the_limit(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            silent = socket.socket()
            silent.bind((POD, 0))
            silent.listen(0)
            filler = await connect(silent.getsockname())
            route = Route(silent.getsockname(), dial_timeout_s=0.3)
            listener = host.listen(NODE, 0, lambda client, local: route)
            client = await connect(listener.address)
            await until(lambda: bool(host.flows.recent()))
            assert stays_silent(client)
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)
            assert only_flow(host).how == "timeout"
            filler.close()
            silent.close()

    on_uvloop(scenario)


def test_only_the_flows_that_are_asked_for_are_reset(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            names = iter(["a", "b"])
            listener = host.listen(
                NODE, 0, lambda client, local: Route(server.address, endpoint=next(names))
            )
            clients = [await connect(listener.address) for _ in range(2)]
            for client in clients:
                await send(client, b"x")
                await receive(client, 1)
            assert host.reset_where(lambda flow: flow.endpoint == "a", reason="unhealthy") == 1
            with pytest.raises(ConnectionResetError):
                await receive(clients[0], 1)
            await send(clients[1], b"y")
            assert await receive(clients[1], 1) == b"Y"
            assert host.counts() == {("", "b"): 1}
            for client in clients:
                client.close()

    on_uvloop(scenario)


def test_draining_waits_for_the_last_connection_and_then_resets_what_is_left(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            polite = await connect(listener.address)
            await until(lambda: len(server.peers) == 1)
            draining = asyncio.ensure_future(host.drain(lambda flow: True, timeout_s=10))
            polite.close()
            assert await draining == 0
            stubborn = await connect(listener.address)
            await until(lambda: len(server.peers) == 2)
            assert await host.drain(lambda flow: True, timeout_s=0.05) == 1
            with pytest.raises(ConnectionResetError):
                await receive(stubborn, 1)

    on_uvloop(scenario)


@pytest.mark.parametrize("how", ["rst", "drop"])
def test_an_idle_connection_ends_as_the_load_balancer_would_end_it(on_uvloop, how: str) -> None:
    async def scenario() -> None:
        async with (
            Server().running(POD) as server,
            forwarding(idle_timeout_s=0.3, idle_how=how) as host,
        ):
            listener = host.listen(NODE, 0, lambda client, local: Route(server.address))
            client = await connect(listener.address)
            await send(client, b"x")
            await receive(client, 1)
            await until(lambda: only_flow(host).end_s is not None)
            assert only_flow(host).how == "timeout"
            if how == "rst":
                with pytest.raises(ConnectionResetError):
                    await receive(client, 1)
            else:
                await send(client, b"still there?")
                assert stays_silent(client)
                assert server.endings == []
            client.close()

    on_uvloop(scenario)
