"""EndpointSlices of Services with a selector, kept incrementally (k8s.io/endpointslice)."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.errors import ApiError
from emucluster.core.objects import Endpoints, EndpointSlice, Node, Pod, Service

from .dirty import DirtyQueue, earliest
from .endpoints import (
    ZONE_LABEL,
    PortSet,
    endpoint_of,
    is_selected,
    may_serve,
    resolved_ports,
)
from .podstate import ObjectKey, key_of
from .selectors import SelectorIndex, has_labels
from .service_endpoints import ServiceEndpoints
from .service_slices import MANAGED_BY, MANAGER, SERVICE_NAME, ServiceSlices
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.objects import Endpoint
    from emucluster.core.store import StoreEvent

BATCH_S = 0.025
"""A Service's slices are not written more often than this..."""
BATCH_MAX_S = 0.1
"""... or than this while many endpoints change at once."""
BURST_CHANGES = 20


class EndpointSliceController:
    """One event costs what changed, not the size of the Service. Endpoints objects come along.

    The first change of a quiet Service is written at once; those that follow wait for 25 ms, in a
    burst for 100 ms, because each write sends a whole slice to every watcher.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {"Service", "Pod", "Node", "EndpointSlice", "Endpoints"}
    )

    def __init__(self, writer: Writer, *, rng: Random) -> None:
        self._writer, self._rng = writer, rng
        self._services: dict[ObjectKey, ServiceSlices] = {}
        self._index: SelectorIndex[ObjectKey] = SelectorIndex()
        self._pods: dict[str, dict[ObjectKey, Pod]] = {}
        self._nodes: dict[str, Node] = {}
        self._pods_on: dict[str, dict[ObjectKey, None]] = {}
        self._foreign_first: dict[ObjectKey, dict[str, EndpointSlice]] = {}
        """Managed slices that were heard of before their Service."""
        self._written_s: dict[ObjectKey, float] = {}
        self._dirty: DirtyQueue[ObjectKey] = DirtyQueue()
        self._doomed: list[EndpointSlice] = []
        self._endpoints = ServiceEndpoints(writer)
        self._existing: set[ObjectKey] = set()
        """All Services, also those without a selector."""
        self._removed: dict[ObjectKey, None] = {}
        """Services whose Endpoints have to go."""

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Pod):
            self._handle_pod(event.old if isinstance(event.old, Pod) else None, obj, gone=gone)
        elif isinstance(obj, Service):
            self._handle_service(obj, gone=gone)
        elif isinstance(obj, Node):
            self._handle_node(obj, gone=gone)
        elif isinstance(obj, EndpointSlice):
            self._handle_slice(obj, gone=gone)
        elif isinstance(obj, Endpoints):
            self._endpoints.observe(obj, gone=gone)

    def _handle_service(self, service: Service, *, gone: bool) -> None:
        key = key_of(service)
        known = self._services.get(key)
        (self._existing.discard if gone else self._existing.add)(key)
        if gone:
            self._removed[key] = None
        if gone or not is_selected(service):
            self._forget_service(key, delete_slices=gone)
            return
        if known is not None and known.service.metadata.uid != service.metadata.uid:
            self._forget_service(key, delete_slices=True)
            known = None
        if known is None:
            known = self._services[key] = ServiceSlices(service, rng=self._rng)
            known.observed.update(self._foreign_first.pop(key, {}))
        elif known.service.spec == service.spec and (
            known.service.metadata.labels == service.metadata.labels
        ):
            known.service = service
            return
        known.service, known.stale = service, True
        self._index.put(key, key[0], service.spec.selector)
        for pod_key in known.wanted.keys() - self._pods.get(key[0], {}).keys():
            known.set(pod_key, None)
        for pod in self._pods.get(key[0], {}).values():
            known.set(key_of(pod), self._wanted(service, pod))
        self._mark(key)

    def _forget_service(self, key: ObjectKey, *, delete_slices: bool) -> None:
        known = self._services.pop(key, None)
        self._index.discard(key)
        self._written_s.pop(key, None)
        self._endpoints.forget(key)
        if known is None:
            return
        if delete_slices:
            # Garbage collection would find them too; nobody should route by them meanwhile.
            self._foreign_first.pop(key, None)
            self._doomed.extend(known.observed.values())
        elif known.observed:
            self._foreign_first[key] = known.observed
        self._dirty.drop(key)

    def _handle_pod(self, old: Pod | None, pod: Pod, *, gone: bool) -> None:
        namespace, key = pod.metadata.namespace, key_of(pod)
        pods = self._pods.setdefault(namespace, {})
        before = old if old is not None else pods.get(key)
        if gone:
            pods.pop(key, None)
        else:
            pods[key] = pod
        self._note_node(key, before, None if gone else pod)
        concerned = dict.fromkeys(self._index.candidates(namespace, pod.metadata.labels))
        if before is not None and before.metadata.labels is not pod.metadata.labels:
            old_labels = before.metadata.labels
            concerned.update(dict.fromkeys(self._index.candidates(namespace, old_labels)))
        for each in concerned:
            known = self._services[each]
            if known.set(key, None if gone else self._wanted(known.service, pod)):
                self._mark(each)

    def _note_node(self, key: ObjectKey, old: Pod | None, new: Pod | None) -> None:
        before = old.spec.node_name if old is not None else None
        after = new.spec.node_name if new is not None else None
        if before and before != after:
            self._pods_on.get(before, {}).pop(key, None)
        if after:
            self._pods_on.setdefault(after, {})[key] = None

    def _handle_node(self, node: Node, *, gone: bool) -> None:
        """Only its zone, and whether it exists, matter to endpoints."""
        name = node.metadata.name
        old = self._nodes.pop(name, None)
        if not gone:
            self._nodes[name] = node
        if old is not None and not gone and _zone(old) == _zone(node):
            return
        for key in tuple(self._pods_on.get(name, ())):
            pod = self._pods[key[0]][key]
            for each in self._index.candidates(key[0], pod.metadata.labels):
                known = self._services[each]
                if known.set(key, self._wanted(known.service, pod)):
                    self._mark(each)

    def _handle_slice(self, slice_: EndpointSlice, *, gone: bool) -> None:
        labels = slice_.metadata.labels or {}
        service = (slice_.metadata.namespace, labels.get(SERVICE_NAME, ""))
        if labels.get(MANAGED_BY) != MANAGER:
            # Somebody else's; one that was ours before and is not any more counts as gone.
            gone = True
        known = self._services.get(service)
        if known is None:
            waiting = self._foreign_first.setdefault(service, {})
            waiting.pop(slice_.metadata.name, None)
            if not gone:
                waiting[slice_.metadata.name] = slice_
            if not waiting:
                del self._foreign_first[service]
        elif known.observe(slice_, gone=gone):
            self._dirty.mark(service)

    def _mark(self, service: ObjectKey) -> None:
        self._dirty.mark(service)
        self._endpoints.mark(service)

    def _wanted(self, service: Service, pod: Pod) -> tuple[PortSet, Endpoint] | None:
        if not has_labels(pod.metadata.labels, service.spec.selector or {}):
            return None
        # A pod on a Node that does not exist is about to be collected.
        node = self._nodes.get(pod.spec.node_name or "")
        if node is None or not may_serve(pod):
            return None
        return resolved_ports(service, pod), endpoint_of(service, pod, node)

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        for slice_ in self._doomed:
            with suppress(ApiError):
                self._writer.delete(slice_, stamp=stamp)
        self._doomed.clear()
        for key in self._dirty.take(now_s):
            if (known := self._services.get(key)) is None:
                continue
            due_s = self._written_s.get(key, float("-inf")) + _batch_s(known.changes)
            if now_s < due_s:
                self._dirty.mark_at(key, due_s)
                continue
            with attempt(self._dirty, key, now_s=now_s):
                self._write(key, known, now_s=now_s, stamp=stamp)
        # After the slices: by those is routed.
        removed, self._removed = self._removed, {}
        self._endpoints.flush(
            self._services, existing=self._existing, removed=removed, now_s=now_s, stamp=stamp
        )

    def _write(self, key: ObjectKey, known: ServiceSlices, *, now_s: float, stamp: str) -> None:
        try:
            known.write(self._writer, stamp=stamp)
        except Exception:
            known.stale = True
            raise
        self._written_s[key] = now_s

    def next_wake_s(self) -> float | None:
        if self._doomed:
            return float("-inf")
        return earliest(self._dirty.next_wake_s(), self._endpoints.next_wake_s())


def _batch_s(changes: int) -> float:
    return BATCH_S if changes <= BURST_CHANGES else BATCH_MAX_S


def _zone(node: Node) -> str | None:
    return (node.metadata.labels or {}).get(ZONE_LABEL)
