"""The latest events, which every watcher reads with a version as its cursor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from emucluster.core.errors import Gone
from emucluster.core.objects import Object

EventType = Literal["ADDED", "MODIFIED", "DELETED"]

OVERHEAD_BYTES = 600
"""What an event costs besides its JSON: the record and the parts its object does not share."""


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """One change.

    Attributes:
        version: the store's counter at this change; also the object's resourceVersion.
        type: what happened.
        kind: of the object.
        object: as it is now; for DELETED as it was last, with the version of the deletion.
        old: as it was before; None for ADDED.
        json: `object` encoded, once for all readers.
    """

    version: int
    type: EventType
    kind: str
    object: Object
    old: Object | None
    json: bytes


class Window:
    """Events in order of their versions, bounded by count and by bytes."""

    def __init__(self, *, version: int, max_events: int, max_bytes: int) -> None:
        """`version`: everything up to it counts as dropped. At least one event is held."""
        self.floor = version
        self._events: list[StoreEvent] = []
        self._first = 0
        self._bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._events) - self._first

    @property
    def bytes(self) -> int:
        """What the held events cost, by estimate."""
        return self._bytes

    def append(self, event: StoreEvent) -> None:
        self._events.append(event)
        self._bytes += _cost(event)
        while len(self) > 1 and (len(self) > self._max_events or self._bytes > self._max_bytes):
            self._drop()

    def _drop(self) -> None:
        oldest = self._events[self._first]
        self.floor = oldest.version
        self._bytes -= _cost(oldest)
        self._first += 1
        # Moving the rest down each time would cost as much as the window is long.
        if self._first * 2 > len(self._events):
            del self._events[: self._first]
            self._first = 0

    def since(self, version: int, *, latest: int) -> Sequence[StoreEvent]:
        """Events after `version`, oldest first.

        Raises Gone when some of them are dropped, or when `version` was never reached (a cursor
        from another life of the store): either way the reader has to list again.
        """
        if version < self.floor:
            raise Gone(f"too old resource version: {version} ({self.floor})")
        if version > latest:
            raise Gone(f"too large resource version: {version}, current: {latest}")
        events = self._events
        if not events or events[-1].version <= version:
            return ()
        start = bisect_right(events, version, lo=self._first, key=lambda event: event.version)
        return events[start:]


def _cost(event: StoreEvent) -> int:
    return len(event.json) + OVERHEAD_BYTES
