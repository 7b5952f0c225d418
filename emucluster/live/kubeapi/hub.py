"""Changes on their way to those who watch over HTTP.

Watchers of the same thing in the same form are a *group*. When the durable version moves, each
group's lines are made once and put into its log; a watcher is a position in that log, and takes a
piece at a time from it. So a slow watcher costs one piece and its share of a log, and all logs
together are bounded: when the log has been cut behind a watcher's position, it is closed and the
client comes back with the version that it has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from emucluster.core.errors import Gone
from emucluster.core.objects import Object, Pod, replace
from emucluster.core.store import FieldRequirement, Selector, Store, StoreEvent
from emucluster.core.store.selectors import EVERYTHING

from .pieces import PIECE_BYTES_MAX
from .shapes import Shape

Place = tuple[Literal["kind", "name", "node"], str, str]
"""By what a group is found: its kind, and the name or node that it is about."""

LOG_BYTES_MAX = 16 * 1024 * 1024
"""Of a group's log: what the slowest of its watchers may be behind."""
ALL_LOGS_BYTES_MAX = 64 * 1024 * 1024
"""Of the logs of all groups; what is too much goes from the longest ones."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind are watched."""

    kind: str
    namespace: str = ""
    labels: Selector = EVERYTHING
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def is_everything(self) -> bool:
        return not self.namespace and self.labels is EVERYTHING and not self.fields

    def takes(self, obj: Object | None) -> bool:
        """Whether the object is one of them."""
        if obj is None:
            return False
        if self.namespace and obj.metadata.namespace != self.namespace:
            return False
        if self.labels is not EVERYTHING and not self.labels.matches(obj.metadata.labels):
            return False
        return all(field.matches(obj) for field in self.fields)

    def exactly(self, field: str) -> str:
        """The one value that a field must have, or ""."""
        for each in self.fields:
            if each.field == field and not each.negated:
                return each.value
        return ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change as one selection sees it."""

    type: str
    object: Object
    version: int


def seen(event: StoreEvent, selection: Selection) -> Change | None:
    """What an event is to those who watch a selection; None: nothing.

    What leaves the selection is DELETED, as it was last, with the version at which it left
    (k8s.io/apiserver pkg/storage/cacher, convertToWatchEvent).
    """
    if selection.is_everything:
        return Change(event.type, event.object, event.version)
    if event.type == "DELETED":
        taken = selection.takes(event.old)
        return Change("DELETED", event.object, event.version) if taken else None
    is_in, was_in = selection.takes(event.object), selection.takes(event.old)
    if is_in:
        return Change("MODIFIED" if was_in else "ADDED", event.object, event.version)
    if not was_in or event.old is None:
        return None
    metadata = replace(event.old.metadata, resource_version=str(event.version))
    return Change("DELETED", replace(event.old, metadata=metadata), event.version)


class _Entry:
    """Changes of one commit, or of a part of it, and their lines in one piece."""

    __slots__ = ("changes", "data", "first", "last")

    def __init__(self, changes: list[Change], data: bytes) -> None:
        self.changes = changes
        self.data = data
        self.first = changes[0].version
        self.last = changes[-1].version


class _Total:
    """Bytes in the logs of all groups."""

    __slots__ = ("size_bytes",)

    def __init__(self) -> None:
        self.size_bytes = 0


class _Group:
    """One selection in one shape."""

    def __init__(self, selection: Selection, shape: Shape, total: _Total) -> None:
        self.selection = selection
        self.shape = shape
        self.watchers: set[Watcher] = set()
        self._log: deque[_Entry] = deque()
        self._total = total
        self.size_bytes = 0
        self._cut = 0
        """How many entries have been dropped: the position of the first that is held."""

    @property
    def end(self) -> int:
        """The position after the last entry."""
        return self._cut + len(self._log)

    def add(self, events: Iterable[StoreEvent]) -> int:
        """Put a commit's changes into the log; how many there were."""
        found = (seen(event, self.selection) for event in events)
        changes = [change for change in found if change is not None]
        if not changes:
            return 0
        part: list[Change] = []
        lines: list[bytes] = []
        size = 0
        for change in changes:
            line = self.shape.event(change.type, change.object, change.version)
            if part and size + len(line) > PIECE_BYTES_MAX:
                self._append(part, lines)
                part, lines, size = [], [], 0
            part.append(change)
            lines.append(line)
            size += len(line)
        self._append(part, lines)
        for watcher in self.watchers:
            watcher.wake()
        return len(changes)

    def _append(self, changes: list[Change], lines: list[bytes]) -> None:
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        self._log.append(_Entry(changes, data))
        self.size_bytes += len(data)
        self._total.size_bytes += len(data)
        while self.size_bytes > LOG_BYTES_MAX and len(self._log) > 1:
            self.drop()

    def drop(self) -> None:
        """Drop the oldest entry; who has not read it is too slow."""
        size = len(self._log.popleft().data)
        self.size_bytes -= size
        self._total.size_bytes -= size
        self._cut += 1

    def halve(self) -> None:
        """Drop the older half of the log, by bytes."""
        enough = self.size_bytes // 2
        while self.size_bytes > enough:
            self.drop()

    def end_all(self) -> None:
        """Nothing comes any more."""
        for watcher in self.watchers:
            watcher.over = True
            watcher.wake()

    def trim(self) -> None:
        """Drop what all have read."""
        oldest = min((watcher.position for watcher in self.watchers), default=self.end)
        while self._log and self._cut < oldest:
            self.drop()

    def since(self, position: int) -> Iterator[_Entry] | None:
        """Entries from a position on; None when some of them are dropped."""
        if position < self._cut:
            return None
        return islice(self._log, position - self._cut, None)


class Watcher:
    """A position in a group's log. Only changes after `after` are for it."""

    def __init__(self, group: _Group, after: int) -> None:
        self._group = group
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._woken = False
        self.position = group.end
        self.needs_columns = group.shape.is_table
        self.over = False
        """Whether nothing comes any more: it was too slow, or the server stops."""

    def take(self) -> bytes:
        """The next of what is new, as one piece; sets `over` if some of it is lost.

        A piece has about PIECE_BYTES_MAX bytes at most, or is one change; b"" when all is taken.
        """
        entries = self._group.since(self.position)
        if entries is None:
            self.over = True
            return b""
        taken: list[bytes] = []
        size = 0
        for entry in entries:
            if taken and size + len(entry.data) > PIECE_BYTES_MAX:
                break
            self.position += 1
            if piece := self._piece(entry):
                taken.append(piece)
                size += len(piece)
        self._group.trim()
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _piece(self, entry: _Entry) -> bytes:
        if entry.first > self._after and not self.needs_columns:
            return entry.data
        return b"".join(self.lines(each for each in entry.changes if each.version > self._after))

    def lines(self, changes: Iterable[Change]) -> Iterator[bytes]:
        """Changes as lines, made as they are asked for; a Table's first ever has its columns."""
        for each in changes:
            columns, self.needs_columns = self.needs_columns, False
            shape = self._group.shape
            yield shape.event(each.type, each.object, each.version, columns=columns)

    def wake(self) -> None:
        """Have `wait` return."""
        self._woken = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self) -> None:
        """Return once `wake` was called since the last time."""
        if not self._woken:
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        self._woken = False

    def close(self) -> None:
        """To be called by whoever opened it, whatever happens."""
        self._group.watchers.discard(self)
        self._group.trim()


class Hub:
    """All groups. `committed` is to be called whenever the durable version has moved."""

    def __init__(self, store: Store, durable_version: Callable[[], int]) -> None:
        self._store = store
        self._durable_version = durable_version
        self.cursor = durable_version()
        """Everything up to here has been put into the groups' logs."""
        self.events = 0
        self._groups: dict[Hashable, _Group] = {}
        self._logs = _Total()
        self._places: dict[Place, dict[_Group, None]] = {}
        self._moved: asyncio.Future[None] | None = None
        self._stopped = False

    @property
    def watchers(self) -> int:
        return sum(len(group.watchers) for group in self._groups.values())

    def open(self, key: Hashable, selection: Selection, shape: Shape, *, after: int) -> Watcher:
        """A new watcher of what `key` stands for: equal keys, equal selections and shapes.

        Only changes after `after` come to it; what lies between that and `cursor` is for
        `backlog` to tell.
        """
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(selection, shape, self._logs)
            self._place(group)
        watcher = Watcher(group, after)
        watcher.over = self._stopped
        group.watchers.add(watcher)
        return watcher

    def close(self, key: Hashable, watcher: Watcher) -> None:
        """End a watcher; the last one of a group takes it along."""
        watcher.close()
        group = self._groups.get(key)
        if group is not None and not group.watchers:
            del self._groups[key]
            self._displace(group)

    def backlog(self, selection: Selection, after: int) -> list[Change]:
        """The changes after a version up to `cursor`. Raises Gone."""
        events = self._store.events_since(after, until=self.cursor)
        found = (seen(event, selection) for event in events if event.kind == selection.kind)
        return [change for change in found if change is not None]

    def committed(self) -> None:
        """Put what became durable into the logs, and wake those who wait."""
        durable = self._durable_version()
        if durable <= self.cursor:
            return
        if self._groups:
            self._spread(self._new_events(durable))
        self.cursor = durable
        if self._moved is not None:
            self._moved.set_result(None)
            self._moved = None

    async def reached(self, version: int) -> None:
        """Return once `cursor` is at least `version`."""
        while self.cursor < version:
            if self._moved is None:
                self._moved = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._moved)

    def stop(self) -> None:
        """End all watches."""
        self._stopped = True
        for group in self._groups.values():
            group.end_all()

    def _new_events(self, durable: int) -> Sequence[StoreEvent]:
        """What became durable. When that is more than is held, all watches end."""
        try:
            return self._store.events_since(self.cursor, until=durable)
        except Gone:
            for group in self._groups.values():
                group.end_all()
            return ()

    def _spread(self, events: Sequence[StoreEvent]) -> None:
        """Each event to the groups that it may concern, and to no others."""
        concerned: dict[_Group, list[StoreEvent]] = {}
        for event in events:
            places: list[Place] = [
                ("kind", event.kind, ""),
                ("name", event.kind, event.object.metadata.name),
            ]
            if isinstance(event.object, Pod):
                nodes = {event.object.spec.node_name}
                if isinstance(event.old, Pod):
                    nodes.add(event.old.spec.node_name)
                places += [("node", event.kind, node) for node in nodes if node]
            for place in places:
                for group in self._places.get(place, ()):
                    concerned.setdefault(group, []).append(event)
        for group, its in concerned.items():
            self.events += group.add(its) * len(group.watchers)
            self._bound()

    def _bound(self) -> None:
        """Cut the longest logs until all are not too long together."""
        while self._logs.size_bytes > ALL_LOGS_BYTES_MAX:
            max(self._groups.values(), key=lambda group: group.size_bytes).halve()

    def _place(self, group: _Group) -> None:
        self._places.setdefault(_place_of(group.selection), {})[group] = None

    def _displace(self, group: _Group) -> None:
        place = _place_of(group.selection)
        groups = self._places[place]
        del groups[group]
        if not groups:
            del self._places[place]


def _place_of(selection: Selection) -> Place:
    """Where changes look for a selection: those of one object or one node bother no others."""
    if name := selection.exactly("metadata.name"):
        return ("name", selection.kind, name)
    if selection.kind == Pod.kind and (node := selection.exactly("spec.nodeName")):
        return ("node", selection.kind, node)
    return ("kind", selection.kind, "")
