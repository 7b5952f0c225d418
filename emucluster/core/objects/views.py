"""Objects that one path of the API shows otherwise than the store has them.

`events.k8s.io/v1` renames fields of the core Event (kubernetes pkg/apis/events/v1/conversion.go);
`autoscaling/v1` is told in `autoscaling`; a custom kind's versions differ by their apiVersion alone
(conversion strategy None). Who manages which field is not converted: `managedFields` names each
field as the version through which it was written has it.
"""

from __future__ import annotations

from msgspec.structs import replace

from .autoscaling import as_v1, as_v2
from .custom import CustomObject
from .generated.exports import (
    Event,
    EventSeries,
    EventsEvent,
    EventsEventSeries,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerV1,
)
from .registry import Resource
from .root import Object


def as_served(obj: Object, row: Resource) -> Object:
    """A stored object as the resource `row` shows it; itself where there is no difference."""
    if isinstance(obj, Event) and row.cls is EventsEvent:
        return events_event(obj)
    if isinstance(obj, HorizontalPodAutoscaler) and row.cls is HorizontalPodAutoscalerV1:
        return as_v1(obj)
    if isinstance(obj, CustomObject) and obj.api_version != row.api_version:
        return replace(obj, api_version=row.api_version)
    return obj


def as_stored(obj: Object, row: Resource) -> Object:
    """What `as_served` is the inverse of; `row`: the kind as it is stored (`Kinds.get`)."""
    if isinstance(obj, EventsEvent):
        return core_event(obj)
    if isinstance(obj, HorizontalPodAutoscalerV1):
        return as_v2(obj)
    if isinstance(obj, CustomObject) and obj.api_version != row.api_version:
        return replace(obj, api_version=row.api_version)
    return obj


def events_event(event: Event) -> EventsEvent:
    """A core Event as `events.k8s.io/v1` shows it."""
    series = event.series
    return EventsEvent(
        metadata=event.metadata,
        event_time=event.event_time,
        series=None
        if series is None
        else EventsEventSeries(
            count=series.count or 0, last_observed_time=series.last_observed_time
        ),
        reporting_controller=event.reporting_component,
        reporting_instance=event.reporting_instance,
        action=event.action,
        reason=event.reason,
        regarding=event.involved_object,
        related=event.related,
        note=event.message,
        type=event.type,
        deprecated_source=event.source,
        deprecated_first_timestamp=event.first_timestamp,
        deprecated_last_timestamp=event.last_timestamp,
        deprecated_count=event.count,
    )


def core_event(event: EventsEvent) -> Event:
    """An `events.k8s.io/v1` Event as the store has it."""
    series = event.series
    return Event(
        metadata=event.metadata,
        event_time=event.event_time,
        series=None
        if series is None
        else EventSeries(count=series.count or None, last_observed_time=series.last_observed_time),
        reporting_component=event.reporting_controller,
        reporting_instance=event.reporting_instance,
        action=event.action,
        reason=event.reason,
        involved_object=event.regarding,
        related=event.related,
        message=event.note,
        type=event.type,
        source=event.deprecated_source,
        first_timestamp=event.deprecated_first_timestamp,
        last_timestamp=event.deprecated_last_timestamp,
        count=event.deprecated_count,
    )
