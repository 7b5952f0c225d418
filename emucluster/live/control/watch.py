"""Fan-out of changes: each is encoded once, and nobody sees it before it is durable.

Of a commit only those watchers hear whom one of its changes may concern: there are as many of them
as nodes, and most changes concern one node.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from emucluster.core.errors import Gone
from emucluster.core.objects import Object, Pod, codec
from emucluster.core.store import Dispatch, EventType, NodeScope, Store, StoreEvent
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
        self._followers: dict[_Follower, None] = {}
        self._told = 0
        """The durable version at the last call of `committed`."""
        self._encoded: OrderedDict[tuple[int, EventType], api_pb2.WatchEvent] = OrderedDict()
        self._dispatches: dict[frozenset[str], Dispatch] = {}
        """By the kinds that nodes ask for, which is the same for all of them."""

    @property
    def durable_version(self) -> int:
        """Everything up to here is on disk, and may be seen."""
        return self._durable_version_of()

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._followers)

    def committed(self) -> None:
        """Tell the watchers whom it concerns that the durable version has moved."""
        durable = self.durable_version
        if self._moved is not None:
            self._moved.set_result(None)
            self._moved = None
        if self._followers:
            try:
                touched = _touched(self._store.events_since(self._told, until=durable))
            except Gone:  # more than is held: each of them finds out for itself
                touched = None
            for follower in self._followers:
                follower.moved(durable, touched)
        self._told = durable

    async def durable_at_least(self, version: int) -> None:
        """Return when everything up to `version` is on disk."""
        while self.durable_version < version:
            if self._moved is None:
                self._moved = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._moved)

    async def watch(
        self, kinds: Iterable[str], after_version: int | None, node_name: str
    ) -> AsyncIterator[api_pb2.WatchEvents]:
        """State (or what came after `after_version`), then every change; raises Gone.

        With `node_name` only what concerns that node; see `core.store.scope`.
        """
        wanted = frozenset(kinds)
        changes = self._of_node(wanted, node_name) if node_name else self._of_all(wanted)
        follower = _Follower(wanted, node_name)
        self._followers[follower] = None
        try:
            async for message in self._watch(changes, after_version, follower):
                yield message
        finally:
            del self._followers[follower]

    async def _watch(
        self, changes: _Changes, after_version: int | None, follower: _Follower
    ) -> AsyncIterator[api_pb2.WatchEvents]:
        if after_version is None:
            cursor = self._store.version
            messages = _state(changes.listed())
            await self.durable_at_least(cursor)
            for message in messages:
                yield message
        else:
            cursor = after_version
            if cursor > self._store.version:
                raise Gone(f"too old resource version: {cursor} ({self._store.version})")
            self._store.events_since(cursor)  # raises Gone before the first message
            if resumed := changes.resumed(self.durable_version):
                yield api_pb2.WatchEvents(events=[self._message(event) for event in resumed])
        yield api_pb2.WatchEvents(state_done=True, version=cursor)
        while True:
            limit = self.durable_version
            if limit <= cursor:
                cursor = max(cursor, await follower.concerned())
                continue
            found = [self._message(event) for event in changes.between(cursor, limit)]
            cursor = limit
            if found:
                yield api_pb2.WatchEvents(events=found, version=cursor)

    def _of_all(self, wanted: frozenset[str]) -> _Changes:
        store = self._store
        return _Changes(
            listed=lambda: (obj for kind in sorted(wanted) for obj in store.list(kind)),
            resumed=lambda until: (),
            between=lambda after, until: (
                event for event in store.events_since(after, until=until) if event.kind in wanted
            ),
        )

    def _of_node(self, wanted: frozenset[str], node_name: str) -> _Changes:
        scope = NodeScope(self._store, node_name)
        dispatch = self._dispatches.setdefault(wanted, Dispatch(self._store, wanted))
        return _Changes(
            listed=lambda: scope.listed(wanted),
            resumed=scope.resumed,
            between=lambda after, until: scope.select(
                dispatch.events(node_name, after, until), until
            ),
        )

    def _message(self, event: StoreEvent) -> api_pb2.WatchEvent:
        message = self._encoded.get((event.version, event.type))
        if message is None:
            message = api_pb2.WatchEvent(
                type=event.type,
                kind=event.kind,
                version=event.version,
                json=event.json,
            )
            self._encoded[event.version, event.type] = message
            if len(self._encoded) > _CACHE_MAX:
                self._encoded.popitem(last=False)
        return message


class _Touched(NamedTuple):
    """What a commit changed: the nodes to whom its pods are bound, and its other kinds."""

    nodes: frozenset[str]
    kinds: frozenset[str]


def _touched(events: Iterable[StoreEvent]) -> _Touched:
    nodes, kinds = set(), set()
    for event in events:
        if isinstance(event.object, Pod):
            nodes.add(event.object.spec.node_name or "")
        else:
            kinds.add(event.kind)
    return _Touched(frozenset(nodes), frozenset(kinds))


class _Follower:
    """One watcher that waits for commits; `node_name` is "" for one that follows all pods."""

    def __init__(self, kinds: frozenset[str], node_name: str) -> None:
        self._kinds, self._node_name = kinds, node_name
        self._waiting: asyncio.Future[int] | None = None
        self._passed = 0

    async def concerned(self) -> int:
        """Return after the next commit that changes what is followed, with the version of the
        last one before it that does not; 0: of none."""
        self._passed = 0
        self._waiting = asyncio.get_running_loop().create_future()
        return await self._waiting

    def moved(self, durable: int, touched: _Touched | None) -> None:
        """The durable version is this now. `touched`: by what; None: by anything."""
        if self._waiting is None:
            return
        if touched is not None and not self._is_concerned(touched):
            self._passed = durable
            return
        if not self._waiting.done():  # the watch may have been cancelled
            self._waiting.set_result(self._passed)
        self._waiting = None

    def _is_concerned(self, touched: _Touched) -> bool:
        if not touched.kinds.isdisjoint(self._kinds):
            return True
        if "Pod" not in self._kinds:
            return False
        return self._node_name in touched.nodes if self._node_name else bool(touched.nodes)


@dataclass(frozen=True, slots=True)
class _Changes:
    """Where one watcher's objects and events come from."""

    listed: Callable[[], Iterable[Object]]
    resumed: Callable[[int], Iterable[StoreEvent]]
    between: Callable[[int, int], Iterable[StoreEvent]]


def _state(listed: Iterable[Object]) -> list[api_pb2.WatchEvents]:
    messages: list[api_pb2.WatchEvents] = []
    events: list[api_pb2.WatchEvent] = []
    for obj in listed:
        version = int(obj.metadata.resource_version)
        json = codec.encode_json(obj)
        events.append(api_pb2.WatchEvent(type="ADDED", kind=obj.kind, version=version, json=json))
        if len(events) >= _CHUNK:
            messages.append(api_pb2.WatchEvents(events=events))
            events = []
    if events:
        messages.append(api_pb2.WatchEvents(events=events))
    return messages
