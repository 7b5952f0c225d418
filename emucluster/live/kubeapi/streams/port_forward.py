"""The `portforward` subresource of pods: bytes to their ports, through their nodes.

kubectl opens a WebSocket and speaks SPDY through it: for each connection that somebody opens at its
end an error stream and a data stream, which belong together by their request id.

Source: kubernetes pkg/kubelet/cri/streaming/portforward/httpstream.go and websocket.go,
k8s.io/client-go tools/portforward.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from emucluster.core.errors import BadRequest
from emucluster.core.objects import Node, Pod
from emucluster.live.kubeapi.api import KubeApi
from emucluster.live.kubeapi.request import Answer, Request

from . import port_channels
from .channels import V4, Gone, WebSocket, chosen_protocol
from .commands import no_websocket
from .pods import node_of, pod_of
from .spdy import (
    DataReceived,
    Event,
    Framer,
    GoneAway,
    Pinged,
    SpdyError,
    StreamOpened,
    StreamReset,
    frames,
)
from .ways import NotReached, cut_off

SPDY_TUNNEL = "SPDY/3.1+portforward.k8s.io"
CONNECTIONS_MAX = 512
"""At one time, of one client."""
_PIECES_MAX = 64
"""Of what a client sent and its pod has not taken: then nothing more is read from the client."""
_STALLED_S = 60.0
"""A pod that takes nothing for so long loses its connection, for it holds up all others."""


async def port_forward(api: KubeApi, request: Request) -> Answer | None:
    """Forward until the client goes."""
    pod = pod_of(api, request)
    node_of(api, pod)
    if pod.status.phase != "Running" or not pod.status.pod_ip:
        raise BadRequest(f"pod {pod.metadata.name} is not running: {pod.status.phase}")
    if not request.websocket:
        raise no_websocket(request)
    target = _PodPorts(api, pod)
    # As upstream, who offers no protocol means channels.
    ours = (SPDY_TUNNEL, V4)
    protocol = chosen_protocol(request, ours) if request.subprotocols else ""
    if protocol != SPDY_TUNNEL:
        ports = port_channels.ports_of(request.query)
        await port_channels.forward(await WebSocket.accept(request, protocol), ports, target.dial)
        return None
    await ForwardSession(await WebSocket.accept(request, protocol), target).run()
    return None


class _PodPorts:
    """The ports of one pod, as long as that very pod is there."""

    def __init__(self, api: KubeApi, pod: Pod) -> None:
        self._api = api
        self._pod = pod

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises NotReached in the words that kubectl shows."""
        meta = self._pod.metadata
        before = f"error forwarding port {port} to pod {meta.name}, uid {meta.uid}: "
        pod = self._api.store.get("Pod", meta.namespace, meta.name)
        node = self._api.store.get("Node", "", self._pod.spec.node_name or "")
        if (
            not isinstance(pod, Pod)
            or pod.metadata.uid != meta.uid
            or pod.status.phase != "Running"
        ):
            raise NotReached(f"{before}the pod is not running any more")
        if not isinstance(node, Node):
            raise NotReached(f"{before}its node is gone")
        try:
            return await self._api.ways.to_pod(node, pod.status.pod_ip or "", port)
        except NotReached as error:
            what = "failed to connect inside the pod" if error.refused else "error dialing backend"
            raise NotReached(f"{before}{what}: {error.why}") from None


class Dial(Protocol):
    """What a session needs of the pod."""

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]: ...


@dataclass(slots=True)
class _Pair:
    """The two streams of one connection; 0 until they are there."""

    error: int = 0
    data: int = 0
    port: int = 0
    received: asyncio.Queue[bytes | None] = field(
        default_factory=lambda: asyncio.Queue(_PIECES_MAX)
    )
    """From the client; None after its FIN."""
    task: asyncio.Task[None] | None = None


class ForwardSession:
    """One client's streams."""

    def __init__(self, socket: WebSocket, target: Dial) -> None:
        self._socket = socket
        self._target = target
        self._framer = Framer()
        self._pairs: dict[str, _Pair] = {}
        self._by_data: dict[int, tuple[str, _Pair]] = {}
        self._last_stream = 0

    async def run(self) -> None:
        """Until the client goes, or has gone away and its last stream is over."""
        try:
            async for message in self._socket.messages():
                for event in self._framer.receive(message):
                    await self._take(event)
        except SpdyError:
            with contextlib.suppress(Gone):
                await self._socket.send(self._framer.go_away(self._last_stream))
                await self._socket.close()
        except Gone:
            pass
        finally:
            tasks = [pair.task for pair in self._pairs.values() if pair.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, event: Event) -> None:
        if isinstance(event, StreamOpened):
            await self._opened(event)
        elif isinstance(event, DataReceived):
            found = self._by_data.get(event.stream)
            if found is not None and event.data:
                await self._pass_on(event.stream, found[1], event.data)
            if found is not None and event.fin:
                await self._pass_on(event.stream, found[1], None)
        elif isinstance(event, StreamReset):
            found = self._by_data.get(event.stream)
            if found is not None and found[1].task is not None:
                found[1].task.cancel()
        elif isinstance(event, Pinged) and event.number % 2:
            await self._socket.send(self._framer.ping(event.number))
        elif isinstance(event, GoneAway):
            return  # it closes the WebSocket when its streams are over

    async def _pass_on(self, stream: int, pair: _Pair, data: bytes | None) -> None:
        try:
            await asyncio.wait_for(pair.received.put(data), _STALLED_S)
        except TimeoutError:
            await self._refuse(stream, frames.CANCEL)
            if pair.task is not None:
                pair.task.cancel()

    async def _opened(self, event: StreamOpened) -> None:
        self._last_stream = event.stream
        kind, number = event.headers.get("streamtype", ""), event.headers.get("requestid", "")
        port = _port(event.headers)
        pair = self._pairs.setdefault(number, _Pair())
        taken = pair.error if kind == "error" else pair.data
        if kind not in ("error", "data") or port is None or taken:
            await self._refuse(event.stream, frames.PROTOCOL_ERROR)
            return
        if len(self._pairs) > CONNECTIONS_MAX:
            del self._pairs[number]
            await self._refuse(event.stream, frames.REFUSED_STREAM)
            return
        await self._socket.send(self._framer.reply(event.stream))
        if kind == "error":
            pair.error = event.stream
        else:
            pair.data, pair.port = event.stream, port
            self._by_data[event.stream] = (number, pair)
            if event.fin:
                pair.received.put_nowait(None)
        if pair.error and pair.data:
            pair.task = asyncio.create_task(self._forward(number, pair))

    async def _refuse(self, stream: int, status: int) -> None:
        await self._socket.send(self._framer.reset(stream, status))

    async def _forward(self, number: str, pair: _Pair) -> None:
        """One connection, from its dialling to the end of both its streams."""
        try:
            reader, writer = await self._target.dial(pair.port)
        except NotReached as error:
            await self._end(number, pair, error.why)
            return
        except BaseException:
            self._forget(number, pair)
            raise
        sending = asyncio.create_task(_write_all(pair.received, writer))
        ended = False
        try:
            async for data in read_all(reader):
                await self._socket.send(self._framer.data(pair.data, data))
            ended = True
            await self._end(number, pair, "")
            await sending
        finally:
            self._forget(number, pair)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if not ended:
                cut_off(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _end(self, number: str, pair: _Pair, why: str) -> None:
        """FIN on both streams; the client takes what is on the error stream for a failure."""
        await self._socket.send(self._framer.data(pair.error, why.encode(), fin=True))
        await self._socket.send(self._framer.data(pair.data, b"", fin=True))
        if why:
            self._forget(number, pair)

    def _forget(self, number: str, pair: _Pair) -> None:
        if self._pairs.get(number) is pair:
            del self._pairs[number]
        self._by_data.pop(pair.data, None)


async def read_all(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What a pod sends, until its FIN; a reset ends it, too."""
    with contextlib.suppress(OSError):
        while data := await reader.read(frames.DATA_MAX):
            yield data


async def _write_all(received: asyncio.Queue[bytes | None], writer: asyncio.StreamWriter) -> None:
    """What a client sends, to the pod, and its FIN; what the pod takes no more is dropped."""
    with contextlib.suppress(OSError):
        while (data := await received.get()) is not None:
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        return
    while await received.get() is not None:
        pass


def _port(headers: Mapping[str, str]) -> int | None:
    text = headers.get("port", "")
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 65536 else None
