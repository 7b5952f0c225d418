"""Where each client of a group stands: outside, or with a pod or node of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emucluster.client.targets import Objects, Source, gateway
from emucluster.core.addresses import DNS_PORT
from emucluster.core.errors import NotFound, UsageError
from emucluster.core.objects import Node, Pod
from emucluster.core.routing.targets import node_address
from emucluster.experiment.spec import ClientGroup
from emucluster.experiment.topology import natural

ZONE_LABEL = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class Seat:
    """One client's place.

    Attributes:
        source: `outside`, or the pod or node that it stands with.
        node: the node's name; empty outside.
        gateway: ip:port; empty outside, where the edge gives each client one of its own.
        dns: ip:port of the DNS server that it asks; empty outside.
    """

    source: Source
    node: str = ""
    gateway: str = ""
    dns: str = ""


def seats(group: ClientGroup, objects: Objects) -> list[Seat]:
    """A seat for each of the group's clients; those of a zone go round its nodes.

    Raises UsageError for a zone without nodes, NotFound, NoRoute for a pod without an address.
    """
    kind, _, name = group.source.partition("/")
    if kind == "outside":
        return [Seat(Source("outside"))] * group.clients
    if kind == "pod":
        return [_with_pod(name, objects, group.namespace)] * group.clients
    nodes = [name] if kind == "node" else _nodes_of(name, objects)
    places = [_with_node(node, objects) for node in nodes]
    return [places[number % len(places)] for number in range(group.clients)]


def _with_pod(name: str, objects: Objects, namespace: str) -> Seat:
    source = Source("pod", name)
    ip, port = gateway(source, objects, namespace)
    pod = objects.find("Pod", name, namespace)
    node = (pod.spec.node_name or "") if isinstance(pod, Pod) else ""
    return Seat(source, node, f"{ip}:{port}", _dns(node, objects))


def _with_node(name: str, objects: Objects) -> Seat:
    source = Source("node", name)
    ip, port = gateway(source, objects, "")
    return Seat(source, name, f"{ip}:{port}", _dns(name, objects))


def _dns(name: str, objects: Objects) -> str:
    node = objects.find("Node", name)
    if not isinstance(node, Node):
        raise NotFound.of("nodes", name)
    return f"{node_address(node)}:{DNS_PORT}"


def _nodes_of(zone: str, objects: Objects) -> Sequence[str]:
    nodes = [node for node in objects.list("Node") if isinstance(node, Node)]
    zones = {node.metadata.name: (node.metadata.labels or {}).get(ZONE_LABEL, "") for node in nodes}
    found = [name for name in sorted(zones, key=natural) if zones[name] == zone]
    if not found:
        known = ", ".join(sorted({z for z in zones.values() if z})) or "none"
        raise UsageError(f'no node is in zone "{zone}"; zones: {known}')
    return found
