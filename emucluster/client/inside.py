"""The environment of a process that is to be inside the cluster, where a pod or a node is."""

from __future__ import annotations

from emucluster.client.targets import Objects, gateway, parse_source
from emucluster.core.addresses import DNS_PORT, SERVICE_CIDR, Slice
from emucluster.core.errors import NotFound, UsageError
from emucluster.core.objects import Node, Pod
from emucluster.core.routing.targets import node_address
from emucluster.live.pods.inside import inside_environment


def environment(source: str, objects: Objects, namespace: str, addresses: Slice) -> dict[str, str]:
    """The variables of `pod/NAME` or `node/NAME`: those that containers of the pod have too.

    Args:
        addresses: the cluster's, for the range of its pods.

    Raises UsageError for `outside`, NotFound, and NoRoute for a pod that has no address.
    """
    place = parse_source(source)
    if place.kind == "outside":
        raise UsageError("outside needs no environment: node and load balancer addresses are real")
    ip, port = gateway(place, objects, namespace)
    node = place.name if place.kind == "node" else _node_of(place.name, objects, namespace)
    dns = f"{_address(node, objects)}:{DNS_PORT}"
    return inside_environment(ip, port, dns, SERVICE_CIDR, str(addresses.pods))


def _node_of(pod_name: str, objects: Objects, namespace: str) -> str:
    pod = objects.find("Pod", pod_name, namespace)
    if not isinstance(pod, Pod):
        raise NotFound.of("pods", pod_name)
    return pod.spec.node_name or ""


def _address(node_name: str, objects: Objects) -> str:
    node = objects.find("Node", node_name)
    if not isinstance(node, Node):
        raise NotFound.of("nodes", node_name)
    return node_address(node)
