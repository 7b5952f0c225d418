"""The routes of a process: what all nodes in it know of Services, endpoints and nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

from emucluster.core import objects as k8s

from .service_ports import (
    ServiceName,
    ServicePort,
    ServicePortName,
    service_ports,
    slice_endpoints,
)
from .topology import Address, Endpoint, EndpointSet

EventType = Literal["ADDED", "MODIFIED", "DELETED"]

LABEL_ZONE = "topology.kubernetes.io/zone"
TAINT_TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"

SliceName = tuple[str, str]

OnChange = Callable[[ServicePortName, Collection[Address] | None], None]
"""Called with a service port and its endpoints that changed; None: the Service itself did."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a proxy knows of a node. `address` is its InternalIP, where its tunnel listens."""

    zone: str = ""
    address: str = ""
    is_leaving: bool = False


class RouteTable:
    """Fed with watch events, read by the `NodeProxy` of each node of this process.

    Every event is applied by difference: an endpoint more or less costs the same among ten and
    ten thousand. Events of Services, EndpointSlices and Nodes act, others are ignored. A repeated
    ADDED is a MODIFIED, so a new list may be played over an old state (see `sync`).
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.cluster_ips: dict[Address, ServicePort] = {}
        self.external_ips: dict[Address, ServicePort] = {}
        self.load_balancer_ips: dict[Address, ServicePort] = {}
        self.node_ports: dict[int, ServicePort] = {}
        self.health_check_node_ports: dict[int, ServiceName] = {}
        self.ports: dict[ServicePortName, ServicePort] = {}
        self._vips: dict[str, int] = {}
        self._services: dict[ServiceName, tuple[ServicePort, ...]] = {}
        self._slices: dict[SliceName, dict[tuple[ServicePortName, Address], Endpoint]] = {}
        self._objects: dict[tuple[str, str, str], k8s.Object] = {}
        self._endpoints: dict[ServicePortName, EndpointSet] = {}
        self._changed: dict[ServicePortName, int] = {}
        self._serials = count(1)
        self.on_change: OnChange | None = None
        self.version = 0

    # --- events ---

    def handle(self, event_type: EventType, obj: k8s.Object) -> None:
        """Apply one watch event."""
        match obj:
            case k8s.Service():
                self._handle_service(obj, deleted=event_type == "DELETED")
            case k8s.EndpointSlice():
                self._handle_slice(obj, deleted=event_type == "DELETED")
            case k8s.Node():
                self._handle_node(obj, deleted=event_type == "DELETED")
            case _:
                return
        key = (obj.kind, obj.metadata.namespace, obj.metadata.name)
        if event_type == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = obj

    def sync(self, listed: Iterable[k8s.Object]) -> None:
        """Take a whole list as the truth: what it lacks is deleted, the rest applied."""
        objects = {(o.kind, o.metadata.namespace, o.metadata.name): o for o in listed}
        for key in [key for key in self._objects if key not in objects]:
            self.handle("DELETED", self._objects[key])
        for obj in objects.values():
            self.handle("MODIFIED", obj)

    def snapshot(self) -> RouteTable:
        """A table of its own with the same state, for a node that is cut off from here on."""
        copy = RouteTable()
        copy.sync(self._objects.values())
        return copy

    def _handle_service(self, service: k8s.Service, *, deleted: bool) -> None:
        name = ServiceName(service.metadata.namespace, service.metadata.name)
        before = self._services.get(name, ())
        after = () if deleted else service_ports(service)
        if before == after:
            return
        for port in before:
            self._unlist(port)
        for port in after:
            self._list(port)
        if after:
            self._services[name] = after
        else:
            del self._services[name]
        for port in {*before, *after}:
            self._mark(port.name, None)

    def _list(self, port: ServicePort) -> None:
        self.ports[port.name] = port
        self._vips[port.cluster_ip] = self._vips.get(port.cluster_ip, 0) + 1
        for index, key in self._listings(port):
            index[key] = port
        if port.node_port is not None:
            self.node_ports[port.node_port] = port
        if port.health_check_node_port is not None:
            self.health_check_node_ports[port.health_check_node_port] = port.name.service

    def _unlist(self, port: ServicePort) -> None:
        """Take a port out of every index, but leave what another Service put there since."""
        if self.ports.get(port.name) == port:
            del self.ports[port.name]
        self._vips[port.cluster_ip] -= 1
        if not self._vips[port.cluster_ip]:
            del self._vips[port.cluster_ip]
        for index, key in self._listings(port):
            if (holder := index.get(key)) and holder.name == port.name:
                del index[key]
        node_port, health_port = port.node_port, port.health_check_node_port
        if node_port and (holder := self.node_ports.get(node_port)) and holder.name == port.name:
            del self.node_ports[node_port]
        if health_port and self.health_check_node_ports.get(health_port) == port.name.service:
            del self.health_check_node_ports[health_port]

    def _listings(self, port: ServicePort) -> Iterator[tuple[dict[Address, ServicePort], Address]]:
        yield self.cluster_ips, (port.cluster_ip, port.port)
        for ip in port.load_balancer_ips:
            yield self.load_balancer_ips, (ip, port.port)
        for ip in port.external_ips:
            yield self.external_ips, (ip, port.port)

    def _handle_slice(self, endpoint_slice: k8s.EndpointSlice, *, deleted: bool) -> None:
        meta = endpoint_slice.metadata
        key = (meta.namespace, meta.name)
        before = self._slices.pop(key, {})
        after = {} if deleted else slice_endpoints(endpoint_slice)
        if after:
            self._slices[key] = after
        changed: dict[ServicePortName, set[Address]] = {}
        for (name, address), endpoint in after.items():
            if before.get((name, address)) != endpoint:
                if name not in self._endpoints:
                    self._endpoints[name] = EndpointSet(self._serials)
                self._endpoints[name].put(meta.name, endpoint)
                changed.setdefault(name, set()).add(address)
        for name, address in before:
            if (name, address) not in after:
                self._endpoints[name].remove(meta.name, address)
                changed.setdefault(name, set()).add(address)
        for name, addresses in changed.items():
            if not self._endpoints[name].is_held:
                del self._endpoints[name]
            self._mark(name, addresses)

    def _handle_node(self, node: k8s.Node, *, deleted: bool) -> None:
        meta = node.metadata
        is_leaving = (
            deleted
            or meta.deletion_timestamp is not None
            or any(taint.key == TAINT_TO_BE_DELETED for taint in node.spec.taints)
        )
        addresses = node.status.addresses
        address = next((a.address for a in addresses if a.type == "InternalIP"), "")
        zone = (meta.labels or {}).get(LABEL_ZONE, "")
        self.nodes[meta.name] = NodeInfo(zone, address, is_leaving)

    def _mark(self, name: ServicePortName, addresses: Collection[Address] | None) -> None:
        self.version += 1
        self._changed.pop(name, None)
        self._changed[name] = self.version
        if self.on_change is not None:
            self.on_change(name, addresses)

    # --- reading ---

    def endpoints(self, name: ServicePortName) -> EndpointSet:
        """The endpoints of a service port; empty if no slice has any."""
        return self._endpoints.get(name) or NO_ENDPOINT_SET

    def is_cluster_ip(self, ip: str) -> bool:
        """Whether some Service has this ClusterIP."""
        return ip in self._vips

    def service(self, name: ServiceName) -> tuple[ServicePort, ...]:
        """The proxied ports of a Service."""
        return self._services.get(name, ())

    def changed_since(self, version: int) -> list[ServicePortName]:
        """Service ports whose Service or endpoints changed after `version`, latest first."""
        out = []
        for name in reversed(self._changed):
            if self._changed[name] <= version:
                break
            out.append(name)
        return out


NO_ENDPOINT_SET = EndpointSet(count())
"""Shared and empty; never add to it."""
