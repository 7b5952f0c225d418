"""Columns and rows of each kind, as kubectl prints them.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go at 1.32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from emucluster.client.table.durations import UNKNOWN, age
from emucluster.client.table.pods import gates_column, pod_status, ready_column, restarts_column
from emucluster.core.objects import (
    ConfigMap,
    Deployment,
    EndpointSlice,
    Event,
    LabelSelector,
    Lease,
    Namespace,
    Node,
    Object,
    Pod,
    PodTemplateSpec,
    ReplicaSet,
    Service,
)

NONE = "<none>"
UNSET = "<unset>"
_SHOWN = 3

_Kind = TypeVar("_Kind", bound=Object)


@dataclass(frozen=True, slots=True)
class Printer(Generic[_Kind]):
    """Headers, and the cells of one object at a moment (seconds since the epoch).

    `wide` are the headers that only `-o wide` shows.
    """

    headers: tuple[str, ...]
    cells: Callable[[_Kind, float], Sequence[str]]
    wide: frozenset[str] = frozenset()


def _age(obj: Object, now_s: float) -> str:
    return age(obj.metadata.creation_timestamp, now_s)


def _pod(pod: Pod, now_s: float) -> Sequence[str]:
    return (
        pod.metadata.name,
        ready_column(pod),
        pod_status(pod),
        restarts_column(pod, now_s),
        _age(pod, now_s),
        pod.status.pod_ip or NONE,
        pod.spec.node_name or NONE,
        pod.status.nominated_node_name or NONE,
        gates_column(pod),
    )


def _service(service: Service, now_s: float) -> Sequence[str]:
    spec = service.spec
    ports = [
        f"{p.port}:{p.node_port}/{p.protocol or 'TCP'}"
        if p.node_port
        else f"{p.port}/{p.protocol or 'TCP'}"
        for p in spec.ports
    ]
    return (
        service.metadata.name,
        spec.type or "ClusterIP",
        spec.cluster_ip or NONE,
        external_ip(service),
        ",".join(ports) or NONE,
        _age(service, now_s),
        _labels(spec.selector),
    )


def external_ip(service: Service) -> str:
    """The EXTERNAL-IP column in full; the narrow table cuts a load balancer's to 16 characters."""
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name or NONE
    if spec.type == "LoadBalancer":
        balancer = service.status.load_balancer
        ingress = balancer.ingress if balancer is not None else ()
        found = sorted({entry.ip or entry.hostname or "" for entry in ingress})
        addresses = [*found, *spec.external_ips]
        return ",".join(addresses) if found else ",".join(["<pending>", *spec.external_ips])
    return ",".join(spec.external_ips) or NONE


def _node(node: Node, now_s: float) -> Sequence[str]:
    addresses = {a.type: a.address for a in reversed(node.status.addresses)}
    info = node.status.node_info
    return (
        node.metadata.name,
        node_status(node),
        _roles(node),
        _age(node, now_s),
        info.kubelet_version,
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.os_image or "<unknown>",
        info.kernel_version or "<unknown>",
        info.container_runtime_version or "<unknown>",
    )


def node_status(node: Node) -> str:
    """`Ready`, `NotReady` or `Unknown`, with `,SchedulingDisabled` where cordoned."""
    ready = [c for c in node.status.conditions if c.type == "Ready"]
    word = "Unknown" if not ready else "Ready" if ready[0].status == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _roles(node: Node) -> str:
    prefix, labels = "node-role.kubernetes.io/", node.metadata.labels or {}
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(roles)) or NONE


def _deployment(deployment: Deployment, now_s: float) -> Sequence[str]:
    spec, status = deployment.spec, deployment.status
    wanted = 1 if spec.replicas is None else spec.replicas
    return (
        deployment.metadata.name,
        f"{status.ready_replicas or 0}/{wanted}",
        str(status.updated_replicas or 0),
        str(status.available_replicas or 0),
        _age(deployment, now_s),
        *_template(spec.template),
        _selector(spec.selector),
    )


def _replica_set(replica_set: ReplicaSet, now_s: float) -> Sequence[str]:
    spec, status = replica_set.spec, replica_set.status
    return (
        replica_set.metadata.name,
        str(1 if spec.replicas is None else spec.replicas),
        str(status.replicas),
        str(status.ready_replicas or 0),
        _age(replica_set, now_s),
        *_template(spec.template),
        _selector(spec.selector),
    )


def _endpoint_slice(piece: EndpointSlice, now_s: float) -> Sequence[str]:
    ports = ["*" if port.port is None else str(port.port) for port in piece.ports]
    addresses = [address for endpoint in piece.endpoints for address in endpoint.addresses]
    return (
        piece.metadata.name,
        piece.address_type,
        _first(ports) if ports else UNSET,
        _first(addresses) if addresses else UNSET,
        _age(piece, now_s),
    )


def _event(event: Event, now_s: float) -> Sequence[str]:
    about, source = event.involved_object, event.source
    last = event.last_timestamp or event.event_time or event.first_timestamp
    component = event.reporting_component or source.component or ""
    host = event.reporting_instance or source.host or ""
    return (
        age(last, now_s),
        event.type or "",
        event.reason or "",
        f"{(about.kind or '').lower()}/{about.name or ''}",
        about.field_path or "",
        ", ".join(part for part in (component, host) if part),
        (event.message or "").strip(),
        age(event.first_timestamp or event.event_time, now_s),
        str(event.count or 1),
        event.metadata.name,
    )


def _namespace(namespace: Namespace, now_s: float) -> Sequence[str]:
    return namespace.metadata.name, namespace.status.phase or UNKNOWN, _age(namespace, now_s)


def _lease(lease: Lease, now_s: float) -> Sequence[str]:
    holder = lease.spec.holder_identity if lease.spec else None
    return lease.metadata.name, holder or "", _age(lease, now_s)


def _config_map(config: ConfigMap, now_s: float) -> Sequence[str]:
    count = len(config.data or {}) + len(config.binary_data or {})
    return config.metadata.name, str(count), _age(config, now_s)


def _template(template: PodTemplateSpec | None) -> tuple[str, str]:
    containers = template.spec.containers if template is not None else ()
    names = ",".join(container.name for container in containers)
    return names, ",".join(container.image or "" for container in containers)


def _selector(selector: LabelSelector | None) -> str:
    if selector is None:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((selector.match_labels or {}).items())]
    for term in selector.match_expressions:
        word = {"In": "in", "NotIn": "notin"}.get(term.operator)
        if word:
            parts.append(f"{term.key} {word} ({','.join(term.values)})")
        else:
            parts.append(term.key if term.operator == "Exists" else f"!{term.key}")
    return ",".join(parts) or NONE


def _labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _first(items: Sequence[str]) -> str:
    shown = ",".join(items[:_SHOWN])
    return shown if len(items) <= _SHOWN else f"{shown} + {len(items) - _SHOWN} more..."


def _printer(cells: Any, headers: str, wide: str = "") -> Printer[Any]:
    """Headers are parted by `|`."""
    return Printer(tuple(headers.split("|")), cells, frozenset(wide.split("|")))


_WORKLOAD_WIDE = "CONTAINERS|IMAGES|SELECTOR"
_POD_WIDE = "IP|NODE|NOMINATED NODE|READINESS GATES"
_NODE_WIDE = "INTERNAL-IP|EXTERNAL-IP|OS-IMAGE|KERNEL-VERSION|CONTAINER-RUNTIME"

PRINTERS: Mapping[str, Printer[Any]] = {
    "Pod": _printer(_pod, f"NAME|READY|STATUS|RESTARTS|AGE|{_POD_WIDE}", _POD_WIDE),
    "Service": _printer(
        _service, "NAME|TYPE|CLUSTER-IP|EXTERNAL-IP|PORT(S)|AGE|SELECTOR", "SELECTOR"
    ),
    "Node": _printer(_node, f"NAME|STATUS|ROLES|AGE|VERSION|{_NODE_WIDE}", _NODE_WIDE),
    "Deployment": _printer(
        _deployment, f"NAME|READY|UP-TO-DATE|AVAILABLE|AGE|{_WORKLOAD_WIDE}", _WORKLOAD_WIDE
    ),
    "ReplicaSet": _printer(
        _replica_set, f"NAME|DESIRED|CURRENT|READY|AGE|{_WORKLOAD_WIDE}", _WORKLOAD_WIDE
    ),
    "EndpointSlice": _printer(_endpoint_slice, "NAME|ADDRESSTYPE|PORTS|ENDPOINTS|AGE"),
    "Event": _printer(
        _event,
        "LAST SEEN|TYPE|REASON|OBJECT|SUBOBJECT|SOURCE|MESSAGE|FIRST SEEN|COUNT|NAME",
        "SUBOBJECT|SOURCE|FIRST SEEN|COUNT|NAME",
    ),
    "Namespace": _printer(_namespace, "NAME|STATUS|AGE"),
    "Lease": _printer(_lease, "NAME|HOLDER|AGE"),
    "ConfigMap": _printer(_config_map, "NAME|DATA|AGE"),
}
