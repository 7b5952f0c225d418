"""What a client dials for a target, and what it cannot reach from where it is."""

from __future__ import annotations

from ipaddress import IPv4Network

from emucluster.core.addresses import CLUSTER_DOMAIN, SERVICE_CIDR, Slice
from emucluster.core.errors import NoRoute, NotFound
from emucluster.core.objects import Node, Pod, Service
from emucluster.core.routing.targets import (
    Target,
    ipv4,
    node_port,
    parse_target,
    pod_port,
    service_port,
)
from emucluster.core.store import Store

Destination = tuple[str, int]
"""An address, or inside the cluster a name, and a port."""


def resolve(
    text: str, *, outside: bool, node: str | None, store: Store, addresses: Slice
) -> Destination:
    """Where `service/NAME[:PORT]`, `pod/NAME[:PORT]` or `HOST:PORT` is for a client.

    Args:
        outside: whether the client is.
        node: through this node's NodePort.

    Raises NoRoute, NotFound, UsageError.
    """
    target = parse_target(text)
    if target.kind == "host":
        return _host(target, outside=outside, addresses=addresses)
    if target.kind == "pod":
        return _pod(target, outside=outside, store=store)
    service = store.get(Service, "default", target.name)
    if service is None:
        raise NotFound.of("services", target.name)
    if node is not None:
        return node_port(target, service, _node(store, node))
    return _outside(target, service, store) if outside else _inside(target, service)


def _host(target: Target, *, outside: bool, addresses: Slice) -> Destination:
    if outside:
        address = ipv4(target.name)
        if address is None:
            raise NoRoute(target.text, "the cluster's names mean nothing outside")
        if address in IPv4Network(SERVICE_CIDR) or address in addresses.pods:
            raise NoRoute(target.text, "exists only inside the cluster")
    return target.name, int(target.port)


def _pod(target: Target, *, outside: bool, store: Store) -> Destination:
    pod = store.get(Pod, "default", target.name)
    if pod is None:
        raise NotFound.of("pods", target.name)
    if outside or not pod.status.pod_ip:
        raise NoRoute(target.text, "a pod's address exists only inside the cluster")
    return pod.status.pod_ip, pod_port(target, pod)


def _outside(target: Target, service: Service, store: Store) -> Destination:
    kind = service.spec.type
    if kind == "LoadBalancer":
        ingress = service.status.load_balancer.ingress
        if not ingress or not ingress[0].ip:
            raise NoRoute(target.text, "EXTERNAL-IP is <pending>")
        return ingress[0].ip, service_port(target, service).port
    if kind == "NodePort":
        names = sorted(node.metadata.name for node in store.list(Node))
        if not names:
            raise NoRoute(target.text, "the cluster has no nodes")
        return node_port(target, service, _node(store, names[0]))
    raise NoRoute(target.text, f"is of type {kind}: it has no address outside the cluster")


def _inside(target: Target, service: Service) -> Destination:
    spec, meta = service.spec, service.metadata
    name = f"{meta.name}.{meta.namespace}.svc.{CLUSTER_DOMAIN}"
    if spec.type == "ExternalName":
        return name, int(target.port or 80)
    port = service_port(target, service)
    if spec.cluster_ip == "None":
        return name, port.target_port if isinstance(port.target_port, int) else port.port
    return spec.cluster_ip or "", port.port


def _node(store: Store, name: str) -> Node:
    node = store.get(Node, "", name)
    if node is None:
        raise NotFound.of("nodes", name)
    return node
