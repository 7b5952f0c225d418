"""Fan-out of changes: each is encoded once, and nobody sees it before it is durable."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable

from emucluster.core.errors import Gone
from emucluster.core.objects import Pod, codec
from emucluster.core.store import Store, StoreEvent
from emucluster.live.rpc.pb import api_pb2

_CACHE_MAX = 4096
_CHUNK = 250
"""Objects a message of the initial state: about 3 ms of encoding, so that the loop breathes."""


class Broadcaster:
    """Wakes watchers when the durable watermark moves, and encodes for all of them."""

    def __init__(self, store: Store, durable_version: Callable[[], int]) -> None:
        self._store = store
        self._durable_version_of = durable_version
        self._moved: asyncio.Future[None] | None = None
        self._encoded: OrderedDict[int, api_pb2.WatchEvent] = OrderedDict()

    @property
    def durable_version(self) -> int:
        """Everything up to here is on disk, and may be seen."""
        return self._durable_version_of()

    def committed(self) -> None:
        """Tell watchers that the durable version has moved."""
        if self._moved is not None:
            self._moved.set_result(None)
            self._moved = None

    async def durable_at_least(self, version: int) -> None:
        """Return when everything up to `version` is on disk."""
        while self.durable_version < version:
            await self._wait()

    async def _wait(self) -> None:
        if self._moved is None:
            self._moved = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._moved)

    async def watch(
        self, kinds: Iterable[str], after_version: int | None, node_name: str
    ) -> AsyncIterator[api_pb2.WatchEvents]:
        """State (or what came after `after_version`), then every change; raises Gone."""
        wanted = frozenset(kinds)
        if after_version is None:
            cursor = self._store.version
            messages = self._state(wanted, node_name)
            await self.durable_at_least(cursor)
            for message in messages:
                yield message
        else:
            cursor = after_version
            if cursor > self._store.version:
                raise Gone(f"too old resource version: {cursor} ({self._store.version})")
            self._store.events_since(cursor)  # raises Gone before the first message
        yield api_pb2.WatchEvents(state_done=True, version=cursor)
        while True:
            limit = self.durable_version
            if limit <= cursor:
                await self._wait()
                continue
            found = [
                self._message(event)
                for event in self._store.events_since(cursor)
                if event.version <= limit and _concerns(event, wanted, node_name)
            ]
            cursor = limit
            if found:
                yield api_pb2.WatchEvents(events=found, version=cursor)

    def _state(self, wanted: frozenset[str], node_name: str) -> list[api_pb2.WatchEvents]:
        messages: list[api_pb2.WatchEvents] = []
        events: list[api_pb2.WatchEvent] = []
        for kind in sorted(wanted):
            for obj in self._store.list(kind):
                if node_name and isinstance(obj, Pod) and obj.spec.node_name != node_name:
                    continue
                version = int(obj.metadata.resource_version)
                json = codec.encode_json(obj)
                events.append(
                    api_pb2.WatchEvent(type="ADDED", kind=kind, version=version, json=json)
                )
                if len(events) >= _CHUNK:
                    messages.append(api_pb2.WatchEvents(events=events))
                    events = []
        if events:
            messages.append(api_pb2.WatchEvents(events=events))
        return messages

    def _message(self, event: StoreEvent) -> api_pb2.WatchEvent:
        message = self._encoded.get(event.version)
        if message is None:
            message = api_pb2.WatchEvent(
                type=event.type,
                kind=event.kind,
                version=event.version,
                json=event.json,
            )
            self._encoded[event.version] = message
            if len(self._encoded) > _CACHE_MAX:
                self._encoded.popitem(last=False)
        return message


def _concerns(event: StoreEvent, wanted: frozenset[str], node_name: str) -> bool:
    if event.kind not in wanted:
        return False
    if node_name and isinstance(event.object, Pod):
        return event.object.spec.node_name == node_name
    return True
