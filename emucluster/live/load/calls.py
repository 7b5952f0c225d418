"""One echo call of any of gRPC's four kinds, in bytes: nothing is parsed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from emucluster.live.load.clock import LoadClock
from emucluster.live.load.settings import METHODS, Group
from emucluster.live.rpc.pb import echo_pb2

SERVICE = "/emucluster.v1.Echo/"
CANCELLED_HERE = "cancelled by the client"
ENDED_EARLY = "the stream ended before all replies had come"


class Progress:
    """How far a call has come; filled while it runs, so that a failure loses nothing."""

    __slots__ = ("detail", "first_s", "last", "received", "replies", "sent", "status")

    def __init__(self) -> None:
        self.status = grpc.StatusCode.OK
        self.detail = ""
        self.sent = self.received = self.replies = 0
        self.first_s = 0.0
        self.last = b""

    def replied(self, data: bytes, now_s: float) -> None:
        """One reply came."""
        if not self.replies:
            self.first_s = now_s
        self.replies += 1
        self.received += len(data)
        self.last = data


def body_of(group: Group) -> bytes:
    """All of a group's EchoRequest but its id, which stands before it."""
    streams = group.method == "server-stream"
    request = echo_pb2.EchoRequest(
        payload=bytes(group.request_bytes),
        repeat=group.messages if streams else 0,
        delay_s=group.delay_s + (group.message_interval_s if streams else 0.0),
        reply_bytes=group.reply_bytes,
    )
    return bytes(request.SerializeToString())


def request_of(call_id: str, body: bytes) -> bytes:
    """A serialised EchoRequest: field 1 by hand, since fields may be joined as bytes."""
    text = call_id.encode()
    if len(text) < 128:
        return b"\x0a" + bytes((len(text),)) + text + body
    return bytes(echo_pb2.EchoRequest(id=call_id).SerializeToString()) + body


class Caller:
    """Calls a group's method on one channel."""

    def __init__(self, channel: grpc.aio.Channel, group: Group, body: bytes, clock: LoadClock):
        self._group = group
        self._body = body
        self._now_s = clock.now_s
        self._options: dict[str, Any] = {"timeout": group.deadline_s}
        if group.wait_for_ready:
            self._options["wait_for_ready"] = True
        path = SERVICE + METHODS[group.method]
        make, self._exchange = _KINDS[group.method](self, channel)
        self._method = make(path)

    async def call(self, call_id: str) -> Progress:
        """Make the call; a failure is told in the result, as is being cancelled."""
        progress = Progress()
        call: Any = None
        try:
            call = self._open(call_id, progress)
            await self._exchange(call, call_id, progress)
        except grpc.aio.AioRpcError as error:
            progress.status = error.code()
            progress.detail = error.details() or ""
        except asyncio.CancelledError:
            progress.status = grpc.StatusCode.CANCELLED
            progress.detail = CANCELLED_HERE
            if call is not None:
                call.cancel()
        except asyncio.InvalidStateError:
            # A stream that was written to after its end says why only when it is asked.
            progress.status = await call.code()
            progress.detail = await call.details() or ""
        return progress

    def _open(self, call_id: str, progress: Progress) -> Any:
        if self._group.method in ("client-stream", "chat"):
            return self._method(**self._options)
        request = request_of(call_id, self._body)
        progress.sent = len(request)
        return self._method(request, **self._options)

    async def _unary(self, call: Any, call_id: str, progress: Progress) -> None:
        data = await call
        progress.replied(data, self._now_s())

    async def _server_stream(self, call: Any, call_id: str, progress: Progress) -> None:
        async for data in call:
            progress.replied(data, self._now_s())
        await self._end_of_stream(call, progress)

    async def _client_stream(self, call: Any, call_id: str, progress: Progress) -> None:
        async for request in self._requests(call_id):
            await call.write(request)
            progress.sent += len(request)
        await call.done_writing()
        data = await call
        progress.replied(data, self._now_s())

    async def _chat(self, call: Any, call_id: str, progress: Progress) -> None:
        async for request in self._requests(call_id, of_each_its_own=True):
            await call.write(request)
            progress.sent += len(request)
            data = await call.read()
            if data is grpc.aio.EOF:
                break
            progress.replied(data, self._now_s())
        else:
            await call.done_writing()
        await self._end_of_stream(call, progress)

    async def _requests(
        self, call_id: str, *, of_each_its_own: bool = False
    ) -> AsyncIterator[bytes]:
        """The messages of a stream at their interval.

        Where each is executed by itself, it has an id: the call's own, then `ID/2`, `ID/3` ...
        """
        for number in range(1, self._group.messages + 1):
            if number > 1 and self._group.message_interval_s:
                await asyncio.sleep(self._group.message_interval_s)
            own = f"{call_id}/{number}" if of_each_its_own and number > 1 else call_id
            yield request_of(own, self._body)

    async def _end_of_stream(self, call: Any, progress: Progress) -> None:
        progress.status = await call.code()
        progress.detail = await call.details() or ""
        if progress.status is grpc.StatusCode.OK and progress.replies < self._group.messages:
            progress.status, progress.detail = grpc.StatusCode.UNKNOWN, ENDED_EARLY


Exchange = Callable[[Any, str, Progress], Awaitable[None]]
_Kind = Callable[[Caller, Any], tuple[Callable[[str], Any], Exchange]]
_KINDS: dict[str, _Kind] = {
    "unary": lambda caller, channel: (channel.unary_unary, caller._unary),
    "server-stream": lambda caller, channel: (channel.unary_stream, caller._server_stream),
    "client-stream": lambda caller, channel: (channel.stream_unary, caller._client_stream),
    "chat": lambda caller, channel: (channel.stream_stream, caller._chat),
}
