"""A Service and an EndpointSlice as kube-proxy reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from emucluster.core import objects as k8s

from .topology import Address, Endpoint

AFFINITY_TIMEOUT_S = 10_800.0
"""DefaultClientIPServiceAffinitySeconds."""

LABEL_SERVICE_NAME = "kubernetes.io/service-name"
LABEL_PROXY_NAME = "service.kubernetes.io/service-proxy-name"
LABEL_HEADLESS = "service.kubernetes.io/headless"


class ServiceName(NamedTuple):
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ServicePortName(NamedTuple):
    """One port of a Service; `port` is its name, `""` for the only one without."""

    namespace: str
    name: str
    port: str

    @property
    def service(self) -> ServiceName:
        return ServiceName(self.namespace, self.name)

    def __str__(self) -> str:
        suffix = f":{self.port}" if self.port else ""
        return f"{self.namespace}/{self.name}{suffix}"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """What a Service says of one of its TCP ports. `affinity_timeout_s` None: no affinity."""

    name: ServicePortName
    port: int
    cluster_ip: str
    node_port: int | None = None
    load_balancer_ips: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    source_ranges: tuple[IPv4Network, ...] = ()
    internal_local: bool = False
    external_local: bool = False
    affinity_timeout_s: float | None = None
    prefer_same_node: bool = False
    health_check_node_port: int | None = None

    def allows_source(self, ip: str) -> bool:
        """Whether loadBalancerSourceRanges let this address in; empty lets all."""
        if not self.source_ranges:
            return True
        address = IPv4Address(ip)
        return any(address in network for network in self.source_ranges)


def is_proxied(service: k8s.Service) -> bool:
    """Whether kube-proxy serves it: not headless, not ExternalName, not another proxy's."""
    labels = service.metadata.labels or {}
    if LABEL_PROXY_NAME in labels or LABEL_HEADLESS in labels:
        return False
    spec = service.spec
    return spec.type != "ExternalName" and spec.cluster_ip not in (None, "", "None")


def service_ports(service: k8s.Service) -> tuple[ServicePort, ...]:
    """The TCP ports of a Service, none if it is not proxied.

    Source: kubernetes/kubernetes pkg/proxy/serviceport.go, newBaseServiceInfo.
    """
    if not is_proxied(service):
        return ()
    spec, meta = service.spec, service.metadata
    external_local = spec.external_traffic_policy == "Local"
    has_node_ports = spec.type in ("NodePort", "LoadBalancer")
    balanced = spec.type == "LoadBalancer"
    ingress = service.status.load_balancer.ingress if balanced else ()
    return tuple(
        ServicePort(
            name=ServicePortName(meta.namespace, meta.name, port.name or ""),
            port=port.port,
            cluster_ip=spec.cluster_ip or "",
            node_port=(port.node_port or None) if has_node_ports else None,
            load_balancer_ips=tuple(i.ip for i in ingress if i.ip and i.ip_mode in (None, "VIP")),
            external_ips=spec.external_ips,
            source_ranges=tuple(_networks(spec.load_balancer_source_ranges)) if balanced else (),
            internal_local=spec.internal_traffic_policy == "Local",
            external_local=external_local,
            affinity_timeout_s=_affinity_timeout_s(spec),
            prefer_same_node=spec.traffic_distribution == "PreferSameNode",
            health_check_node_port=(
                spec.health_check_node_port or None if balanced and external_local else None
            ),
        )
        for port in spec.ports
        if (port.protocol or "TCP") == "TCP"
    )


def _networks(ranges: tuple[str, ...]) -> Iterator[IPv4Network]:
    for text in ranges:
        try:
            yield IPv4Network(text.strip())
        except ValueError:
            continue  # IPv6 ranges are another proxy's; the API refuses anything else


def _affinity_timeout_s(spec: k8s.ServiceSpec) -> float | None:
    if spec.session_affinity != "ClientIP":
        return None
    config = spec.session_affinity_config
    seconds = config.client_ip.timeout_seconds if config and config.client_ip else None
    return AFFINITY_TIMEOUT_S if seconds is None else float(seconds)


def slice_endpoints(
    endpoint_slice: k8s.EndpointSlice,
) -> dict[tuple[ServicePortName, Address], Endpoint]:
    """What a slice says, by service port and address; nothing unless it is of IPv4."""
    meta = endpoint_slice.metadata
    labels = meta.labels or {}
    service = labels.get(LABEL_SERVICE_NAME, "")
    if not service or endpoint_slice.address_type != "IPv4" or LABEL_HEADLESS in labels:
        return {}
    out: dict[tuple[ServicePortName, Address], Endpoint] = {}
    for port in endpoint_slice.ports:
        if port.port is None or (port.protocol or "TCP") != "TCP":
            continue
        name = ServicePortName(meta.namespace, service, port.name or "")
        for item in endpoint_slice.endpoints:
            if item.addresses:
                endpoint = _endpoint(item, port.port)
                out[name, endpoint.address] = endpoint
    return out


def _endpoint(item: k8s.Endpoint, port: int) -> Endpoint:
    conditions = item.conditions
    return Endpoint(
        ip=item.addresses[0],
        port=port,
        node=item.node_name or "",
        ready=conditions.ready is not False,
        serving=conditions.serving is not False,
        terminating=conditions.terminating is True,
        zones=tuple(z.name for z in item.hints.for_zones) if item.hints else (),
    )
