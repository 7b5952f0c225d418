"""The values that Kubernetes fills in.

Source: kubernetes/kubernetes pkg/apis/core/v1/defaults.go, pkg/apis/discovery/v1/defaults.go and,
for namespaces, pods' tolerations and a Service's IP families, what strategies and admission
plugins add at creation.
Differs: the cluster has IPv4 alone, also for headless Services without a selector.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from emucluster.core.objects import (
    ClientIPConfig,
    Endpoints,
    EndpointSlice,
    Namespace,
    Node,
    Object,
    Pod,
    Secret,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
    replace,
)

from . import defaults_stored, defaults_workloads
from .defaults_pods import filled, pod_with_defaults

AFFINITY_TIMEOUT_S = 10800
EXTERNAL_TYPES = ("NodePort", "LoadBalancer")
NAMESPACE_LABEL = "kubernetes.io/metadata.name"

O = TypeVar("O", bound=Object)  # noqa: E741


def with_defaults(obj: O) -> O:
    """The object with every default filled in; idempotent, and the argument is not changed.

    Kinds without any come back as they are.
    """
    default = _DEFAULTS.get(obj.kind_key)
    return obj if default is None else cast(O, default(obj))


def _service(service: Service) -> Service:
    spec = service.spec
    spec = filled(spec, type="ClusterIP", session_affinity="None")
    spec = _affinity(spec)
    spec = _policies(_ip_families(spec))
    ports = tuple(_service_port(port) for port in spec.ports)
    return replace(service, spec=replace(spec, ports=ports), status=_ingress(service.status))


def _affinity(spec: ServiceSpec) -> ServiceSpec:
    if spec.session_affinity == "None":
        return replace(spec, session_affinity_config=None)
    if spec.session_affinity != "ClientIP":
        return spec
    given = spec.session_affinity_config
    client_ip = given.client_ip if given and given.client_ip else ClientIPConfig()
    client_ip = filled(client_ip, timeout_seconds=AFFINITY_TIMEOUT_S)
    return replace(spec, session_affinity_config=SessionAffinityConfig(client_ip=client_ip))


def _ip_families(spec: ServiceSpec) -> ServiceSpec:
    if spec.type == "ExternalName":
        return spec
    if spec.cluster_ip and not spec.cluster_ips:
        spec = replace(spec, cluster_ips=(spec.cluster_ip,))
    spec = filled(spec, ip_family_policy="SingleStack", internal_traffic_policy="Cluster")
    return spec if spec.ip_families else replace(spec, ip_families=("IPv4",))


def _policies(spec: ServiceSpec) -> ServiceSpec:
    if spec.type in EXTERNAL_TYPES or (spec.type == "ClusterIP" and spec.external_ips):
        spec = filled(spec, external_traffic_policy="Cluster")
    if spec.type == "LoadBalancer":
        spec = filled(spec, allocate_load_balancer_node_ports=True)
    return spec


def _service_port(port: ServicePort) -> ServicePort:
    port = filled(port, protocol="TCP")
    return port if port.target_port else replace(port, target_port=port.port)


def _ingress(status: ServiceStatus) -> ServiceStatus:
    ingress = tuple(
        filled(entry, ip_mode="VIP") if entry.ip else entry
        for entry in status.load_balancer.ingress
    )
    if ingress == status.load_balancer.ingress:
        return status
    return replace(status, load_balancer=replace(status.load_balancer, ingress=ingress))


def _endpoint_slice(piece: EndpointSlice) -> EndpointSlice:
    ports = tuple(filled(port, name="", protocol="TCP") for port in piece.ports)
    return replace(piece, ports=ports) if ports != piece.ports else piece


def _endpoints(endpoints: Endpoints) -> Endpoints:
    subsets = tuple(
        replace(subset, ports=tuple(filled(port, protocol="TCP") for port in subset.ports))
        for subset in endpoints.subsets
    )
    return replace(endpoints, subsets=subsets) if subsets != endpoints.subsets else endpoints


def _namespace(namespace: Namespace) -> Namespace:
    meta = namespace.metadata
    if meta.name:
        labels = {**(meta.labels or {}), NAMESPACE_LABEL: meta.name}
        meta = replace(meta, labels=labels)
    status = filled(namespace.status, phase="Active")
    return replace(namespace, metadata=meta, status=status)


def _node(node: Node) -> Node:
    if node.status.allocatable is not None or node.status.capacity is None:
        return node
    return replace(node, status=replace(node.status, allocatable=dict(node.status.capacity)))


def _secret(secret: Secret) -> Secret:
    """stringData is only ever written: it goes into data (pkg/apis/core/v1/conversion.go)."""
    data = secret.data
    if secret.string_data:
        texts = secret.string_data.items()
        data = (data or {}) | {key: b64encode(text.encode()).decode() for key, text in texts}
    return replace(secret, data=data, string_data=None, type=secret.type or "Opaque")


_DEFAULTS: Mapping[str, Callable[[Any], Object]] = {
    Service.kind: _service,
    Endpoints.kind: _endpoints,
    EndpointSlice.kind: _endpoint_slice,
    Namespace.kind: _namespace,
    Node.kind: _node,
    Pod.kind: pod_with_defaults,
    Secret.kind: _secret,
    **defaults_workloads.DEFAULTS,
    **defaults_stored.DEFAULTS,
}
