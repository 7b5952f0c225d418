"""The controllers' door to the API: admission for everything but binding."""

from __future__ import annotations

from typing import TypeVar

from emucluster.core.admission.admission import Admission
from emucluster.core.durations import Speed
from emucluster.core.errors import Conflict, NotFound
from emucluster.core.objects import Event, Object, Pod, PodCondition, replace
from emucluster.core.objects.registry import BY_KIND

from .event_names import event_name
from .podstate import with_condition
from .spam_filter import SpamFilter
from .stamps import wall_s

Obj = TypeVar("Obj", bound=Object)
E = TypeVar("E", bound=Event)


class AdmissionWriter:
    """A `Writer` over Admission: controllers get the same defaults and refusals as users.

    Args:
        speed: of the cluster; None: real time. It acts on how many Events may be written.
    """

    def __init__(self, admission: Admission, *, speed: Speed | None = None) -> None:
        self._admission = admission
        self.speed = speed or Speed()
        self._spam_filter = SpamFilter(speed)

    def create(self, obj: Obj, *, stamp: str) -> Obj:
        if isinstance(obj, Event):
            obj = self._named(obj, stamp)
            return self._admission.store.create(obj, stamp=stamp)
        return self._admission.create(obj, stamp=stamp)

    def accepts(self, event: Event, *, stamp: str) -> bool:
        return self._spam_filter.accepts(event, now_s=wall_s(stamp))

    def _named(self, event: E, stamp: str) -> E:
        """As many as all else together, and made here: only its namespace is asked about."""
        self._admission.preparation.require_open(event, BY_KIND[event.kind])
        about = event.involved_object.name or ""
        version = self._admission.store.version + 1  # which the next write is given
        name = event_name(about, stamp=stamp, version=version)
        return replace(event, metadata=replace(event.metadata, name=name))

    def update(self, obj: Obj, *, stamp: str) -> Obj:
        return self._admission.update(obj, stamp=stamp, expect=obj.metadata.resource_version)

    def update_status(self, obj: Obj, *, stamp: str) -> Obj:
        version = obj.metadata.resource_version
        return self._admission.update(obj, stamp=stamp, expect=version, subresource="status")

    def bind(self, namespace: str, pod: str, uid: str, node: str, *, stamp: str) -> None:
        """The binding subresource: node and PodScheduled in one write, which no update may do.

        Raises NotFound, or Conflict when the pod is another, is bound or is being deleted
        (kubernetes/pkg/registry/core/pod/storage: BindingREST).
        """
        store = self._admission.store
        old = store.get(Pod, namespace, pod)
        if old is None:
            raise NotFound.of("pods", pod)
        if old.metadata.uid != uid:
            raise Conflict.of("pods", pod, "Precondition failed: another uid")
        if old.metadata.deletion_timestamp is not None:
            why = f"pod {pod} is being deleted, cannot be assigned to a host"
            raise Conflict.of("pods", pod, why)
        if old.spec.node_name:
            raise Conflict.of("pods/binding", pod, f"pod {pod} is already assigned to node")
        bound = with_condition(old, PodCondition(type="PodScheduled", status="True"), stamp=stamp)
        bound = replace(bound, spec=replace(bound.spec, node_name=node))
        store.update(bound, expect=old.metadata.resource_version, subresource="replace")

    def delete(self, obj: Object, *, stamp: str, grace_period_s: int | None = None) -> None:
        self._admission.delete(
            obj.kind_key,
            obj.metadata.namespace,
            obj.metadata.name,
            stamp=stamp,
            grace_period_s=grace_period_s,
            uid=obj.metadata.uid,
        )
