"""What the records are made from: Services, their endpoints, and pods, by name and by address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from emucluster.core import objects as k8s

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
ServiceKey = tuple[str, str]
"""Namespace and name."""

_LABEL_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Port:
    """A named port, as SRV records know it."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A Service: `cluster_ip` is "" for headless ones and ExternalNames."""

    key: ServiceKey
    cluster_ip: str
    external_name: str
    ports: tuple[Port, ...]

    @property
    def is_headless(self) -> bool:
        return not self.cluster_ip and not self.external_name


@dataclass(frozen=True, slots=True)
class ReadyEndpoint:
    """A ready address of a Service. `host` is its label below the Service's name."""

    ip: str
    host: str
    ports: tuple[Port, ...]


class Registry:
    """Services, ready endpoints and pods, kept by watch events."""

    def __init__(self) -> None:
        self.version = 0
        self.services: dict[ServiceKey, ServiceEntry] = {}
        self.namespaces: Counter[str] = Counter()
        self._by_ip: dict[str, ServiceKey] = {}
        self._slices: dict[ServiceKey, dict[str, tuple[ReadyEndpoint, ...]]] = {}
        self._services_at: dict[str, Counter[ServiceKey]] = {}
        self._pods: dict[ServiceKey, str] = {}
        self._pods_at: dict[tuple[str, str], set[str]] = {}

    def handle(self, event_type: EventType, obj: k8s.Object) -> None:
        """Apply one watch event; kinds without names in DNS are ignored."""
        deleted = event_type == "DELETED"
        match obj:
            case k8s.Service():
                self._handle_service(obj, deleted=deleted)
            case k8s.EndpointSlice():
                self._handle_slice(obj, deleted=deleted)
            case k8s.Pod():
                self._handle_pod(obj, deleted=deleted)
            case _:
                return
        self.version += 1

    def endpoints(self, key: ServiceKey) -> list[ReadyEndpoint]:
        """The ready endpoints of a Service, by the names of their slices, whatever came first.

        One address may be held by several slices.
        """
        return [e for _, held in sorted(self._slices.get(key, {}).items()) for e in held]

    def holds(self, key: ServiceKey, ip: str) -> bool:
        """Whether a Service has a ready endpoint at this address."""
        return self._services_at.get(ip, Counter())[key] > 0

    def service_at(self, ip: str) -> ServiceEntry | None:
        """The Service with this ClusterIP."""
        key = self._by_ip.get(ip)
        return None if key is None else self.services[key]

    def headless_at(self, ip: str) -> Iterator[tuple[ServiceEntry, ReadyEndpoint]]:
        """The headless Services that have this address, each with the endpoint there."""
        for key in sorted(self._services_at.get(ip, ())):
            service = self.services.get(key)
            if service is not None and service.is_headless:
                yield service, next(e for e in self.endpoints(key) if e.ip == ip)

    def has_pod(self, namespace: str, ip: str) -> bool:
        """Whether a pod of the namespace has this address."""
        return (namespace, ip) in self._pods_at

    def _handle_service(self, service: k8s.Service, *, deleted: bool) -> None:
        key = (service.metadata.namespace, service.metadata.name)
        before = self.services.pop(key, None)
        if before is not None:
            self.namespaces[key[0]] -= 1
            if self._by_ip.get(before.cluster_ip) == key:
                del self._by_ip[before.cluster_ip]
        if deleted:
            return
        entry = _service_entry(key, service.spec)
        self.services[key] = entry
        self.namespaces[key[0]] += 1
        if entry.cluster_ip:
            self._by_ip[entry.cluster_ip] = key

    def _handle_slice(self, endpoint_slice: k8s.EndpointSlice, *, deleted: bool) -> None:
        meta = endpoint_slice.metadata
        service = (meta.labels or {}).get(_LABEL_SERVICE_NAME)
        if not service or endpoint_slice.address_type != "IPv4":
            return
        key = (meta.namespace, service)
        held = self._slices.setdefault(key, {})
        for endpoint in held.pop(meta.name, ()):
            self._forget_address(endpoint.ip, key)
        if not deleted:
            held[meta.name] = _ready_endpoints(endpoint_slice)
            for endpoint in held[meta.name]:
                self._services_at.setdefault(endpoint.ip, Counter())[key] += 1
        if not held:
            del self._slices[key]

    def _forget_address(self, ip: str, key: ServiceKey) -> None:
        holders = self._services_at[ip]
        holders[key] -= 1
        if not holders[key]:
            del holders[key]
        if not holders:
            del self._services_at[ip]

    def _handle_pod(self, pod: k8s.Pod, *, deleted: bool) -> None:
        namespace, name = key = (pod.metadata.namespace, pod.metadata.name)
        if (before := self._pods.pop(key, None)) is not None:
            self._pods_at[namespace, before].discard(name)
            if not self._pods_at[namespace, before]:
                del self._pods_at[namespace, before]
        ip = pod.status.pod_ip
        if ip and not deleted:
            self._pods[key] = ip
            self._pods_at.setdefault((namespace, ip), set()).add(name)


def _service_entry(key: ServiceKey, spec: k8s.ServiceSpec) -> ServiceEntry:
    is_external = spec.type == "ExternalName"
    has_ip = not is_external and spec.cluster_ip not in (None, "", "None")
    return ServiceEntry(
        key,
        cluster_ip=(spec.cluster_ip or "") if has_ip else "",
        external_name=(spec.external_name or "").rstrip(".").lower() if is_external else "",
        ports=tuple(Port(p.name or "", (p.protocol or "TCP").lower(), p.port) for p in spec.ports),
    )


def _ready_endpoints(endpoint_slice: k8s.EndpointSlice) -> tuple[ReadyEndpoint, ...]:
    """publishNotReadyAddresses is the controller's: it marks such endpoints ready."""
    ports = tuple(
        Port(p.name or "", (p.protocol or "TCP").lower(), p.port)
        for p in endpoint_slice.ports
        if p.port is not None
    )
    return tuple(
        ReadyEndpoint(e.addresses[0], e.hostname or e.addresses[0].replace(".", "-"), ports)
        for e in endpoint_slice.endpoints
        if e.addresses and e.conditions.ready is not False
    )
