"""Pages of metrics on real sockets: valid text, and the fate of the machine that they are of."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emucluster.live.metrics.machine import FlowCollector, StateCollector
from emucluster.live.metrics.page import PATH, MachineRoom, listen, place_of, registry_of
from emucluster.live.network.dialer import TimedOut, dial
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener
from emucluster.live.network.routes import Decision, Refuse, Route
from tests.live.metrics.scrape import ask, get, parse, value
from tests.live.network.conftest import on_uvloop as on_uvloop
from tests.live.network.lab import Server, connect, forwarding, receive, send, stays_silent, until


def some(listener: Listener | None) -> Listener:
    assert listener is not None
    return listener


HOST, ROOM, PODS = "127.61.1.1", "127.61.1.2", "127.61.1.3"


def test_a_page_is_the_text_format_and_other_paths_are_not_found(on_uvloop: Any) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            state = StateCollector("node-1", "node", "zone-a", state=lambda: host.state)
            place = place_of(some(listen(host, HOST, 0, {PATH: registry_of(state)})))
            status, text = await get(place, "/metrics?x=1")
            series = parse(text)
            assert status == 200
            assert value(series, "emucluster_machine_info", machine="node-1", zone="zone-a") == 1
            assert value(series, "emucluster_machine_state", state="running") == 1
            assert value(series, "emucluster_machine_state") == 1
            assert (await get(place, "/other"))[0] == 404

    on_uvloop(scenario)


def test_a_port_that_somebody_has_stops_nothing(on_uvloop: Any) -> None:
    async def scenario() -> None:
        with socket.create_server((HOST, 0)) as taken:
            async with forwarding() as host:
                assert listen(host, HOST, taken.getsockname()[1], {}) is None

    on_uvloop(scenario)


def test_flows_are_counted_by_how_they_ended_and_bytes_while_they_are_open(on_uvloop: Any) -> None:
    async def scenario() -> None:
        async with forwarding() as host, Server().running(PODS) as server:
            decisions: list[Decision] = [
                Route(server.address, source=HOST, hop="node-port", service="a/b"),
                Refuse("no endpoints", "a/b", "node-port"),
            ]
            listener = host.listen(HOST, 0, lambda client, local: decisions.pop(0), hop="node-port")
            registry = registry_of(FlowCollector(host.flows))
            place = place_of(some(listen(host, HOST, 0, {PATH: registry})))
            with await connect(listener.address) as client:
                await send(client, b"hello")
                assert await receive(client, 5) == b"HELLO"
                during = parse((await get(place))[1])
                client.shutdown(socket.SHUT_WR)
                assert await receive(client, 3) == b"BYE"
            (await connect(listener.address)).close()
            await until(lambda: not host.flows.still_open())
            after = parse((await get(place))[1])

        assert value(during, "emucluster_flows_open", hop="node-port") == 1
        assert value(during, "emucluster_flow_bytes_total", hop="node-port", direction="in") == 5
        assert value(during, "emucluster_flows_opened_total") == 1
        assert value(after, "emucluster_flows_opened_total") == 2
        ended = "emucluster_flows_ended_total"
        assert value(after, ended, hop="node-port", how="fin", closed_by="client") == 1
        assert value(after, ended, hop="node-port", how="refused", closed_by="us") == 1
        assert value(after, "emucluster_flow_bytes_total", direction="out") == 8
        assert not any(name == "emucluster_flows_open" for name, _ in after)

    on_uvloop(scenario)


Act = Callable[[Forwarding, str], Awaitable[None]]


async def told_of_a_host_under(fault: str, act: Act) -> None:
    """A page of the host's own and one beside it; `act` is given the former under the fault."""
    room = MachineRoom("node-1")
    async with forwarding() as host:
        collector = StateCollector("node-1", "node", state=lambda: host.state)
        own = place_of(some(listen(host, HOST, 0, {PATH: registry_of(collector)})))
        beside = room.listen(ROOM, collector, port=0)["emucluster"]
        getattr(host, fault)()
        told = parse((await get(beside))[1])
        assert value(told, "emucluster_machine_state", state=host.state) == 1
        assert value(told, "emucluster_machine_state", state="running") == 0
        assert value(told, "process_open_fds") > 0
        await act(host, own)
    await room.aclose()


def test_a_frozen_machines_page_answers_once_it_thaws(on_uvloop: Any) -> None:
    async def act(host: Forwarding, own: str) -> None:
        with await ask(own) as unanswered:
            assert stays_silent(unanswered)
            host.resume()
            assert await receive(unanswered, 12) == b"HTTP/1.1 200"

    on_uvloop(lambda: told_of_a_host_under("freeze", act))


def test_a_silent_machines_page_is_not_even_connected_to(on_uvloop: Any) -> None:
    async def act(_host: Forwarding, own: str) -> None:
        address, _, port = own.rpartition(":")
        with pytest.raises(TimedOut):
            await dial((address, int(port)), timeout_s=0.3)

    on_uvloop(lambda: told_of_a_host_under("silence", act))
