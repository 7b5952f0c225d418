"""Rows of nodes, namespaces, leases and events.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.objects import Event, EventsEvent, Lease, Namespace, Node

from .ages import age
from .column import AGE, NAME, NAME_TEXT, NONE, UNKNOWN, Cell, Printer, column

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"


def _node(node: Node, now_s: float) -> list[Cell]:
    addresses = {a.type: a.address for a in reversed(node.status.addresses)}
    info = node.status.node_info
    return [
        node.metadata.name,
        node_status(node),
        _roles(node),
        age(node.metadata.creation_timestamp, now_s),
        info.kubelet_version,
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.os_image or UNKNOWN,
        info.kernel_version or UNKNOWN,
        info.container_runtime_version or UNKNOWN,
    ]


def node_status(node: Node) -> str:
    """`Ready`, `NotReady` or `Unknown`, with `,SchedulingDisabled` where cordoned."""
    ready = [c for c in node.status.conditions if c.type == "Ready"]
    word = "Unknown" if not ready else "Ready" if ready[-1].status == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _roles(node: Node) -> str:
    labels = node.metadata.labels or {}
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    roles.add(labels.get(_ROLE, ""))
    return ",".join(sorted(roles - {""})) or NONE


def _namespace(obj: Namespace, now_s: float) -> list[Cell]:
    return [
        obj.metadata.name,
        obj.status.phase or "",
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _lease(obj: Lease, now_s: float) -> list[Cell]:
    holder = obj.spec.holder_identity if obj.spec else None
    return [obj.metadata.name, holder or "", age(obj.metadata.creation_timestamp, now_s)]


def _event(event: Event | EventsEvent, now_s: float) -> list[Cell]:
    """Of either group: what core v1 calls source or count is deprecated in events.k8s.io."""
    about = _either(event, "involved_object", "regarding")
    first = age(_either(event, "first_timestamp", "deprecated_first_timestamp"), now_s)
    if first == UNKNOWN:
        first = age(event.event_time, now_s)
    last = age(_either(event, "last_timestamp", "deprecated_last_timestamp"), now_s)
    count = _either(event, "count", "deprecated_count") or 1
    if event.series is not None:
        last, count = age(event.series.last_observed_time, now_s), event.series.count or 0
    elif last == UNKNOWN:
        last = first
    kind = (about.kind or "").lower()
    return [
        last,
        event.type or "",
        event.reason or "",
        f"{kind}/{about.name}" if about.name else kind,
        about.field_path or "",
        _source(event),
        (_either(event, "message", "note") or "").strip(),
        first,
        count,
        event.metadata.name,
    ]


def _either(event: Any, name: str, other: str) -> Any:
    return getattr(event, name) if hasattr(event, name) else getattr(event, other)


def _source(event: Event | EventsEvent) -> str:
    source = _either(event, "source", "deprecated_source")
    reporting = _either(event, "reporting_component", "reporting_controller")
    component = (source.component if source is not None else None) or reporting or ""
    instance = (source.host if source is not None else None) or event.reporting_instance or ""
    return f"{component}, {instance}" if instance else component


_ADDRESSES = "List of addresses reachable to the node."

NODE: Printer[Node] = Printer(
    (
        NAME,
        column("Status", "The status of the node"),
        column("Roles", "The roles of the node"),
        AGE,
        column("Version", "Kubelet Version reported by the node."),
        column("Internal-IP", _ADDRESSES, wide=True),
        column("External-IP", _ADDRESSES, wide=True),
        column("OS-Image", "OS Image reported by the node from /etc/os-release.", wide=True),
        column("Kernel-Version", "Kernel Version reported by the node from 'uname -r'.", wide=True),
        column(
            "Container-Runtime",
            "ContainerRuntime Version reported by the node through runtime remote API.",
            wide=True,
        ),
    ),
    _node,
)
NAMESPACE: Printer[Namespace] = Printer(
    (NAME, column("Status", "The status of the namespace"), AGE), _namespace
)
LEASE: Printer[Lease] = Printer(
    (
        NAME,
        column("Holder", "holderIdentity contains the identity of the holder of a current lease."),
        AGE,
    ),
    _lease,
)
EVENT: Printer[Event | EventsEvent] = Printer(
    (
        column(
            "Last Seen", "The time at which the most recent occurrence of this event was recorded."
        ),
        column(
            "Type", "Type of this event (Normal, Warning), new types could be added in the future"
        ),
        column(
            "Reason",
            "This should be a short, machine understandable string that gives the reason for the "
            "transition into the object's current status.",
        ),
        column("Object", "The object that this event is about."),
        column(
            "Subobject",
            "If referring to a piece of an object instead of an entire object, this string should "
            "contain a valid JSON/Go field access statement.",
            wide=True,
        ),
        column("Source", "The component reporting this event.", wide=True),
        column("Message", "A human-readable description of the status of this operation."),
        column("First Seen", "The time at which the event was first recorded.", wide=True),
        column("Count", "The number of times this event has occurred.", wide=True),
        column("Name", NAME_TEXT, format="name", wide=True),
    ),
    _event,
)
