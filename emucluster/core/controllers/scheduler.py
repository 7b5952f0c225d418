"""Binds pods to nodes, as kube-scheduler's default plugins would, in constant time for each pod."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sized
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.errors import ApiError
from emucluster.core.objects import Node, Pod, PodCondition, PodSpec

from .capacity import Needs, NodeRoom
from .dirty import DirtyQueue
from .feasibility import PodClass
from .placement import NOWHERE, ClassNodes, OwnerSpread
from .podstate import (
    ObjectKey,
    condition,
    controller_of,
    is_deleting,
    is_terminal,
    key_of,
    with_condition,
)
from .recorder import Recorder
from .writer import Writer

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

ZONE_LABEL = "topology.kubernetes.io/zone"
SCHEDULER_NAME = "default-scheduler"
BURST_PODS = 16
"""Pods bound in one flush, so that events are delivered in between."""
_MAX_CLASSES = 1024
NOT_NAMED = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"

Signature = tuple[PodClass, Needs]
"""Pods with the same signature fit into the same nodes."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A pod that occupies a node, and the group among which it is spread, if it still counts."""

    node: str
    needs: Needs
    group: Hashable | None


class Scheduler:
    """Chooses `spec.nodeName` for pods that have none and name this scheduler.

    Honoured: cordon, taints, nodeSelector and node affinity, pod slots, requests of cpu and memory
    where nodes declare them, host ports, spreading of an owner's pods over zones and nodes.
    Not: pod affinity, explicit topologySpreadConstraints, priorities and preemption.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"Node", "Pod"})

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._recorder = Recorder(writer, component=SCHEDULER_NAME)
        self._nodes: dict[str, Node] = {}
        self._rooms: dict[str, NodeRoom] = {}
        self._zones: dict[str, str] = {}
        self._classes: dict[PodClass, ClassNodes] = {}
        self._spreads: dict[Hashable, OwnerSpread] = {}
        self._placed: dict[ObjectKey, _Placed] = {}
        self._on_node: dict[str, dict[ObjectKey, None]] = {}
        self._waiting: dict[ObjectKey, Pod] = {}
        self._groups: dict[Signature, dict[ObjectKey, None]] = {}
        self._pinned: dict[str, dict[Signature, None]] = {}
        """Groups that may only go to certain nodes, by those; the others under ""."""
        self._signature_of: dict[ObjectKey, Signature] = {}
        self._last_spec: tuple[PodSpec, Signature] | None = None
        self._dirty: DirtyQueue[Signature] = DirtyQueue(base_s=1.0, cap_s=10.0)
        self._gated: dict[ObjectKey, Pod] = {}
        """Pods with gates that have not been told so yet."""

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Node):
            self._handle_node(obj, gone=gone)
        elif isinstance(obj, Pod):
            self._handle_pod(obj, gone=gone)

    def _handle_node(self, node: Node, *, gone: bool) -> None:
        name = node.metadata.name
        if gone:
            self._nodes.pop(name, None)
            for each in self._classes.values():
                each.forbid(name)
            if not self._on_node.get(name):
                self._rooms.pop(name, None)
            return
        old = self._nodes.get(name)
        self._nodes[name] = node
        if old is not None and _same_for_scheduling(old, node):
            return
        self._room(name).declare(node)
        self._move_zone(name, (node.metadata.labels or {}).get(ZONE_LABEL, ""))
        for pod_class, nodes in self._classes.items():
            self._judge(node, pod_class, nodes)
        self._retry(name)

    def _handle_pod(self, pod: Pod, *, gone: bool) -> None:
        key = key_of(pod)
        if gone or is_terminal(pod):
            self._wait_no_more(key)
            self._account(key, None)
        elif pod.spec.node_name:
            self._wait_no_more(key)
            group = None if is_deleting(pod) else _spread_group(pod)
            self._account(key, _Placed(pod.spec.node_name, self._needs(pod), group))
        elif (pod.spec.scheduler_name or SCHEDULER_NAME) == SCHEDULER_NAME:
            self._wait(key, pod)

    def _wait(self, key: ObjectKey, pod: Pod) -> None:
        self._wait_no_more(key)
        if is_deleting(pod):
            return
        if pod.spec.scheduling_gates:
            if not _is_told_gated(pod):
                self._gated[key] = pod
            return
        signature = self._signature(pod)
        self._waiting[key] = pod
        self._signature_of[key] = signature
        if signature not in self._groups:
            for name in _places(signature):
                self._pinned.setdefault(name, {})[signature] = None
        self._groups.setdefault(signature, {})[key] = None
        self._dirty.mark(signature)

    def _wait_no_more(self, key: ObjectKey) -> None:
        self._gated.pop(key, None)
        if self._waiting.pop(key, None) is None:
            return
        signature = self._signature_of.pop(key)
        group = self._groups[signature]
        del group[key]
        if not group:
            del self._groups[signature]
            self._dirty.drop(signature)
            for name in _places(signature):
                del self._pinned[name][signature]
                if not self._pinned[name]:
                    del self._pinned[name]

    def _retry(self, node: str) -> None:
        """A node has more room or changed: pods that found none and may go to it try again."""
        for place in ("", node):
            for signature in self._pinned.get(place, ()):
                self._dirty.mark(signature)

    # --- what is in use --------------------------------------------------------------------------

    def _account(self, key: ObjectKey, new: _Placed | None) -> None:
        old = self._placed.get(key)
        if old == new:
            return
        if old is not None:
            self._room(old.node).give_back(old.needs)
            del self._on_node[old.node][key]
            self._spread_change(old, -1)
            self._note_load(old.node)
            del self._placed[key]
        if new is not None:
            self._placed[key] = new
            self._room(new.node).take(new.needs)
            self._on_node.setdefault(new.node, {})[key] = None
            self._spread_change(new, 1)
            self._note_load(new.node)
        if old is not None and (new is None or new.node != old.node):
            self._retry(old.node)

    def _spread_change(self, placed: _Placed, by: int) -> None:
        if placed.group is None:
            return
        spread = self._spreads.setdefault(placed.group, OwnerSpread())
        spread.change(placed.node, self._zones.get(placed.node, ""), by)
        if not spread:
            del self._spreads[placed.group]

    def _move_zone(self, name: str, zone: str) -> None:
        if self._zones.get(name, "") == zone:
            self._zones[name] = zone
            return
        counted = [self._placed[key] for key in self._on_node.get(name, ())]
        for placed in counted:
            self._spread_change(placed, -1)
        self._zones[name] = zone
        for placed in counted:
            self._spread_change(placed, 1)

    def _note_load(self, name: str) -> None:
        room = self._room(name)
        for nodes in self._classes.values():
            nodes.set_load(name, room.pods, full=room.pods >= room.slots)

    def _room(self, name: str) -> NodeRoom:
        return self._rooms.setdefault(name, NodeRoom())

    def _judge(self, node: Node, pod_class: PodClass, nodes: ClassNodes) -> None:
        name = node.metadata.name
        if pod_class.refusal(node) is None:
            nodes.allow(name, pod_class.tier(node), self._zones.get(name, ""))
            room = self._room(name)
            nodes.set_load(name, room.pods, full=room.pods >= room.slots)
        else:
            nodes.forbid(name)

    def _class_nodes(self, pod_class: PodClass) -> ClassNodes:
        if (nodes := self._classes.get(pod_class)) is None:
            if len(self._classes) >= _MAX_CLASSES:
                self._classes.clear()
            nodes = self._classes[pod_class] = ClassNodes()
            for node in self._nodes.values():
                self._judge(node, pod_class, nodes)
        return nodes

    def _signature(self, pod: Pod) -> Signature:
        # Pods of one template share its spec: the class is worked out once.
        if self._last_spec is None or self._last_spec[0] is not pod.spec:
            self._last_spec = (pod.spec, (PodClass.of(pod), Needs.of(pod)))
        return self._last_spec[1]

    def _needs(self, pod: Pod) -> Needs:
        placed = self._placed.get(key_of(pod))
        # Requests and host ports of a pod never change.
        return placed.needs if placed is not None else Needs.of(pod)

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        self._tell_gated(stamp=stamp)
        budget = BURST_PODS
        for signature in self._dirty.take(now_s):
            if signature not in self._groups:
                continue
            if budget > 0:
                budget = self._place_group(signature, budget, now_s=now_s, stamp=stamp)
            else:
                self._dirty.mark(signature)

    def next_wake_s(self) -> float | None:
        return float("-inf") if self._gated else self._dirty.next_wake_s()

    def _place_group(self, signature: Signature, budget: int, *, now_s: float, stamp: str) -> int:
        for key in tuple(self._groups[signature]):
            if budget <= 0:
                self._dirty.mark(signature)
                return 0
            pod = self._waiting[key]
            node = self._pick(pod, signature)
            if node is None:
                self._tell_failed(signature, stamp=stamp)
                return budget
            budget -= 1
            self._bind(key, pod, node, signature, now_s=now_s, stamp=stamp)
        return budget

    def _pick(self, pod: Pod, signature: Signature) -> str | None:
        pod_class, needs = signature
        if (names := pod_class.pinned()) is not None:
            return self._pick_of(names, signature)
        group = _spread_group(pod)
        spread = self._spreads.get(group, NOWHERE) if group is not None else NOWHERE
        for name in self._class_nodes(pod_class).candidates(spread):
            if not self._room(name).refusals(needs):
                return name
        return None

    def _pick_of(self, names: frozenset[str], signature: Signature) -> str | None:
        """Of few nodes that the pod itself names: nothing is kept for a class of its own."""
        pod_class, needs = signature
        nodes = (self._nodes[name] for name in names if name in self._nodes)
        fitting = [
            (pod_class.tier(node), self._room(node.metadata.name).pods, node.metadata.name)
            for node in nodes
            if pod_class.refusal(node) is None
            and not self._room(node.metadata.name).refusals(needs)
        ]
        return min(fitting)[2] if fitting else None

    def _bind(
        self,
        key: ObjectKey,
        pod: Pod,
        node: str,
        signature: Signature,
        *,
        now_s: float,
        stamp: str,
    ) -> None:
        namespace, name = key
        try:
            self._writer.bind(namespace, name, pod.metadata.uid, node, stamp=stamp)
        except ApiError:
            # The pod changed or went away: its event decides; otherwise it is tried again.
            self._dirty.retry(signature, now_s=now_s)
            return
        self._dirty.forget(signature)
        self._wait_no_more(key)
        # Taken at once: the next pod must not be promised the same room.
        self._account(key, _Placed(node, signature[1], _spread_group(pod)))
        message = f"Successfully assigned {namespace}/{name} to {node}"
        self._recorder.record(pod, "Normal", "Scheduled", message, stamp=stamp)

    def _tell_failed(self, signature: Signature, *, stamp: str) -> None:
        message = self.failure(signature)
        for key in tuple(self._groups[signature]):
            pod = self._waiting[key]
            told = condition(pod, "PodScheduled")
            if told is None or (told.reason, told.message) != ("Unschedulable", message):
                self._tell(pod, "Unschedulable", message, stamp=stamp)
                self._recorder.record(pod, "Warning", "FailedScheduling", message, stamp=stamp)

    def _tell_gated(self, *, stamp: str) -> None:
        message = "Scheduling is blocked due to non-empty scheduling gates"
        for key, pod in tuple(self._gated.items()):
            self._tell(pod, "SchedulingGated", message, stamp=stamp)
            self._gated.pop(key, None)

    def _tell(self, pod: Pod, reason: str, message: str, *, stamp: str) -> None:
        told = PodCondition(type="PodScheduled", status="False", reason=reason, message=message)
        with suppress(ApiError):
            self._writer.update_status(with_condition(pod, told, stamp=stamp), stamp=stamp)

    def failure(self, signature: Signature) -> str:
        """Why no node takes such a pod, counted by reason, in kube-scheduler's words.

        All pods are of one priority, so preemption never finds a victim.
        """
        if not self._nodes:
            return "no nodes available to schedule pods"
        pod_class, needs = signature
        names = pod_class.pinned()
        asked = self._nodes.keys() if names is None else names & self._nodes.keys()
        reasons: Counter[str] = Counter()
        victims: Counter[str] = Counter()
        for name in asked:
            refusal, room = pod_class.refusal(self._nodes[name]), self._room(name)
            reasons.update([refusal] if refusal else room.refusals(needs))
            helpful = refusal is None and room.would_hold(needs)
            victims[NO_VICTIMS if helpful else NOT_HELPFUL] += 1
        if absent := len(self._nodes) - len(asked):
            reasons[NOT_NAMED] += absent
            victims[NOT_HELPFUL] += absent
        return f"{_told(self._nodes, reasons)} preemption: {_told(self._nodes, victims)}"


def _told(nodes: Sized, reasons: Counter[str]) -> str:
    counted = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{len(nodes)} nodes are available: {counted}."


def _places(signature: Signature) -> Iterable[str]:
    """The nodes that a pod names as the only ones; "" for all."""
    names = signature[0].pinned()
    return ("",) if names is None else names


def _same_for_scheduling(old: Node, new: Node) -> bool:
    return (
        old.spec == new.spec
        and old.metadata.labels == new.metadata.labels
        and old.status.allocatable == new.status.allocatable
    )


def _is_told_gated(pod: Pod) -> bool:
    told = condition(pod, "PodScheduled")
    return told is not None and told.reason == "SchedulingGated"


def _spread_group(pod: Pod) -> Hashable | None:
    """Pods of one owner are spread; without one, pods with the same labels; without those, none."""
    if (owner := controller_of(pod)) is not None:
        return owner.uid
    if not pod.metadata.labels:
        return None
    return pod.metadata.namespace, tuple(sorted(pod.metadata.labels.items()))
