"""Forwarding of ports, against servers of this process: kubectl's SPDY, and channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from emucluster.core.errors import BadRequest
from emucluster.live.kubeapi.query import Query
from emucluster.live.kubeapi.request import Request
from emucluster.live.kubeapi.streams import port_channels
from emucluster.live.kubeapi.streams.channels import WebSocket
from emucluster.live.kubeapi.streams.port_forward import ForwardSession
from emucluster.live.kubeapi.streams.spdy import DataReceived, Framer, StreamReset
from emucluster.live.kubeapi.streams.ways import NotReached
from tests.live.kubeapi.test_spdy import Client


class Peer:
    """A client's end of a WebSocket: what it sends, and what it was sent."""

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.got: asyncio.Queue[bytes | None] = asyncio.Queue()
        request = Request("GET", "/", (), Query(), {}, self._incoming.get, self._take)
        self.socket = WebSocket(request, "any")

    def send(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def _take(self, message: Any) -> None:
        closed = message["type"] == "websocket.close"
        await self.got.put(None if closed else message["bytes"])

    async def next(self) -> bytes | None:
        async with asyncio.timeout(20):
            return await self.got.get()


class Ports:
    """What stands for a pod: its servers by port."""

    def __init__(self) -> None:
        self.real: dict[int, int] = {}

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if port not in self.real:
            raise NotReached(f"nobody at {port}")
        return await asyncio.open_connection("127.0.0.1", self.real[port])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what it got, once it has all of it."""
    writer.write(await reader.read(-1))
    writer.close()


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def pod(**servers: Any) -> AsyncIterator[Ports]:
    ports, running = Ports(), []
    for name, serve in servers.items():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        running.append(server)
        ports.real[int(name[1:])] = server.sockets[0].getsockname()[1]
    yield ports
    for server in running:
        server.close()


class Kubectl(Peer):
    """One that speaks SPDY. Streams of connection n are 4n + 1 (errors) and 4n + 3 (data)."""

    def __init__(self) -> None:
        super().__init__()
        self._client = Client()
        self._framer = Framer()  # of what comes, replies excepted

    def open(self, number: int, port: int) -> None:
        for kind, stream in (("error", 4 * number + 1), ("data", 4 * number + 3)):
            headers = {"streamtype": kind, "port": str(port), "requestid": str(number)}
            self.send(self._client.open(stream, headers, fin=kind == "error"))

    async def replies(self, count: int) -> None:
        for _ in range(count):
            frame = await self.next()
            assert frame is not None
            self._client.replied(frame)

    async def until_fin(self, stream: int) -> dict[int, bytes]:
        """What comes by stream, until the end of this one."""
        found: dict[int, bytes] = {}
        while True:
            frame = await self.next()
            assert frame is not None
            for event in self._framer.receive(frame):
                assert isinstance(event, DataReceived)
                found[event.stream] = found.get(event.stream, b"") + event.data
                if event.stream == stream and event.fin:
                    return found


async def session(peer: Kubectl, ports: Ports) -> asyncio.Task[None]:
    return asyncio.create_task(ForwardSession(peer.socket, ports).run())


def test_bytes_go_both_ways_and_half_closed_ends_are_passed_on() -> None:
    async def scenario() -> None:
        async with pod(p80=echo) as ports:
            peer = Kubectl()
            running = await session(peer, ports)
            peer.open(0, 80)
            await peer.replies(2)
            data = bytes(range(256)) * 400
            for start in range(0, len(data), 5000):
                peer.send(Framer.data(3, data[start : start + 5000]))
            peer.send(Framer.data(3, b"", fin=True))
            assert await peer.until_fin(3) == {1: b"", 3: data}
            peer.leave()
            await running

    asyncio.run(scenario())


def test_connections_are_apart_and_a_port_without_a_server_says_so() -> None:
    async def scenario() -> None:
        async with pod(p80=greet) as ports:
            peer = Kubectl()
            running = await session(peer, ports)
            peer.open(0, 81)
            await peer.replies(2)
            assert await peer.until_fin(3) == {1: b"nobody at 81", 3: b""}
            peer.open(1, 80)
            await peer.replies(2)
            assert await peer.until_fin(7) == {5: b"", 7: b"hello"}
            peer.leave()
            await running

    asyncio.run(scenario())


def test_pings_are_answered_and_streams_of_no_kind_reset() -> None:
    async def scenario() -> None:
        peer, framer = Kubectl(), Framer()
        running = await session(peer, Ports())
        peer.send(Framer.ping(5))
        assert await peer.next() == Framer.ping(5)
        peer.send(peer._client.open(1, {"streamtype": "error", "port": "http", "requestid": "0"}))
        frame = await peer.next()
        assert frame is not None
        assert framer.receive(frame) == [StreamReset(1, 1)]
        peer.send(b"\x80\x02\x00\x01\x00\x00\x00\x00")
        assert await peer.next() == Framer.go_away(1)
        assert await peer.next() is None
        await running

    asyncio.run(scenario())


def test_what_goes_on_ends_with_the_client() -> None:
    async def scenario() -> None:
        connected, reset = asyncio.Event(), asyncio.Event()

        async def hold(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            connected.set()
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)
            reset.set()

        async with pod(p80=hold) as ports:
            peer = Kubectl()
            running = await session(peer, ports)
            peer.open(0, 80)
            await peer.replies(2)
            async with asyncio.timeout(20):
                await connected.wait()
                await asyncio.sleep(0.1)
                peer.leave()
                await running
                await reset.wait()

    asyncio.run(scenario())


def test_channels_begin_with_the_port_and_carry_data_and_errors() -> None:
    async def scenario() -> None:
        async with pod(p80=greet) as ports:
            peer = Peer()
            running = asyncio.create_task(port_channels.forward(peer.socket, [80, 81], ports.dial))
            heads = [await peer.next() for _ in range(4)]
            assert heads == [b"\0\x50\0", b"\1\x50\0", b"\2\x51\0", b"\3\x51\0"]
            rest = {await peer.next(), await peer.next()}
            assert rest == {b"\0hello", b"\3nobody at 81"}
            assert await peer.next() is None
            await running

    asyncio.run(scenario())


def test_ports_are_numbers_said_once_or_again() -> None:
    assert port_channels.ports_of(Query("ports=80,81&ports=443")) == [80, 81, 443]
    for text in ("", "ports=", "ports=0", "ports=http", "ports=65536"):
        with pytest.raises(BadRequest):
            port_channels.ports_of(Query(text))
