"""An echo pod of its own address, a gateway before it, and loads against it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from emucluster.core.kubelet.commands import PodIdentity
from emucluster.live.load.engine import Engine
from emucluster.live.load.rows import CallRow, rows
from emucluster.live.load.settings import read_settings
from emucluster.live.pods.echo import Echo, add_echo
from emucluster.live.rpc.pb import load_pb2

_addresses = (f"127.60.{third}.{last}" for third in range(10, 250) for last in range(2, 255))
_pods = itertools.count(1)


class EchoPod:
    """A genuine echo server at an address of its own."""

    def __init__(self, **env: str) -> None:
        self.ip = next(_addresses)
        self.name = f"web-{next(_pods)}"
        identity = PodIdentity(
            uid=self.name, namespace="default", name=self.name, node="node-1", zone="a", ip=self.ip
        )
        self.lines: list[str] = []
        self.echo = Echo(identity, env, log=self.lines.append)
        self.port = 0

    @property
    def address(self) -> str:
        return f"{self.ip}:{self.port}"

    async def start(self) -> None:
        """Serve, at the same port as before if there was one."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        await add_echo(self._server, self.echo)
        self.port = self._server.add_insecure_port(f"{self.ip}:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)


@contextlib.asynccontextmanager
async def echo_pod(**env: str) -> AsyncIterator[EchoPod]:
    pod = EchoPod(**env)
    await pod.start()
    try:
        yield pod
    finally:
        await pod.stop()


class Relay:
    """Passes bytes on to a server until it is told to be silent towards those who are connected."""

    def __init__(self, ip: str, port: int) -> None:
        self._to = (ip, port)
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.address = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Relay]:
        ip = next(_addresses)
        server = await asyncio.start_server(self._accept, ip, 0)
        self.address = f"{ip}:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.silence()
            for writer in self._writers:
                writer.transport.abort()

    def silence(self) -> None:
        """No byte of the present connections is passed on any more; none is closed."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        self._writers += [writer, back]
        self._tasks += [
            asyncio.ensure_future(self._pass(reader, back)),
            asyncio.ensure_future(self._pass(there, writer)),
        ]

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


def group(address: str, *, count: float = 20, rate: float = 200.0, **fields: Any) -> Any:
    """A group that calls `address` `count` times in an open loop, where nothing else is said."""
    made = load_pb2.LoadGroup(
        **{
            "name": "web",
            "clients": [load_pb2.LoadClient(number=1)],
            "target": load_pb2.LoadTarget(addresses=[address]),
            "deadline_s": 10.0,
            **fields,
        }
    )
    if made.WhichOneof("loop") is None:
        made.open.segments.add(duration_s=count / rate, from_per_s=rate, to_per_s=rate)
    return made


def engine(*groups: Any, run: str = "run", seed: str = "1", batch_s: float = 0.05) -> Engine:
    """A load that has been started."""
    spec = load_pb2.LoadSpec(run=run, seed=seed, batch_s=batch_s, groups=groups)
    made = Engine(read_settings(spec))
    made.start()
    return made


async def batches(load: Engine) -> list[Any]:
    """Every batch of a load, to its end."""
    return [batch async for batch in load.journal.follow(0)]


async def outcome_of(*groups: Any, **options: Any) -> list[CallRow]:
    """Every call of a load that ends by itself."""
    return [row for batch in await batches(engine(*groups, **options)) for row in rows(batch)]


async def until(condition: Any) -> None:
    """Wait for a condition; the deadline of the test ends the wait."""
    while not condition():  # noqa: ASYNC110 - conditions of the kernel have no event
        await asyncio.sleep(0.005)
