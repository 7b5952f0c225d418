"""Forwarding of ports as clients other than kubectl do it: two channels of a WebSocket for each.

Channel 2i carries the bytes of the i-th port, 2i + 1 errors; the first message of both is the port.
Source: kubernetes pkg/kubelet/cri/streaming/portforward/websocket.go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from emucluster.core.errors import BadRequest
from emucluster.live.kubeapi.query import Query

from .channels import WebSocket, channel
from .ways import NotReached, cut_off

PORTS_MAX = 64
_READ_BYTES = 32 * 1024
_STALLED_S = 60.0

Connected: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial: TypeAlias = Callable[[int], Awaitable[Connected]]


def ports_of(query: Query) -> list[int]:
    """`ports=80&ports=443` or `ports=80,443`. Raises BadRequest."""
    texts = [text for value in query.all("ports") for text in value.split(",")]
    if not texts:
        raise BadRequest('query parameter "ports" is required')
    if len(texts) > PORTS_MAX:
        raise BadRequest(f'query parameter "ports": at most {PORTS_MAX}')
    ports = []
    for text in texts:
        if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
            raise BadRequest(f'unable to parse "{text}" as a port')
        ports.append(int(text))
    return ports


async def forward(socket: WebSocket, ports: Sequence[int], dial: Dial) -> None:
    """One connection for each port, until all have ended or the client goes."""
    writers: dict[int, asyncio.StreamWriter] = {}
    forwarding = asyncio.create_task(_forward_all(socket, ports, dial, writers))
    listening = asyncio.create_task(_listen(socket, writers))
    try:
        await asyncio.wait([listening, forwarding], return_when=asyncio.FIRST_COMPLETED)
    finally:
        listening.cancel()
        forwarding.cancel()
        await asyncio.gather(listening, forwarding, return_exceptions=True)
        for writer in writers.values():
            cut_off(writer)


async def _forward_all(
    socket: WebSocket, ports: Sequence[int], dial: Dial, writers: dict[int, asyncio.StreamWriter]
) -> None:
    for index, port in enumerate(ports):
        for number in (2 * index, 2 * index + 1):
            await socket.send(channel(number, port.to_bytes(2, "little")))
    async with asyncio.TaskGroup() as copies:
        for index, port in enumerate(ports):
            try:
                reader, writers[2 * index] = await dial(port)
            except NotReached as error:
                await socket.send(channel(2 * index + 1, error.why.encode()))
                continue
            copies.create_task(_copy(socket, 2 * index, reader))
    await socket.close()


async def _copy(socket: WebSocket, number: int, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ_BYTES):
            await socket.send(channel(number, data))


async def _listen(socket: WebSocket, writers: dict[int, asyncio.StreamWriter]) -> None:
    async for message in socket.messages():
        writer = writers.get(message[0]) if message else None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.write(message[1:])
                async with asyncio.timeout(_STALLED_S):  # which is an OSError, too
                    await writer.drain()
