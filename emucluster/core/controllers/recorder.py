"""Event objects: what a controller tells the user about another object."""

from __future__ import annotations

from collections import OrderedDict
from random import Random
from typing import Literal

from emucluster.core.errors import ApiError
from emucluster.core.objects import Event, EventSource, Object, ObjectMeta, ObjectReference, replace

from .writer import Writer

EventType = Literal["Normal", "Warning"]
_REMEMBERED = 4096


class Recorder:
    """Writes Events; one that repeats counts up instead of piling up (client-go/tools/record).

    An Event that cannot be written is dropped: it must never stop the work that it tells of.
    """

    def __init__(self, writer: Writer, *, component: str, rng: Random) -> None:
        self._writer, self._component, self._rng = writer, component, rng
        self._last: OrderedDict[tuple[str, str, str, str], Event] = OrderedDict()

    def record(
        self, about: Object, type_: EventType, reason: str, message: str, *, stamp: str
    ) -> None:
        """Tells of `about`; Events of objects without a namespace go to `default`."""
        key = (about.metadata.uid or about.metadata.name, type_, reason, message)
        try:
            last = self._last.pop(key, None)
            if last is None:
                event = self._writer.create(
                    self._new(about, type_, reason, message, stamp), stamp=stamp
                )
            else:
                event = self._again(about, last, stamp)
        except ApiError:
            return
        self._last[key] = event
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    def _again(self, about: Object, last: Event, stamp: str) -> Event:
        repeated = replace(last, count=(last.count or 1) + 1, last_timestamp=stamp)
        try:
            return self._writer.update(repeated, stamp=stamp)
        except ApiError:
            # Expired or deleted meanwhile: it starts again as a new one.
            type_: EventType = "Normal" if last.type == "Normal" else "Warning"
            fresh = self._new(about, type_, last.reason or "", last.message or "", stamp)
            return self._writer.create(fresh, stamp=stamp)

    def _new(self, about: Object, type_: EventType, reason: str, message: str, stamp: str) -> Event:
        namespace = about.metadata.namespace or "default"
        name = f"{about.metadata.name}.{self._rng.getrandbits(64):016x}"
        return Event(
            metadata=ObjectMeta(name=name, namespace=namespace),
            involved_object=ObjectReference(
                api_version=about.api_version,
                kind=about.kind,
                name=about.metadata.name,
                namespace=about.metadata.namespace or None,
                # Events about Nodes carry the name as uid, which is what describe asks for.
                uid=about.metadata.name if about.kind == "Node" else about.metadata.uid,
                resource_version=about.metadata.resource_version or None,
            ),
            type=type_,
            reason=reason,
            message=message,
            source=EventSource(component=self._component),
            reporting_component=self._component,
            count=1,
            first_timestamp=stamp,
            last_timestamp=stamp,
        )
