"""Rows of Services, their endpoints, and what stands before and around them.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from emucluster.core.objects import (
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Ingress,
    IngressClass,
    IngressRule,
    NetworkPolicy,
    Service,
)

from .ages import age
from .column import AGE, NAME, NONE, UNKNOWN, UNSET, Cell, Printer, column
from .selectors import format_labels, format_selector

_SHOWN = 3


def _service(obj: Service, now_s: float) -> list[Cell]:
    spec = obj.spec
    return [
        obj.metadata.name,
        spec.type or "ClusterIP",
        (spec.cluster_ips[0] if spec.cluster_ips else spec.cluster_ip) or NONE,
        external_ip(obj),
        ",".join(_port(p.port, p.node_port, p.protocol) for p in spec.ports) or NONE,
        age(obj.metadata.creation_timestamp, now_s),
        format_labels(spec.selector),
    ]


def external_ip(service: Service) -> str:
    """The EXTERNAL-IP column; the API server never cuts it, as it always prints wide rows."""
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name or ""
    if spec.type == "LoadBalancer":
        balancer = service.status.load_balancer
        found = _ingress_points(balancer.ingress if balancer is not None else ())
        return ",".join([*found, *spec.external_ips]) or "<pending>"
    if spec.type in (None, "", "ClusterIP", "NodePort"):
        return ",".join(spec.external_ips) or NONE
    return UNKNOWN


def _ingress_points(ingress: Iterable[Any]) -> list[str]:
    points = {entry.ip or entry.hostname for entry in ingress}
    return sorted(point for point in points if point)


def _port(port: int, node_port: int | None, protocol: str | None) -> str:
    outside = f":{node_port}" if node_port else ""
    return f"{port}{outside}/{protocol or 'TCP'}"


def _endpoints(obj: Endpoints, now_s: float) -> list[Cell]:
    return [
        obj.metadata.name,
        _first(_addresses(obj), NONE if not obj.subsets else ""),
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _addresses(obj: Endpoints) -> list[str]:
    """`IP:port` for each port of each subset, or the bare addresses where it has no ports."""
    found = []
    for subset in obj.subsets:
        if not subset.ports:
            found += [address.ip for address in subset.addresses]
        for port in subset.ports:
            found += [_host_port(address.ip, port.port) for address in subset.addresses]
    return found


def _host_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _endpoint_slice(obj: EndpointSlice, now_s: float) -> list[Cell]:
    return [
        obj.metadata.name,
        obj.address_type,
        _first([_slice_port(port) for port in obj.ports], UNSET),
        _first([address for e in obj.endpoints for address in e.addresses], UNSET),
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _slice_port(port: EndpointPort) -> str:
    if port.port is not None:
        return str(port.port)
    return "*" if port.name is None else str(port.name)


def _first(items: Sequence[str], otherwise: str) -> str:
    shown = ",".join(items[:_SHOWN])
    if len(items) > _SHOWN:
        return f"{shown} + {len(items) - _SHOWN} more..."
    return shown or otherwise


def _ingress(obj: Ingress, now_s: float) -> list[Cell]:
    spec = obj.spec
    balancer = obj.status.load_balancer
    return [
        obj.metadata.name,
        NONE if spec.ingress_class_name is None else spec.ingress_class_name,
        _hosts(spec.rules),
        ",".join(_ingress_points(balancer.ingress if balancer is not None else ())),
        "80, 443" if spec.tls else "80",
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _hosts(rules: Sequence[IngressRule]) -> str:
    """The first three hosts; rules after them are counted, whether they name one or not."""
    shown: list[str] = []
    more = False
    for rule in rules:
        more = more or len(shown) == _SHOWN
        if not more and rule.host:
            shown.append(rule.host)
    if not shown:
        return "*"
    text = ",".join(shown)
    return f"{text} + {len(rules) - _SHOWN} more..." if more else text


def _ingress_class(obj: IngressClass, now_s: float) -> list[Cell]:
    found = obj.spec.parameters
    parameters = NONE
    if found is not None:
        group = "" if found.api_group is None else f".{found.api_group}"
        parameters = f"{found.kind}{group}/{found.name}"
    return [
        obj.metadata.name,
        obj.spec.controller or "",
        parameters,
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _network_policy(obj: NetworkPolicy, now_s: float) -> list[Cell]:
    return [
        obj.metadata.name,
        format_selector(obj.spec.pod_selector),
        age(obj.metadata.creation_timestamp, now_s),
    ]


SERVICE: Printer[Service] = Printer(
    (
        NAME,
        column("Type", "type determines how the Service is exposed."),
        column("Cluster-IP", "clusterIP is the IP address of the service."),
        column(
            "External-IP",
            "externalIPs is a list of IP addresses for which nodes in the cluster will also accept "
            "traffic for this service.",
        ),
        column("Port(s)", "The list of ports that are exposed by this service."),
        AGE,
        column(
            "Selector",
            "Route service traffic to pods with label keys and values matching this selector.",
            wide=True,
        ),
    ),
    _service,
)
ENDPOINTS: Printer[Endpoints] = Printer(
    (NAME, column("Endpoints", "The set of all endpoints is the union of all subsets."), AGE),
    _endpoints,
)
ENDPOINT_SLICE: Printer[EndpointSlice] = Printer(
    (
        NAME,
        column(
            "AddressType",
            "addressType specifies the type of address carried by this EndpointSlice.",
        ),
        column(
            "Ports",
            "ports specifies the list of network ports exposed by each endpoint in this slice.",
        ),
        column("Endpoints", "endpoints is a list of unique endpoints in this slice."),
        AGE,
    ),
    _endpoint_slice,
)
INGRESS: Printer[Ingress] = Printer(
    (
        NAME,
        column(
            "Class",
            "The name of the IngressClass resource that should be used for additional "
            "configuration",
        ),
        column("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
        column("Address", "Address is a list containing ingress points for the load-balancer"),
        column("Ports", "Ports of TLS configurations that open"),
        AGE,
    ),
    _ingress,
)
INGRESS_CLASS: Printer[IngressClass] = Printer(
    (
        NAME,
        column("Controller", "Controller that is responsible for handling this class"),
        column("Parameters", "A reference to a resource with additional parameters"),
        AGE,
    ),
    _ingress_class,
)
NETWORK_POLICY: Printer[NetworkPolicy] = Printer(
    (
        NAME,
        column(
            "Pod-Selector",
            "podSelector selects the pods to which this NetworkPolicy object applies.",
        ),
        AGE,
    ),
    _network_policy,
)
