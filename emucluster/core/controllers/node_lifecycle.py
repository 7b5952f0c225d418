"""Notices silent nodes, says so, and empties them (kubernetes/pkg/controller/nodelifecycle)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.durations import Speed
from emucluster.core.errors import ApiError
from emucluster.core.objects import Lease, Node, Pod, PodCondition

from .dirty import DirtyQueue, earliest
from .endpoints import ZONE_LABEL
from .node_health import (
    NOT_READY,
    UNREACHABLE,
    NodeHealth,
    condition,
    has_no_execute,
    ready_status,
    with_no_execute_taint,
    with_no_schedule_taints,
    with_unknown_conditions,
)
from .podstate import ObjectKey, is_ready, key_of, with_condition
from .podstate import condition as pod_condition
from .recorder import Recorder
from .stamps import wall_s
from .writer import Writer, attempt
from .zones import EvictionSettings, Outcome, Zones

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

LEASES = "kube-node-lease"
NEW_S = 60.0
"""A Node older than this was known to a controller before."""
RECONNECT_S = 5.0
"""How long nodes may need to find a control plane that was restarted: the longest back-off of a
connection and then of a heartbeat. It passes on real time, so that no `--speed` divides it."""
REGION_LABEL = "topology.kubernetes.io/region"


@dataclass(frozen=True, slots=True)
class NodeLifecycleSettings:
    """Flags of kube-controller-manager, with the defaults of 1.32 and later; before `--speed`."""

    monitor_period_s: float = 5.0
    monitor_grace_s: float = 50.0
    startup_grace_s: float = 60.0
    evictions: EvictionSettings = field(default_factory=EvictionSettings)


class NodeLifecycleController:
    """Turns silence into conditions, not-ready pods and taints; takes them back on return.

    The taints alone evict nobody: that is done by the taint eviction controller.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"Node", "Lease", "Pod"})

    def __init__(
        self,
        writer: Writer,
        *,
        speed: Speed,
        settings: NodeLifecycleSettings | None = None,
    ) -> None:
        self._writer, self._speed = writer, speed
        self._settings = settings or NodeLifecycleSettings()
        self._recorder = Recorder(writer, component="node-controller")
        self._nodes: dict[str, Node] = {}
        self._health: dict[str, NodeHealth] = {}
        self._leases: dict[str, Lease] = {}
        self._pods_on: dict[str, dict[ObjectKey, Pod]] = {}
        self._node_of: dict[ObjectKey, str] = {}
        self._dirty: DirtyQueue[str] = DirtyQueue()
        self._unmarked: DirtyQueue[str] = DirtyQueue()
        """Nodes whose pods still have to be marked not ready."""
        self._zones = Zones(self._settings.evictions, speed)
        self._monitor_s: float | None = None

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Node):
            self._handle_node(obj, gone=gone, now_s=now_s)
        elif isinstance(obj, Lease):
            self._handle_lease(obj, gone=gone, now_s=now_s)
        elif isinstance(obj, Pod):
            self._handle_pod(obj, gone=gone)

    def _handle_node(self, node: Node, *, gone: bool, now_s: float) -> None:
        name = node.metadata.name
        if gone:
            self._nodes.pop(name, None)
            self._health.pop(name, None)
            self._zones.cancel(name)
            self._dirty.drop(name)
            self._unmarked.drop(name)
            return
        health = self._health.setdefault(name, NodeHealth(now_s))
        health.saw_node(node, now_s)
        if name not in self._nodes and (lease := self._leases.get(name)) is not None:
            health.saw_lease(lease, now_s)
        old = self._nodes.get(name)
        self._nodes[name] = node
        if self._monitor_s is None:
            self._monitor_s = now_s + self._speed.duration_s(self._settings.monitor_period_s)
        # Heartbeats alone change nothing that is judged below.
        if old is None or old.spec != node.spec or _statuses(old) != _statuses(node):
            self._dirty.mark(name)

    def _handle_lease(self, lease: Lease, *, gone: bool, now_s: float) -> None:
        if lease.metadata.namespace != LEASES:
            return
        name = lease.metadata.name
        if gone:
            self._leases.pop(name, None)
            return
        self._leases[name] = lease
        if (health := self._health.get(name)) is not None:
            health.saw_lease(lease, now_s)

    def _handle_pod(self, pod: Pod, *, gone: bool) -> None:
        key = key_of(pod)
        before = self._node_of.pop(key, None)
        if before is not None:
            self._pods_on[before].pop(key, None)
        if gone or not (name := pod.spec.node_name):
            return
        self._node_of[key] = name
        self._pods_on.setdefault(name, {})[key] = pod
        node = self._nodes.get(name)
        if is_ready(pod) and node is not None and ready_status(node) != "True":
            self._unmarked.mark(name)

    # --- judging ---------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        if self._monitor_s is not None and now_s >= self._monitor_s:
            self._forgive_own_absence(now_s - self._monitor_s, now_s)
            self._monitor(now_s=now_s, stamp=stamp)
        for name in self._dirty.take(now_s):
            if (node := self._nodes.get(name)) is not None:
                with attempt(self._dirty, name, now_s=now_s):
                    self._react(node, now_s=now_s, stamp=stamp)
        for name in self._unmarked.take(now_s):
            with attempt(self._unmarked, name, now_s=now_s):
                self._mark_pods_not_ready(name, stamp=stamp)
        for name in self._zones.take(now_s):
            self._taint_no_execute(name, now_s=now_s, stamp=stamp)

    def next_wake_s(self) -> float | None:
        monitor_s = self._monitor_s if self._nodes else None
        return earliest(
            monitor_s,
            self._dirty.next_wake_s(),
            self._unmarked.next_wake_s(),
            self._zones.next_wake_s(),
        )

    def _forgive_own_absence(self, late_s: float, now_s: float) -> None:
        """Time in which nobody watched does not count as silence of the nodes.

        A controller that was stopped observes anew, as one that was restarted does; otherwise each
        stall of this process would look like the death of all nodes.
        """
        if late_s > self._speed.duration_s(self._settings.monitor_period_s):
            for health in self._health.values():
                health.probe_s = min(now_s, health.probe_s + late_s)

    def _monitor(self, *, now_s: float, stamp: str) -> None:
        """Once a period: who has been silent for too long, and how the zones stand."""
        self._monitor_s = now_s + self._speed.duration_s(self._settings.monitor_period_s)
        for name, node in tuple(self._nodes.items()):
            if now_s > self._health[name].probe_s + self._grace_s(node):
                with attempt(self._dirty, name, now_s=now_s):
                    self._declare_unknown(node, stamp=stamp)
        self._judge_zones(now_s=now_s, stamp=stamp)

    def _grace_s(self, node: Node) -> float:
        """How long its silence may last, from the last sign or from when we began to watch."""
        reported = condition(node, "Ready") is not None
        settings = self._settings
        grace_s = self._speed.duration_s(
            settings.monitor_grace_s if reported else settings.startup_grace_s
        )
        heard = self._health[node.metadata.name].heard
        return grace_s if heard else max(grace_s, RECONNECT_S)

    def _declare_unknown(self, node: Node, *, stamp: str) -> None:
        unknown = with_unknown_conditions(node, stamp=stamp)
        if unknown is node:
            return
        written = self._writer.update_status(unknown, stamp=stamp)
        self._nodes[node.metadata.name] = written
        self._dirty.mark(node.metadata.name)

    def _react(self, node: Node, *, now_s: float, stamp: str) -> None:
        """What follows from a node's present conditions."""
        name = node.metadata.name
        node = self._write_taints(node, with_no_schedule_taints(node, stamp=stamp), stamp)
        status = ready_status(node)
        self._tell_change(node, is_now_ready=status == "True", stamp=stamp)
        if status == "True":
            self._zones.cancel(name)
            self._write_taints(node, with_no_execute_taint(node, None, stamp=stamp), stamp)
            return
        if condition(node, "Ready") is None:
            return
        self._unmarked.mark(name)
        wanted, other = _taint_keys(status)
        if has_no_execute(node, other):
            # From unreachable to not ready or back: the taint is swapped without waiting.
            self._write_taints(node, with_no_execute_taint(node, wanted, stamp=stamp), stamp)
        elif not has_no_execute(node, wanted):
            self._zones.wait(_zone(node), name)

    def _tell_change(self, node: Node, *, is_now_ready: bool, stamp: str) -> None:
        """That it is not ready any more; that it is again says its kubelet."""
        health, name = self._health[node.metadata.name], node.metadata.name
        was, health.was_ready = health.was_ready, is_now_ready
        if was is None:
            if wall_s(stamp) - wall_s(node.metadata.creation_timestamp) < NEW_S:
                message = f"Node {name} event: Registered Node {name} in Controller"
                self._recorder.record(node, "Normal", "RegisteredNode", message, stamp=stamp)
        elif was and not is_now_ready:
            message = f"Node {name} status is now: NodeNotReady"
            self._recorder.record(node, "Normal", "NodeNotReady", message, stamp=stamp)

    def _mark_pods_not_ready(self, name: str, *, stamp: str) -> None:
        """All of them at once, whatever the eviction rates: routing must not wait for those."""
        node = self._nodes.get(name)
        if node is None or ready_status(node) == "True":
            return
        for pod in tuple(self._pods_on.get(name, {}).values()):
            ready = pod_condition(pod, "Ready")
            if ready is None or ready.status != "True":
                continue
            told = PodCondition(
                type="Ready", status="False", reason=ready.reason, message=ready.message
            )
            self._writer.update_status(with_condition(pod, told, stamp=stamp), stamp=stamp)
            self._recorder.record(pod, "Warning", "NodeNotReady", "Node is not ready", stamp=stamp)

    def _taint_no_execute(self, name: str, *, now_s: float, stamp: str) -> None:
        node = self._nodes.get(name)
        if node is None or (status := ready_status(node)) == "True":
            return
        wanted, _ = _taint_keys(status)
        try:
            self._write_taints(node, with_no_execute_taint(node, wanted, stamp=stamp), stamp)
        except ApiError:
            self._zones.wait(_zone(node), name)

    def _write_taints(self, old: Node, new: Node, stamp: str) -> Node:
        if new is old:
            return old
        written = self._writer.update(new, stamp=stamp)
        self._nodes[written.metadata.name] = written
        return written

    # --- zones -----------------------------------------------------------------------------------

    def _judge_zones(self, *, now_s: float, stamp: str) -> None:
        readiness: dict[str, list[bool]] = {}
        for node in self._nodes.values():
            readiness.setdefault(_zone(node), []).append(ready_status(node) == "True")
        match self._zones.judge(readiness, now_s=now_s):
            case Outcome.ALL_DOWN:
                self._spare_everyone(now_s=now_s, stamp=stamp)
            case Outcome.LEFT_ALL_DOWN:
                self._grant_fresh_grace(now_s)
            case Outcome.NONE:
                pass

    def _spare_everyone(self, *, now_s: float, stamp: str) -> None:
        """All zones down says more about the network of the control plane than about the nodes."""
        for name, node in tuple(self._nodes.items()):
            self._zones.cancel(name)
            with attempt(self._dirty, name, now_s=now_s):
                self._write_taints(node, with_no_execute_taint(node, None, stamp=stamp), stamp)

    def _grant_fresh_grace(self, now_s: float) -> None:
        for name, health in self._health.items():
            health.probe_s = now_s
            self._dirty.mark(name)


def _taint_keys(status: str) -> tuple[str, str]:
    return (NOT_READY, UNREACHABLE) if status == "False" else (UNREACHABLE, NOT_READY)


def _zone(node: Node) -> str:
    labels = node.metadata.labels or {}
    return f"{labels.get(REGION_LABEL, '')}:{labels.get(ZONE_LABEL, '')}"


def _statuses(node: Node) -> tuple[tuple[str, str], ...]:
    return tuple((each.type, each.status) for each in node.status.conditions)
