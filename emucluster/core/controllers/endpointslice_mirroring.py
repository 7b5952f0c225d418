"""EndpointSlices of Endpoints that somebody wrote by hand (pkg/controller/endpointslicemirroring).

For Services without a selector: kube-proxy and DNS read slices only.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.admission.generated_names import generated_name
from emucluster.core.objects import (
    Endpoint,
    EndpointAddress,
    EndpointConditions,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    EndpointSubset,
    ObjectMeta,
    Service,
    replace,
)

from .dirty import DirtyQueue
from .podstate import ObjectKey, controller_ref, is_deleting, key_of
from .recorder import Recorder
from .service_endpoints import LEADER, NO_LABELS
from .service_slices import MANAGED_BY, SERVICE_NAME
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

MIRRORER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
ADDRESSES_MAX = 1000
"""Of a subset (`--mirroring-max-endpoints-per-subset`)."""
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "endpoints.kubernetes.io/last-change-trigger-time",
    }
)
Ports = tuple[EndpointPort, ...]
SliceKey = tuple[str, Ports]
"""Type of address, and ports."""


class EndpointSliceMirroringController:
    """One slice for each set of ports and type of address that Endpoints have."""

    kinds: ClassVar[frozenset[str]] = frozenset({"Endpoints", "EndpointSlice", "Service"})

    def __init__(self, writer: Writer, *, rng: Random) -> None:
        self._writer, self._rng = writer, rng
        self._recorder = Recorder(writer, component="endpoint-slice-mirroring-controller")
        self._endpoints: dict[ObjectKey, Endpoints] = {}
        self._services: dict[ObjectKey, Service] = {}
        self._slices: dict[ObjectKey, dict[str, EndpointSlice]] = {}
        self._dirty: DirtyQueue[ObjectKey] = DirtyQueue()

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Endpoints):
            self._endpoints.pop(key_of(obj), None)
            if not gone:
                self._endpoints[key_of(obj)] = obj
            self._mark(key_of(obj))
        elif isinstance(obj, Service):
            self._services.pop(key_of(obj), None)
            if not gone:
                self._services[key_of(obj)] = obj
            self._mark(key_of(obj))
        elif isinstance(obj, EndpointSlice):
            self._handle_slice(obj, gone=gone)

    def _handle_slice(self, slice_: EndpointSlice, *, gone: bool) -> None:
        labels = slice_.metadata.labels or NO_LABELS
        key = (slice_.metadata.namespace, labels.get(SERVICE_NAME, ""))
        name = slice_.metadata.name
        if labels.get(MANAGED_BY) == MIRRORER and not gone:
            known = self._slices.setdefault(key, {}).get(name)
            if known != slice_:
                self._slices[key][name] = slice_
                self._dirty.mark(key)
        elif self._slices.get(key, {}).pop(name, None) is not None:
            self._dirty.mark(key)

    def _mark(self, key: ObjectKey) -> None:
        """Nearly all Endpoints are those of Services with selectors, and nothing to us."""
        if self._is_mirrored(key) or self._slices.get(key):
            self._dirty.mark(key)

    def _is_mirrored(self, key: ObjectKey) -> bool:
        endpoints, service = self._endpoints.get(key), self._services.get(key)
        if endpoints is None or service is None or service.spec.selector:
            return False
        meta = endpoints.metadata
        return (
            not is_deleting(endpoints)
            and (meta.labels or NO_LABELS).get(SKIP) != "true"
            and LEADER not in (meta.annotations or NO_LABELS)
        )

    def flush(self, *, now_s: float, stamp: str) -> None:
        for key in self._dirty.take(now_s):
            with attempt(self._dirty, key, now_s=now_s):
                self._sync(key, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return self._dirty.next_wake_s()

    def _sync(self, key: ObjectKey, *, stamp: str) -> None:
        held = self._slices.get(key, {})
        wanted: dict[SliceKey, dict[str, Endpoint]] = {}
        if self._is_mirrored(key):
            wanted = self._wanted(self._endpoints[key], stamp=stamp)
        for slice_ in tuple(held.values()):
            found = wanted.pop((slice_.address_type, slice_.ports), None)
            if not found:
                self._writer.delete(slice_, stamp=stamp)
                del held[slice_.metadata.name]
                continue
            changed = self._slice(self._endpoints[key], slice_, found.values())
            if changed != slice_:
                held[slice_.metadata.name] = self._writer.update(changed, stamp=stamp)
        for (address_type, ports), found in wanted.items():
            blank = EndpointSlice(address_type=address_type, ports=ports)
            made = self._slice(self._endpoints[key], blank, found.values())
            created = self._writer.create(made, stamp=stamp)
            self._slices.setdefault(key, {})[created.metadata.name] = created

    def _wanted(self, endpoints: Endpoints, *, stamp: str) -> dict[SliceKey, dict[str, Endpoint]]:
        wanted: dict[SliceKey, dict[str, Endpoint]] = {}
        invalid = skipped = 0
        for subset in endpoints.subsets:
            both = [(each, True) for each in subset.addresses]
            both += [(each, False) for each in subset.not_ready_addresses]
            taken = 0
            for address, ready in both:
                if (address_type := _address_type(address.ip)) is None:
                    invalid += 1
                elif taken >= ADDRESSES_MAX:
                    skipped += 1
                else:
                    group = wanted.setdefault((address_type, _ports(subset)), {})
                    group[address.ip] = _endpoint(address, ready=ready)
                    taken += 1
        if invalid:
            message = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            self._tell(endpoints, "InvalidIPAddress", message, stamp=stamp)
        if skipped:
            message = (
                f"A max of {ADDRESSES_MAX} addresses can be mirrored to EndpointSlices per "
                f"Endpoints subset. {skipped} addresses were skipped"
            )
            self._tell(endpoints, "TooManyAddressesToMirror", message, stamp=stamp)
        return wanted

    def _tell(self, endpoints: Endpoints, reason: str, message: str, *, stamp: str) -> None:
        self._recorder.record(endpoints, "Warning", reason, message, stamp=stamp)

    def _slice(
        self, endpoints: Endpoints, base: EndpointSlice, found: Iterable[Endpoint]
    ) -> EndpointSlice:
        meta = endpoints.metadata
        labels = {**(meta.labels or {}), SERVICE_NAME: meta.name, MANAGED_BY: MIRRORER}
        annotations = {
            name: value
            for name, value in (meta.annotations or {}).items()
            if name not in _NOT_COPIED
        }
        old = base.metadata
        if not old.name:
            name = generated_name(f"{meta.name}-", self._rng)
            old = ObjectMeta(
                name=name,
                generate_name=f"{meta.name}-",
                namespace=meta.namespace,
                owner_references=(controller_ref(endpoints),),
            )
        metadata = replace(old, labels=labels, annotations=annotations or None)
        return replace(base, metadata=metadata, endpoints=tuple(found))


def _ports(subset: EndpointSubset) -> Ports:
    return tuple(
        EndpointPort(
            name=port.name or "",
            port=port.port,
            protocol=port.protocol or "TCP",
            app_protocol=port.app_protocol,
        )
        for port in subset.ports
    )


def _endpoint(address: EndpointAddress, *, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=(address.ip,),
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        node_name=address.node_name or None,
        target_ref=address.target_ref,
    )


def _address_type(ip: str) -> str | None:
    try:
        return f"IPv{ip_address(ip).version}"
    except ValueError:
        return None
