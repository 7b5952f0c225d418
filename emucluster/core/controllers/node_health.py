"""Judges one node by when it was last heard of, on the clock of whoever listens.

kubernetes/pkg/controller/nodelifecycle: tryUpdateNodeHealth. A renewal counts from the moment at
which it was *observed*, so that the clocks of nodes do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from emucluster.core.objects import Lease, Node, NodeCondition, Taint, replace

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_OWN_KEYS = frozenset({NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURE.values()})


@dataclass(slots=True)
class NodeHealth:
    """What is known of a node's signs of life.

    Attributes:
        probe_s: when one was last observed, monotonic.
        renew_time: of the lease, as the node wrote it; only compared for being another.
        heartbeat: of its status, likewise.
        heard: whether a sign came while we watched; what we found when we began is none.
        was_ready: as last judged; None before the first time.
    """

    probe_s: float
    renew_time: str | None = None
    heartbeat: str | None = None
    heard: bool = False
    was_ready: bool | None = None

    def saw_lease(self, lease: Lease, now_s: float) -> None:
        if lease.spec.renew_time != self.renew_time:
            self.heard = self.heard or self.renew_time is not None
            self.renew_time, self.probe_s = lease.spec.renew_time, now_s

    def saw_node(self, node: Node, now_s: float) -> None:
        ready = condition(node, "Ready")
        beat = ready.last_heartbeat_time if ready is not None else None
        if beat is not None and beat != self.heartbeat:
            self.heard = self.heard or self.heartbeat is not None
            self.heartbeat, self.probe_s = beat, now_s


def condition(node: Node, type_: str) -> NodeCondition | None:
    return next((each for each in node.status.conditions if each.type == type_), None)


def ready_status(node: Node) -> str:
    """ "True", "False" or "Unknown"."""
    ready = condition(node, "Ready")
    return ready.status if ready is not None else "Unknown"


def with_unknown_conditions(node: Node, *, stamp: str) -> Node:
    """The node as one that stopped posting; the same node if it says so already."""
    kept = list(node.status.conditions)
    for type_ in _CONDITIONS:
        old = condition(node, type_)
        if old is not None and old.status == "Unknown":
            continue
        if old is None:
            kept.append(_never(type_, node, stamp))
        else:
            kept[kept.index(old)] = replace(
                old,
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                last_transition_time=stamp,
            )
    if tuple(kept) == node.status.conditions:
        return node
    return replace(node, status=replace(node.status, conditions=tuple(kept)))


def _never(type_: str, node: Node, stamp: str) -> NodeCondition:
    return NodeCondition(
        type=type_,
        status="Unknown",
        reason="NodeStatusNeverUpdated",
        message="Kubelet never posted node status.",
        last_heartbeat_time=node.metadata.creation_timestamp,
        last_transition_time=stamp,
    )


def no_schedule_taints(node: Node) -> list[Taint]:
    """The NoSchedule taints that the node's conditions and its cordon call for."""
    keys = []
    if (ready := condition(node, "Ready")) is not None and ready.status != "True":
        keys.append(NOT_READY if ready.status == "False" else UNREACHABLE)
    for type_, key in _PRESSURE.items():
        found = condition(node, type_)
        if found is not None and found.status == "True":
            keys.append(key)
    if node.spec.unschedulable:
        keys.append(UNSCHEDULABLE)
    return [Taint(key=key, effect="NoSchedule") for key in keys]


def with_no_schedule_taints(node: Node, *, stamp: str) -> Node:
    """The node with exactly those of the taints of this controller; others stay."""
    if condition(node, "Ready") is None:
        # It never reported: the not-ready taint that it may have registered with stays.
        return node
    wanted = {taint.key: taint for taint in no_schedule_taints(node)}
    kept = []
    for taint in node.spec.taints:
        own = taint.effect == "NoSchedule" and taint.key in _OWN_KEYS
        if not own or wanted.pop(taint.key, None) is not None:
            kept.append(taint)
    added = [replace(taint, time_added=stamp) for taint in wanted.values()]
    return _with_taints(node, (*kept, *added))


def with_no_execute_taint(node: Node, key: str | None, *, stamp: str) -> Node:
    """The node with this one of the two NoExecute taints and not the other; None: with neither."""
    ours = (NOT_READY, UNREACHABLE)
    kept = [
        taint
        for taint in node.spec.taints
        if taint.effect != "NoExecute" or taint.key not in ours or taint.key == key
    ]
    if key is not None and not has_no_execute(node, key):
        kept.append(Taint(key=key, effect="NoExecute", time_added=stamp))
    return _with_taints(node, tuple(kept))


def has_no_execute(node: Node, key: str) -> bool:
    return any(taint.key == key and taint.effect == "NoExecute" for taint in node.spec.taints)


def _with_taints(node: Node, taints: tuple[Taint, ...]) -> Node:
    if taints == node.spec.taints:
        return node
    return replace(node, spec=replace(node.spec, taints=taints))
