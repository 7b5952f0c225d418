"""What a client dials for `service/NAME[:PORT]`, `pod/NAME[:PORT]` or `HOST:PORT`, and from where.

What cannot be reached from where the client stands is refused here, before anything is dialled,
with the reason and what to do instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, Protocol

from emucluster.client.path import Address
from emucluster.core.addresses import (
    CLUSTER_DOMAIN,
    GATEWAY_PORT,
    POD_RANGE,
    SERVICE_CIDR,
    node_gateway,
)
from emucluster.core.errors import NoRoute, NotFound, UsageError
from emucluster.core.objects import EndpointSlice, Event, Node, Object, Pod, Service, ServicePort
from emucluster.core.routing.targets import (
    Target,
    ipv4,
    node_address,
    node_port,
    pod_port,
    service_port,
)
from emucluster.experiment.topology import natural

INSIDE = "use --from pod/NAME"


class Objects(Protocol):
    """Where objects are looked up: the API, or a table in memory."""

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None: ...

    def list(self, kind: str, namespace: str | None = None) -> Sequence[Object]: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where a client stands: outside, or with a pod or node of the cluster."""

    kind: Literal["outside", "pod", "node"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True)
class Destination:
    """What to dial: numeric addresses, or a name that the cluster resolves.

    Attributes:
        text: the target as the user wrote it.
        addresses: to be tried in this order, or all at once where `balanced`.
        name: `NAME:PORT` for the client's gateway to resolve; empty where addresses are given.
        balanced: the client itself spreads its calls over the addresses (headless Services).
    """

    text: str
    addresses: tuple[Address, ...] = ()
    name: str = ""
    balanced: bool = False

    def words(self) -> str:
        """The address as a user would write it."""
        return self.name or ",".join(f"{ip}:{port}" for ip, port in self.addresses)


def parse_source(text: str) -> Source:
    """`outside`, `pod/NAME` or `node/NAME`. Raises UsageError."""
    if text == "outside":
        return Source("outside")
    kind, slash, name = text.partition("/")
    if slash and name and kind in ("pod", "pods", "po"):
        return Source("pod", name)
    if slash and name and kind in ("node", "nodes", "no"):
        return Source("node", name)
    raise UsageError(f'a client is at "outside", "pod/NAME" or "node/NAME", not at "{text}"')


def gateway(source: Source, objects: Objects, namespace: str) -> Address:
    """The gateway of a client inside: of the pod or the node that it stands with."""
    if source.kind == "node":
        node = _node(objects, source.name)
        return node_gateway(node_address(node), node.spec.pod_cidr or ""), GATEWAY_PORT
    pod = _pod(objects, source.name, namespace)
    return _pod_ip(pod, f"a client at {source}"), GATEWAY_PORT


def resolve(
    target: Target, source: Source, objects: Objects, *, namespace: str = "default", node: str = ""
) -> Destination:
    """What a client at `source` dials to reach `target`.

    Args:
        namespace: of the Service or pod.
        node: through this node's NodePort; empty: where the Service has a better address, that,
            else the first node.

    Raises NoRoute with the reason and what to do, NotFound, or UsageError for a port that is not
    the target's.
    """
    if target.kind == "host":
        return _host(target, source)
    if target.kind == "pod":
        return _to_pod(target, source, _pod(objects, target.name, namespace))
    service = objects.find("Service", target.name, namespace)
    if not isinstance(service, Service):
        raise NotFound.of("services", target.name)
    if node:
        return Destination(target.text, (node_port(target, service, _node(objects, node)),))
    if source.kind == "outside":
        return _from_outside(target, service, objects)
    return _from_inside(target, service, objects)


# --- from outside --------------------------------------------------------------------------------


def _from_outside(target: Target, service: Service, objects: Objects) -> Destination:
    spec = service.spec
    if spec.type == "ExternalName":
        raise NoRoute(
            target.text,
            f"stands for {spec.external_name} and has no address in the cluster; "
            f"a client outside calls {spec.external_name} itself, inside {INSIDE}",
        )
    if spec.cluster_ip == "None":
        raise NoRoute(
            target.text,
            "is headless: its name stands for the pods' addresses, which exist only inside the "
            f"cluster; {INSIDE}",
        )
    if spec.type == "LoadBalancer":
        return _load_balancer(target, service, objects)
    if spec.type == "NodePort":
        nodes = sorted(_nodes(objects), key=lambda node: natural(node.metadata.name))
        if not nodes:
            raise NoRoute(target.text, "the cluster has no nodes")
        return Destination(target.text, (node_port(target, service, nodes[0]),))
    raise NoRoute(
        target.text,
        f"is of type ClusterIP: {spec.cluster_ip} has no address outside the cluster; "
        f"{INSIDE}, or make it type NodePort or LoadBalancer",
    )


def _load_balancer(target: Target, service: Service, objects: Objects) -> Destination:
    balancer = service.status.load_balancer
    ingress = balancer.ingress if balancer is not None else ()
    addresses = [entry.ip for entry in ingress if entry.ip]
    if not addresses:
        raise NoRoute(target.text, f"EXTERNAL-IP is <pending>: {_why_pending(service, objects)}")
    port = service_port(target, service)
    return Destination(target.text, tuple((ip, port.port) for ip in addresses))


def _why_pending(service: Service, objects: Objects) -> str:
    """What the newest Event about the Service says."""
    events = [
        event
        for event in objects.list("Event", service.metadata.namespace)
        if isinstance(event, Event)
        and event.involved_object.kind == "Service"
        and event.involved_object.name == service.metadata.name
    ]
    if not events:
        return "no load balancer has been given to it yet; use --node NAME for its node port"
    newest = max(events, key=lambda e: (e.last_timestamp or "", _version(e)))
    return f"{newest.message}; use --node NAME for its node port"


# --- from inside ---------------------------------------------------------------------------------


def _from_inside(target: Target, service: Service, objects: Objects) -> Destination:
    spec = service.spec
    host = f"{service.metadata.name}.{service.metadata.namespace}.svc.{CLUSTER_DOMAIN}"
    if spec.type == "ExternalName":
        return Destination(target.text, name=f"{host}:{_external_port(target, service)}")
    port = service_port(target, service)
    if spec.cluster_ip == "None":
        return _headless(target, service, port, objects)
    if not spec.cluster_ip:
        raise NoRoute(target.text, "has no ClusterIP")
    return Destination(target.text, ((spec.cluster_ip, port.port),))


def _external_port(target: Target, service: Service) -> str:
    if target.port.isdigit():
        return target.port
    if service.spec.ports:
        return str(service_port(target, service).port)
    raise UsageError(f"{target.text} names no port and {service.metadata.name} has none: add :PORT")


def _headless(target: Target, service: Service, port: ServicePort, objects: Objects) -> Destination:
    """All pod addresses that the Service's DNS name stands for, at the pods' own port."""
    found = [
        (address, endpoint_port.port)
        for piece in objects.list("EndpointSlice", service.metadata.namespace)
        if isinstance(piece, EndpointSlice)
        and (piece.metadata.labels or {}).get("kubernetes.io/service-name") == service.metadata.name
        for endpoint_port in piece.ports
        if endpoint_port.port and (endpoint_port.name or "") == (port.name or "")
        for endpoint in piece.endpoints
        if endpoint.conditions.ready is not False
        for address in endpoint.addresses
    ]
    if not found:
        raise NoRoute(target.text, "its name stands for no address: no pod behind it is ready")
    return Destination(target.text, tuple(sorted(found, key=_numeric)), balanced=True)


def _to_pod(target: Target, source: Source, pod: Pod) -> Destination:
    if source.kind == "outside":
        raise NoRoute(
            target.text,
            f"has the address {pod.status.pod_ip or '<none>'}, which exists only inside the "
            f"cluster; {INSIDE}, or put a Service of type NodePort or LoadBalancer before it",
        )
    return Destination(target.text, ((_pod_ip(pod, target.text), pod_port(target, pod)),))


def _host(target: Target, source: Source) -> Destination:
    address = ipv4(target.name)
    if source.kind == "outside":
        if address is None:
            raise NoRoute(
                target.text, f"the cluster's names mean nothing outside; {INSIDE}, or an address"
            )
        for network, what in ((SERVICE_CIDR, "a ClusterIP"), (POD_RANGE, "a pod's address")):
            if address in IPv4Network(network):
                raise NoRoute(
                    target.text, f"is {what}, which exists only inside the cluster; {INSIDE}"
                )
    if address is None:
        return Destination(target.text, name=target.text)
    return Destination(target.text, ((target.name, int(target.port)),))


# --- parts ---------------------------------------------------------------------------------------


def _pod(objects: Objects, name: str, namespace: str) -> Pod:
    pod = objects.find("Pod", name, namespace)
    if not isinstance(pod, Pod):
        raise NotFound.of("pods", name)
    return pod


def _pod_ip(pod: Pod, target: str) -> str:
    if not pod.status.pod_ip or pod.status.phase in ("Succeeded", "Failed"):
        raise NoRoute(target, f"pod {pod.metadata.name} has no address: it is {pod.status.phase}")
    return pod.status.pod_ip


def _node(objects: Objects, name: str) -> Node:
    node = objects.find("Node", name)
    if not isinstance(node, Node):
        raise NotFound.of("nodes", name)
    return node


def _nodes(objects: Objects) -> list[Node]:
    return [node for node in objects.list("Node") if isinstance(node, Node)]


def _numeric(address: Address) -> tuple[int, int]:
    return int(IPv4Address(address[0])), address[1]


def _version(obj: Object) -> int:
    return int(obj.metadata.resource_version or 0)
