"""Real loopback sockets on one uvloop; every wait has a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from emucluster.live.network.dialer import dial
from emucluster.live.network.flows import FlowLog
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.sockets import reset_on_close


class Server:
    """Echoes, upper case, and remembers whom it saw and how they left."""

    def __init__(self) -> None:
        self.peers: list[tuple[str, int]] = []
        self.endings: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.address = ("", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers.append(writer.get_extra_info("peername"))
        self.writers.append(writer)
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk.upper())
                await writer.drain()
            self.endings.append("fin")
            writer.write(b"BYE")
            writer.close()
        except ConnectionError:
            self.endings.append("rst")

    @contextlib.asynccontextmanager
    async def running(self, address: str) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, address, 0)
        self.address = server.sockets[0].getsockname()
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.transport.abort()

    def reset(self, index: int) -> None:
        """Leave the given connection with RST."""
        transport = self.writers[index].transport
        inner = transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(inner.fileno())) as duplicate:
            reset_on_close(duplicate)
        transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the deadline of the test ends the wait."""
    while not condition():  # noqa: ASYNC110 - conditions of the kernel have no event
        await asyncio.sleep(0.005)


async def connect(address: tuple[str, int], source: str = "127.61.9.9") -> socket.socket:
    """A connected client socket."""
    return await dial(address, source=source, timeout_s=10)


async def receive(sock: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes, or what came before the end."""
    received = b""
    while len(received) < count:
        chunk = await asyncio.get_running_loop().sock_recv(sock, count - len(received))
        if not chunk:
            break
        received += chunk
    return received


async def send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


def stays_silent(sock: socket.socket) -> bool:
    """Whether neither payload nor FIN nor RST has arrived up to now."""
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return False


@contextlib.asynccontextmanager
async def forwarding(host: str = "node-1", **options: Any) -> AsyncIterator[Forwarding]:
    """A host that is closed in the end, and has then really forgotten everything."""
    host_forwarding = Forwarding(host, flows=FlowLog(), **options)
    try:
        yield host_forwarding
    finally:
        await host_forwarding.aclose()
        assert not [flow for flow in host_forwarding.flows.recent() if flow.end_s is None]
        assert host_forwarding.counts() == {}
