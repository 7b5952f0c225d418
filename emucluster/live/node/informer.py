"""Follows the API server: first the state, then each change; resumes where it stopped.

Named after client-go's informers. A control plane that is away costs nothing but freshness: what
was last known stays, and reconnecting backs off with jitter, so that it is not met by all nodes
at once.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import grpc.aio

from emucluster.core.errors import Gone
from emucluster.core.kubelet.kubelet import ObjectEvent
from emucluster.core.objects import Object, codec
from emucluster.core.store import Key, key_of, relisted
from emucluster.live.rpc.channel import credentials
from emucluster.live.rpc.errors import translate
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

log = logging.getLogger("emucluster.informer")

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 2.0
"""A node is behind for about so long at most once the API server is back."""

OnEvent = Callable[[ObjectEvent, Object, Object | None], None]
"""Called as (ADDED|MODIFIED|DELETED, object, what was known before)."""

OnListed = Callable[[], None]
"""Called once a whole state has been taken; `objects` has it."""


class Informer:
    """Keeps `objects` equal to what the API server last said about `kinds`."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        token: str,
        kinds: Iterable[str],
        *,
        node_name: str,
        on_event: OnEvent,
        on_listed: OnListed,
        rng: random.Random,
        backoff_max_s: float = BACKOFF_MAX_S,
    ) -> None:
        self._stub = api_pb2_grpc.ApiStub(channel)
        self._metadata = credentials(token)
        self._kinds = tuple(kinds)
        self._node_name = node_name
        self._on_event = on_event
        self._on_listed = on_listed
        self._rng = rng
        self._backoff_max_s = backoff_max_s
        self.objects: dict[Key, Object] = {}
        self.version: int | None = None
        self.synced = asyncio.Event()
        self._backoff_s = BACKOFF_FIRST_S
        self._running = asyncio.Event()
        self._running.set()
        self._call: Any = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow, in a task of its own."""
        self._task = asyncio.create_task(self._follow())

    def pause(self) -> None:
        """Read no further; the connection stays as it is."""
        self._running.clear()

    def resume(self, *, reconnect: bool) -> None:
        """Go on; with `reconnect` over a new connection and from a whole state, as after boot."""
        if reconnect:
            self.version = None
            if self._call is not None:
                self._call.cancel()
                self._call = None
        self._running.set()

    async def stop(self) -> None:
        """End the stream and the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._running.wait()
            try:
                await self._stream()
                self._backoff_s = BACKOFF_FIRST_S
            except grpc.aio.AioRpcError as error:
                if isinstance(translate(error), Gone):
                    self.version = None
                    continue
                log.info("watch ended: %s", error.code())
            except asyncio.CancelledError:
                # Our own `_call.cancel()` arrives here as well; only a real one ends the task.
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
            await asyncio.sleep(self._backoff_s * self._rng.uniform(0.5, 1.5))
            self._backoff_s = min(self._backoff_s * 2, self._backoff_max_s)

    async def _stream(self) -> None:
        request = api_pb2.WatchRequest(kinds=self._kinds, node_name=self._node_name)
        if self.version is not None:
            request.after_version = self.version
        fresh: dict[Key, Object] | None = {} if self.version is None else None
        # The channel tries by itself to reach a server that is away: no second back-off behind its.
        call = self._call = self._stub.Watch(request, metadata=self._metadata, wait_for_ready=True)
        async for message in call:
            await self._running.wait()
            if self._call is not call:
                return  # read before the machine went down: the new connection begins anew
            for event in message.events:
                obj = codec.decode_json(event.json)
                if fresh is not None:
                    fresh[key_of(obj)] = obj
                else:
                    self._take(event.type, obj)
            if message.state_done and fresh is not None:
                for type_, obj in relisted(self.objects, fresh):
                    self._take(type_, obj)
                self._on_listed()
                fresh = None
            if fresh is None and message.version:
                self.version = message.version
            if message.state_done:
                self._backoff_s = BACKOFF_FIRST_S
                self.synced.set()

    def _take(self, type_: ObjectEvent, obj: Object) -> None:
        key = key_of(obj)
        old = self.objects.get(key)
        if type_ == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = obj
        try:
            self._on_event(type_, obj, old)
        except Exception:
            log.exception("a change was not taken: %s %s", type_, key)
