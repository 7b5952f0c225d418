"""A machine looks at another by its own sockets: what it sees is what happened there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from emucluster.core.addresses import TUNNEL_PORT
from emucluster.core.errors import BadRequest
from emucluster.live.network import gateway, healthz, tunnel
from emucluster.live.network.dialer import dial
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.healthz import Answer
from emucluster.live.network.looking import Looker
from emucluster.live.network.routes import Route
from emucluster.live.rpc.pb import lab_pb2

from .lab import forwarding

pytestmark = pytest.mark.live
OnUvloop = Callable[[Any], None]
NODE, OTHER = "127.62.3.1", "127.62.3.2"
SILENT_S = 0.5
"""How long to look at what will say nothing."""


def looker(**options: Any) -> Looker:
    return Looker(dial, OTHER, token="token", **options)


def ask(how: str, address: str, **more: Any) -> lab_pb2.ProbeRequest:
    return lab_pb2.ProbeRequest(how=how, address=address, **{"timeout_s": 10.0, **more})


async def outcome(looker: Looker, how: str, address: str, **more: Any) -> str:
    return (await one(looker, how, address, **more)).outcome


async def one(looker: Looker, how: str, address: str, **more: Any) -> Any:
    return (await looker.look(ask(how, address, **more))).samples[0]


@contextlib.asynccontextmanager
async def pod(status: int = health_pb2.HealthCheckResponse.SERVING) -> AsyncIterator[str]:
    """A gRPC server; the place where it listens."""
    server = grpc.aio.server()
    health = health_aio.HealthServicer()
    await health.set("", status)
    add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port(f"{NODE}:0")
    await server.start()
    try:
        yield f"{NODE}:{port}"
    finally:
        await server.stop(None)


@contextlib.asynccontextmanager
async def node(place: str) -> AsyncIterator[Forwarding]:
    """A host with health port, gateway and tunnel, which leads to `place`."""
    ip, _, port = place.rpartition(":")
    route = Route((ip, int(port)), source=NODE)
    async with forwarding() as host:
        healthz.listen(host, NODE, 10256, lambda path: Answer(200, {}, b""))
        tunnel.listen(host, NODE, TUNNEL_PORT, lambda arrival: route, token=b"token")
        gateway.listen(host, NODE, 15001, lambda *asked: route, hop="pod-ip")
        yield host


def test_every_way_of_looking_gets_an_answer_from_a_host_that_is_well(
    on_uvloop: OnUvloop,
) -> None:
    async def scenario() -> None:
        async with pod() as place, node(place):
            eye = looker(gateway=(NODE, 15001))
            for how, address, more in (
                ("connect", f"{NODE}:10256", {}),
                ("http", f"{NODE}:10256", {"host": "/healthz"}),
                ("exchange", place, {}),
                ("exchange", place, {"via": "gateway"}),
                ("exchange", f"{NODE}:10250", {"via": "tunnel", "bytes": 1_000_000}),
                ("health", place, {}),
                ("health", place, {"via": "gateway"}),
            ):
                sample = await one(eye, how, address, **{**more, "timeout_s": 5.0})
                assert sample.outcome == "ok", (how, more, sample)
                assert sample.answer_s > 0

    on_uvloop(scenario)


def test_silence_refusal_and_a_freeze_are_told_apart(on_uvloop: OnUvloop) -> None:
    async def scenario() -> None:
        async with pod() as place, node(place) as host:
            eye = looker()
            host.freeze()
            sample = await one(eye, "http", f"{NODE}:10256", timeout_s=SILENT_S)
            assert (sample.outcome, sample.connect_s > 0) == ("timeout", True)
            host.resume()
            host.silence()
            sample = await one(eye, "http", f"{NODE}:10256", timeout_s=SILENT_S)
            assert sample.outcome == "timeout"
            host.resume()
            host.close_all_with_reset()
            assert await outcome(eye, "http", f"{NODE}:10256") == "refused"
            assert await outcome(eye, "exchange", f"{NODE}:1", via="tunnel") == "refused"

    on_uvloop(scenario)


def test_a_held_connection_tells_what_became_of_it(on_uvloop: OnUvloop) -> None:
    async def scenario() -> None:
        async with pod() as place, node(place) as host:
            eye = looker()
            word = (await one(eye, "hold", f"{NODE}:10250", via="tunnel")).detail
            assert await outcome(eye, "held", "", host=word) == "ok"
            host.reset_where(lambda flow: True, reason="test")
            assert await outcome(eye, "held", "", host=word) == "reset"
            assert await outcome(eye, "held", "", host=word) == "error"  # it is held no more
            assert await outcome(eye, "exchange", f"{NODE}:10250", via="tunnel") == "ok"
            eye.close()

    on_uvloop(scenario)


def test_a_connection_that_is_held_answers_again_and_again(on_uvloop: OnUvloop) -> None:
    """gRPC servers close after a few PINGs; what is exchanged here they take without end."""

    async def scenario() -> None:
        async with pod() as place:
            eye = looker()
            word = (await one(eye, "hold", place)).detail
            samples = (await eye.look(ask("held", "", host=word, count=50))).samples
            assert {sample.outcome for sample in samples} == {"ok"}
            eye.close()

    on_uvloop(scenario)


def test_health_is_what_the_server_says(on_uvloop: OnUvloop) -> None:
    async def scenario() -> None:
        async with pod(health_pb2.HealthCheckResponse.NOT_SERVING) as place:
            assert (await one(looker(), "health", place)).detail == "NOT_SERVING"
            sample = await one(looker(), "echo", place)
            assert sample.outcome == "error"
            assert sample.detail.startswith("UNIMPLEMENTED:")

    on_uvloop(scenario)


def test_it_looks_from_its_own_address_or_from_the_one_that_it_is_told(
    on_uvloop: OnUvloop,
) -> None:
    async def scenario() -> None:
        peers: list[str] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peers.append(writer.get_extra_info("peername")[0])
            writer.close()

        server = await asyncio.start_server(accept, NODE, 0)
        place = "{}:{}".format(*server.sockets[0].getsockname())
        await looker().look(ask("http", place))
        await looker().look(ask("http", place, source="127.62.3.9"))
        server.close()
        assert peers == [OTHER, "127.62.3.9"]

    on_uvloop(scenario)


def test_what_does_not_speak_http2_is_an_error_and_not_silence(on_uvloop: OnUvloop) -> None:
    async def scenario() -> None:
        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            await writer.drain()

        server = await asyncio.start_server(speak, NODE, 0)
        place = "{}:{}".format(*server.sockets[0].getsockname())
        assert await outcome(looker(), "exchange", place) == "reset"
        server.close()

    on_uvloop(scenario)


def test_a_name_server_that_says_nothing_is_silent(on_uvloop: OnUvloop) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((NODE, 0))
            place = "{}:{}".format(*sock.getsockname())
            assert (
                await outcome(looker(), "dns", place, host="a.b", timeout_s=SILENT_S) == "timeout"
            )

    on_uvloop(scenario)


def test_an_unknown_how_and_too_much_are_refused(on_uvloop: OnUvloop) -> None:
    async def scenario() -> None:
        for request in (ask("stare", f"{NODE}:1"), ask("http", f"{NODE}:1", count=10_000)):
            with pytest.raises(BadRequest):
                await looker().look(request)

    on_uvloop(scenario)
