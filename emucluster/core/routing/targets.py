"""What a client's target names: a Service or pod and one of its ports, or an address."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Literal

from emucluster.core.errors import NoRoute, UsageError
from emucluster.core.objects import Node, Pod, Service, ServicePort

from .decision import Address


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for. `port` is a number or a port's name, empty for the first port."""

    kind: Literal["service", "pod", "host"]
    name: str
    port: str
    text: str


def parse_target(text: str) -> Target:
    """`service/NAME[:PORT]`, `pod/NAME[:PORT]` or `HOST:PORT`. Raises UsageError."""
    kind, slash, rest = text.partition("/")
    name, colon, port = (rest if slash else text).rpartition(":")
    if not colon:
        name, port = (rest if slash else text), ""
    if name and not (colon and not port):
        if slash and kind in ("service", "services", "svc"):
            return Target("service", name, port, text)
        if slash and kind in ("pod", "pods", "po"):
            return Target("pod", name, port, text)
        if not slash and port.isdigit() and 0 < int(port) < 65536:
            return Target("host", name, port, text)
    raise UsageError(
        f'a target is "service/NAME[:PORT]", "pod/NAME[:PORT]" or "HOST:PORT", not "{text}"'
    )


def service_port(target: Target, service: Service) -> ServicePort:
    """The port of the Service that is asked for. Raises UsageError naming those that it has."""
    ports = service.spec.ports
    for port in ports:
        if target.port in ("", port.name, str(port.port)):
            return port
    known = ", ".join(f"{p.port} ({p.name})" if p.name else str(p.port) for p in ports) or "none"
    raise UsageError(f'{target.text}: the Service has no port "{target.port}"; it has: {known}')


def node_port(target: Target, service: Service, node: Node) -> Address:
    """Where a Service's port is at a node. Raises NoRoute for a Service without, UsageError."""
    port = service_port(target, service)
    if not port.node_port:
        raise NoRoute(target.text, f"is of type {service.spec.type}: it has no node port")
    return node_address(node), port.node_port


def pod_port(target: Target, pod: Pod) -> int:
    """The container's port that is asked for. Raises UsageError naming those that there are."""
    if target.port.isdigit():
        return int(target.port)
    ports = [port for container in pod.spec.containers for port in container.ports]
    for port in ports:
        if target.port in ("", port.name):
            return port.container_port
    known = ", ".join(p.name or str(p.container_port) for p in ports) or "none"
    raise UsageError(f'{target.text}: no container port "{target.port}"; it has: {known}')


def node_address(node: Node) -> str:
    """The address at which a node's NodePorts answer. Raises NoRoute."""
    found = [a.address for a in node.status.addresses if a.type == "InternalIP"]
    if not found:
        raise NoRoute(f"node/{node.metadata.name}", "has no address yet: it never registered")
    return found[0]


def ipv4(text: str) -> IPv4Address | None:
    """The address that a text is; None for a name."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None
