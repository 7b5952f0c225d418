"""Endpoints objects of Services with a selector (kubernetes/pkg/controller/endpoint).

Made of what the slices are made of. Nothing of the cluster routes by them; they are for clients
that still read them, and are written less often the more addresses they hold.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from ipaddress import ip_address

from emucluster.core.objects import (
    Endpoint,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointsPort,
    EndpointSubset,
    ObjectMeta,
    Service,
    replace,
)

from .dirty import DirtyQueue
from .endpoints import PortSet, is_selected
from .podstate import ObjectKey, key_of
from .service_slices import HEADLESS, ServiceSlices
from .writer import Writer, attempt

ADDRESSES_MAX = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"
"""Annotation of Endpoints that are a lock of a leader election, and belong to no Service."""
BATCH_S = 0.025
PER_ADDRESS_S = 0.001
"""A write costs what the object holds: with a thousand addresses it comes once a second."""
NO_LABELS: Mapping[str, str] = {}


class ServiceEndpoints:
    """The Endpoints objects, each named as its Service."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._observed: dict[ObjectKey, Endpoints] = {}
        self._written_s: dict[ObjectKey, float] = {}
        self._dirty: DirtyQueue[ObjectKey] = DirtyQueue()
        self._fresh = True
        """Nothing was written yet: what a crash left behind is cleared away first."""

    def observe(self, endpoints: Endpoints, *, gone: bool) -> None:
        """The store's word on an object; whoever else changed it is overwritten."""
        key = key_of(endpoints)
        known = self._observed.pop(key, None)
        if not gone:
            self._observed[key] = endpoints
        if known is None or known.metadata.resource_version != endpoints.metadata.resource_version:
            self._dirty.mark(key)

    def mark(self, key: ObjectKey) -> None:
        """The Service, or one of its endpoints, changed."""
        self._dirty.mark(key)

    def next_wake_s(self) -> float | None:
        return self._dirty.next_wake_s()

    def flush(
        self,
        services: Mapping[ObjectKey, ServiceSlices],
        *,
        existing: Container[ObjectKey],
        removed: Iterable[ObjectKey],
        now_s: float,
        stamp: str,
    ) -> None:
        """Writes what is due.

        Args:
            services: those that have a selector.
            existing: all that there are; `removed`: those that were deleted since.
        """
        doomed = dict.fromkeys(removed)
        if self._fresh:
            self._fresh = False
            doomed.update(
                dict.fromkeys(key for key, each in self._observed.items() if is_left_behind(each))
            )
        for key in doomed:
            if key not in existing and key in self._observed:
                with attempt(self._dirty, key, now_s=now_s):
                    self._writer.delete(self._observed[key], stamp=stamp)
        for key in self._dirty.take(now_s):
            known = services.get(key)
            if known is None or not is_selected(known.service):
                continue
            wait_s = BATCH_S + PER_ADDRESS_S * min(len(known.wanted), ADDRESSES_MAX)
            due_s = self._written_s.get(key, float("-inf")) + wait_s
            if now_s < due_s:
                self._dirty.mark_at(key, due_s)
                continue
            with attempt(self._dirty, key, now_s=now_s):
                if self._write(key, known, stamp=stamp):
                    self._written_s[key] = now_s

    def forget(self, key: ObjectKey) -> None:
        self._written_s.pop(key, None)

    def _write(self, key: ObjectKey, known: ServiceSlices, *, stamp: str) -> bool:
        held = self._observed.get(key)
        wanted = endpoints_of(known.service, known.wanted.values(), held)
        if held is None:
            self._observed[key] = self._writer.create(wanted, stamp=stamp)
        elif wanted != held:
            self._observed[key] = self._writer.update(wanted, stamp=stamp)
        else:
            return False
        return True


def is_left_behind(endpoints: Endpoints) -> bool:
    """Whether they look like ours: every address is a pod's, and they are nobody's lock."""
    if LEADER in (endpoints.metadata.annotations or NO_LABELS):
        return False
    addresses = (
        address
        for subset in endpoints.subsets
        for address in (*subset.addresses, *subset.not_ready_addresses)
    )
    return all(each.target_ref is not None and each.target_ref.kind == "Pod" for each in addresses)


def endpoints_of(
    service: Service, found: Iterable[tuple[PortSet, Endpoint]], held: Endpoints | None
) -> Endpoints:
    """The object that a Service's endpoints come to, on top of the one that there is.

    Beyond a thousand addresses the rest is left out, those that are not ready first. Differs:
    which of the ready ones are left out is not shared out over the subsets.
    """
    meta = service.metadata
    subsets, truncated = _truncated(subsets_of(service, found))
    labels = dict(meta.labels or {})
    labels.pop(HEADLESS, None)
    if service.spec.cluster_ip == "None":
        labels[HEADLESS] = ""
    base = held or Endpoints(metadata=ObjectMeta(name=meta.name, namespace=meta.namespace))
    annotations = dict(base.metadata.annotations or {})
    annotations.pop(OVER_CAPACITY, None)
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    metadata = replace(base.metadata, labels=labels or None, annotations=annotations or None)
    return replace(base, metadata=metadata, subsets=subsets)


def subsets_of(
    service: Service, found: Iterable[tuple[PortSet, Endpoint]]
) -> tuple[EndpointSubset, ...]:
    """Addresses by the ports that they have in common (k8s.io/kubernetes/pkg/api/v1/endpoints)."""
    by_ports: dict[PortSet, list[Endpoint]] = {}
    terminating_too = bool(service.spec.publish_not_ready_addresses)
    for ports, endpoint in found:
        if endpoint.conditions.terminating and not terminating_too:
            continue
        if ports or not service.spec.ports:
            by_ports.setdefault(ports, []).append(endpoint)
    # Ports that the same pods have make one subset, whatever further ports some of those have.
    groups: dict[tuple[PortSet, ...], list[EndpointPort]] = {}
    for port in dict.fromkeys(port for ports in by_ports for port in ports):
        having = tuple(ports for ports in by_ports if port in ports)
        groups.setdefault(having, []).append(port)
    if () in by_ports:
        groups[((),)] = []
    return tuple(
        _subset([endpoint for ports in having for endpoint in by_ports[ports]], members)
        for having, members in groups.items()
    )


def _subset(endpoints: Iterable[Endpoint], ports: Iterable[EndpointPort]) -> EndpointSubset:
    ordered = sorted(endpoints, key=lambda each: ip_address(each.addresses[0]).packed)
    return EndpointSubset(
        addresses=tuple(_address(each) for each in ordered if each.conditions.ready),
        not_ready_addresses=tuple(_address(each) for each in ordered if not each.conditions.ready),
        ports=tuple(
            EndpointsPort(
                name=port.name or None,
                port=port.port or 0,
                protocol=port.protocol,
                app_protocol=port.app_protocol,
            )
            for port in ports
        ),
    )


def _address(endpoint: Endpoint) -> EndpointAddress:
    return EndpointAddress(
        ip=endpoint.addresses[0],
        hostname=endpoint.hostname,
        node_name=endpoint.node_name,
        target_ref=endpoint.target_ref,
    )


def _truncated(
    subsets: tuple[EndpointSubset, ...],
) -> tuple[tuple[EndpointSubset, ...], bool]:
    total = sum(len(each.addresses) + len(each.not_ready_addresses) for each in subsets)
    if total <= ADDRESSES_MAX:
        return subsets, False
    room, ready = ADDRESSES_MAX, []
    for each in subsets:
        ready.append(each.addresses[:room])
        room -= len(ready[-1])
    kept = []
    for each, addresses in zip(subsets, ready, strict=True):
        rest = each.not_ready_addresses[:room]
        room -= len(rest)
        if addresses or rest:
            kept.append(replace(each, addresses=addresses, not_ready_addresses=rest))
    return tuple(kept), True
