"""What a client dials for a target, and what it cannot reach from where it is."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network

from emucluster.core.addresses import CLUSTER_DOMAIN, SERVICE_CIDR, Slice
from emucluster.core.errors import NoRoute, NotFound, UsageError
from emucluster.core.objects import Node, Pod, Service, ServicePort
from emucluster.core.store import Store

Destination = tuple[str, int]
"""An address, or inside the cluster a name, and a port."""


def resolve(
    target: str, *, outside: bool, node: str | None, store: Store, addresses: Slice
) -> Destination:
    """Where `service/NAME[:PORT]`, `pod/NAME[:PORT]` or `HOST:PORT` is for a client.

    Args:
        outside: whether the client is.
        node: through this node's NodePort.

    Raises NoRoute, NotFound, UsageError.
    """
    kind, slash, rest = target.partition("/")
    if not slash:
        return _host(target, outside=outside, addresses=addresses)
    name, _, port = rest.partition(":")
    if kind == "pod":
        return _pod(target, name, port, outside=outside, store=store)
    if kind != "service":
        raise UsageError(f'a target is service/NAME, pod/NAME or HOST:PORT, not "{target}"')
    service = store.get(Service, "default", name)
    if service is None:
        raise NotFound.of("services", name)
    if node is not None:
        return _node_port(target, service, port, _node_address(store, node))
    return _outside(target, service, port, store) if outside else _inside(target, service, port)


def _host(target: str, *, outside: bool, addresses: Slice) -> Destination:
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f'a target is service/NAME, pod/NAME or HOST:PORT, not "{target}"')
    if outside:
        try:
            address = IPv4Address(host)
        except AddressValueError:
            raise NoRoute(target, "the cluster's names mean nothing outside") from None
        if address in IPv4Network(SERVICE_CIDR) or address in addresses.pods:
            raise NoRoute(target, "exists only inside the cluster")
    return host, int(port)


def _pod(target: str, name: str, port: str, *, outside: bool, store: Store) -> Destination:
    pod = store.get(Pod, "default", name)
    if pod is None:
        raise NotFound.of("pods", name)
    if outside or not pod.status.pod_ip:
        raise NoRoute(target, "a pod's address exists only inside the cluster")
    ports = [each for container in pod.spec.containers for each in container.ports]
    if port.isdigit():
        return pod.status.pod_ip, int(port)
    for each in ports:
        if port in ("", each.name):
            return pod.status.pod_ip, each.container_port
    raise UsageError(f'{target}: no container port "{port}"')


def _outside(target: str, service: Service, port: str, store: Store) -> Destination:
    if service.spec.type == "LoadBalancer":
        ingress = service.status.load_balancer.ingress
        if not ingress or not ingress[0].ip:
            raise NoRoute(target, "EXTERNAL-IP is <pending>")
        return ingress[0].ip, _port(target, service, port).port
    if service.spec.type == "NodePort":
        names = sorted(node.metadata.name for node in store.list(Node))
        if not names:
            raise NoRoute(target, "the cluster has no nodes")
        return _node_port(target, service, port, _node_address(store, names[0]))
    raise NoRoute(target, f"is of type {service.spec.type}: it has no address outside the cluster")


def _inside(target: str, service: Service, port: str) -> Destination:
    spec, meta = service.spec, service.metadata
    name = f"{meta.name}.{meta.namespace}.svc.{CLUSTER_DOMAIN}"
    if spec.type == "ExternalName":
        return name, int(port or 80)
    found = _port(target, service, port)
    if spec.cluster_ip == "None":
        number = found.target_port if isinstance(found.target_port, int) else found.port
        return name, number
    return spec.cluster_ip or "", found.port


def _node_port(target: str, service: Service, port: str, address: str) -> Destination:
    found = _port(target, service, port)
    if not found.node_port:
        raise NoRoute(target, f"is of type {service.spec.type}: it has no node port")
    return address, found.node_port


def _port(target: str, service: Service, port: str) -> ServicePort:
    for each in service.spec.ports:
        if port in ("", each.name, str(each.port)):
            return each
    raise UsageError(f'{target}: the Service has no port "{port}"')


def _node_address(store: Store, name: str) -> str:
    node = store.get(Node, "", name)
    if node is None:
        raise NotFound.of("nodes", name)
    found = [a.address for a in node.status.addresses if a.type == "InternalIP"]
    if not found:
        raise NoRoute(f"node/{name}", "has no address yet")
    return found[0]
