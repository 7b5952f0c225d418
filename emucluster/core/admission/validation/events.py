"""Events. Source: kubernetes/kubernetes pkg/apis/core/validation/events.go."""

from __future__ import annotations

from emucluster.core.errors import Cause
from emucluster.core.objects import Event

from .fields import invalid


def event(obj: Event) -> list[Cause]:
    about = obj.involved_object.namespace
    if (about or "default") == obj.metadata.namespace:
        return []
    return [invalid("involvedObject.namespace", about or "", "does not match event.namespace")]
