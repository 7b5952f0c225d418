"""Event objects: what a controller tells the user about another object."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from emucluster.core.errors import ApiError
from emucluster.core.objects import Event, EventSource, Object, ObjectMeta, ObjectReference, replace

from .similar_events import COMBINED, SimilarEvents
from .stamps import wall_s
from .writer import Writer

EventType = Literal["Normal", "Warning"]
_REMEMBERED = 4096


class Recorder:
    """Writes Events; one that repeats counts up instead of piling up (client-go/tools/record).

    Many that differ only in their message become one, see `SimilarEvents`. Of too many about one
    object the rest is only counted, until there may be more; see `SpamFilter`. The writer names
    them. An Event that cannot be written is dropped: it must never stop the work that it tells of.
    """

    def __init__(self, writer: Writer, *, component: str) -> None:
        self._writer, self._component = writer, component
        self._similar = SimilarEvents(writer.speed)
        self._last: OrderedDict[tuple[str, ...], Event] = OrderedDict()

    def record(
        self,
        about: Object,
        type_: EventType,
        reason: str,
        message: str,
        *,
        stamp: str,
        host: str = "",
        field_path: str = "",
    ) -> None:
        """Tells of `about`; Events of objects without a namespace go to `default`.

        Args:
            host: the node on which the component runs, if it is one of many.
            field_path: of the part that is meant, such as `spec.containers{NAME}`.
        """
        reference = replace(reference_to(about), field_path=field_path or None)
        self.tell(reference, type_, reason, message, stamp=stamp, host=host)

    def tell(
        self,
        about: ObjectReference,
        type_: EventType,
        reason: str,
        message: str,
        *,
        stamp: str,
        host: str = "",
    ) -> None:
        """Like `record`, of an object that may be gone: the Event names it all the same."""
        alike = (about.uid or about.name or "", type_, reason, host)
        key: tuple[str, ...] = (*alike, message, about.field_path or "")
        if self._similar.combines(alike, message, now_s=wall_s(stamp)):
            key, message = alike, COMBINED + message
        try:
            last = self._last.pop(key, None)
            if last is None:
                event = self._new(about, type_, reason, message, stamp, host)
            else:
                event = replace(
                    last, message=message, count=(last.count or 1) + 1, last_timestamp=stamp
                )
            if self._writer.accepts(event, stamp=stamp):
                event = self._written(event, stamp)
        except ApiError:
            return
        self._last[key] = event
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    def _written(self, event: Event, stamp: str) -> Event:
        if not event.metadata.name:  # it has only been counted so far
            return self._writer.create(event, stamp=stamp)
        try:
            return self._writer.update(event, stamp=stamp)
        except ApiError:
            # Expired or deleted meanwhile: it starts again as a new one.
            meta = ObjectMeta(namespace=event.metadata.namespace)
            fresh = replace(
                event, metadata=meta, count=1, first_timestamp=stamp, last_timestamp=stamp
            )
            return self._writer.create(fresh, stamp=stamp)

    def _new(
        self,
        about: ObjectReference,
        type_: EventType,
        reason: str,
        message: str,
        stamp: str,
        host: str,
    ) -> Event:
        return Event(
            metadata=ObjectMeta(namespace=about.namespace or "default"),
            involved_object=about,
            type=type_,
            reason=reason,
            message=message,
            source=EventSource(component=self._component, host=host or None),
            reporting_component=self._component,
            reporting_instance=host or None,
            count=1,
            first_timestamp=stamp,
            last_timestamp=stamp,
        )


def reference_to(obj: Object) -> ObjectReference:
    """What an Event about an object says that it is about."""
    return ObjectReference(
        api_version=obj.api_version,
        kind=obj.kind,
        name=obj.metadata.name,
        namespace=obj.metadata.namespace or None,
        # Events about Nodes carry the name as uid, which is what describe asks for.
        uid=obj.metadata.name if obj.kind == "Node" else obj.metadata.uid,
        resource_version=obj.metadata.resource_version or None,
    )
