"""Events live for an hour (kube-apiserver --event-ttl), counted from when they last changed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.errors import ApiError
from emucluster.core.objects import Event

from .podstate import ObjectKey, key_of
from .writer import Writer

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

EVENT_TTL_S = 3600.0


class EventExpiry:
    """Deletes Events that nothing renewed. `--speed` does not shorten their life."""

    kinds: ClassVar[frozenset[str]] = frozenset({"Event"})

    def __init__(self, writer: Writer, *, ttl_s: float = EVENT_TTL_S) -> None:
        self._writer, self._ttl_s = writer, ttl_s
        self._expiry: OrderedDict[ObjectKey, tuple[float, Event]] = OrderedDict()
        """In the order of expiry, for all of them live equally long."""

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        if isinstance(event.object, Event):
            self._expiry.pop(key_of(event.object), None)
            if event.type != "DELETED":
                self._expiry[key_of(event.object)] = (now_s + self._ttl_s, event.object)

    def flush(self, *, now_s: float, stamp: str) -> None:
        while self._expiry:
            key, (expires_s, event) = next(iter(self._expiry.items()))
            if expires_s > now_s:
                return
            del self._expiry[key]
            try:
                self._writer.delete(event, stamp=stamp)
            except ApiError:
                continue

    def next_wake_s(self) -> float | None:
        return next(iter(self._expiry.values()))[0] if self._expiry else None
