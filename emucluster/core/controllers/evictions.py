"""Deletes pods from nodes with NoExecute taints that they do not tolerate, or not for ever.

kubernetes/pkg/controller/tainteviction/taint_eviction.go. Each pod's own time starts when its node
is tainted; it ends when the taint goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from emucluster.core.durations import Speed
from emucluster.core.errors import NotFound
from emucluster.core.objects import Node, Pod, PodCondition, Taint

from .dirty import DirtyQueue
from .feasibility import tolerates
from .podstate import ObjectKey, is_deleting, is_terminal, key_of, with_condition
from .recorder import Recorder
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

_MESSAGE = "Taint manager: deleting due to NoExecute taint"


def toleration_s(pod: Pod, taints: tuple[Taint, ...]) -> float:
    """For how long the pod tolerates the NoExecute taints: 0 not at all, infinite for ever.

    With several tolerations in use the shortest counts (GetMinTolerationTime).
    """
    shortest = float("inf")
    for taint in taints:
        used = [each for each in pod.spec.tolerations if tolerates(each, taint)]
        if not used:
            return 0.0
        # Only one toleration is matched to a taint: the first.
        seconds = used[0].toleration_seconds
        if seconds is not None:
            shortest = min(shortest, max(0.0, float(seconds)))
    return shortest


def no_execute(node: Node) -> tuple[Taint, ...]:
    return tuple(each for each in node.spec.taints if each.effect == "NoExecute")


class TaintEvictionController:
    """Times and carries out evictions by taint. `tolerationSeconds` runs at the cluster's speed."""

    kinds: ClassVar[frozenset[str]] = frozenset({"Node", "Pod"})

    def __init__(self, writer: Writer, *, speed: Speed) -> None:
        self._writer, self._speed = writer, speed
        self._recorder = Recorder(writer, component="taint-eviction-controller")
        self._taints: dict[str, tuple[Taint, ...]] = {}
        self._pods: dict[ObjectKey, Pod] = {}
        self._pods_on: dict[str, dict[ObjectKey, None]] = {}
        self._due_s: dict[ObjectKey, float] = {}
        self._due: DirtyQueue[ObjectKey] = DirtyQueue(base_s=0.01, cap_s=1.0)
        self._cancelled: list[Pod] = []

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Node):
            self._handle_node(obj.metadata.name, () if gone else no_execute(obj), now_s)
        elif isinstance(obj, Pod):
            self._handle_pod(obj, gone=gone, now_s=now_s)

    def _handle_node(self, name: str, taints: tuple[Taint, ...], now_s: float) -> None:
        if self._taints.get(name, ()) == taints:
            return
        if taints:
            self._taints[name] = taints
        else:
            self._taints.pop(name, None)
        for key in tuple(self._pods_on.get(name, ())):
            self._judge(key, now_s)

    def _handle_pod(self, pod: Pod, *, gone: bool, now_s: float) -> None:
        key = key_of(pod)
        old = self._pods.pop(key, None)
        if old is not None:
            self._pods_on[old.spec.node_name or ""].pop(key, None)
            if old.metadata.uid != pod.metadata.uid:
                self._forget(key)
        if gone or is_terminal(pod) or is_deleting(pod) or not pod.spec.node_name:
            self._forget(key)
            return
        self._pods[key] = pod
        self._pods_on.setdefault(pod.spec.node_name, {})[key] = None
        if pod.spec.node_name in self._taints:
            self._judge(key, now_s)

    def _judge(self, key: ObjectKey, now_s: float) -> None:
        pod = self._pods[key]
        taints = self._taints.get(pod.spec.node_name or "", ())
        tolerated_s = toleration_s(pod, taints)
        if tolerated_s == float("inf"):
            if key in self._due_s:
                self._cancelled.append(pod)
            self._forget(key)
        elif tolerated_s == 0:
            self._due_s[key] = now_s
            self._due.mark(key)
        elif key not in self._due_s:
            # A time that runs already goes on, whatever taints follow.
            self._due_s[key] = now_s + self._speed.duration_s(tolerated_s)
            self._due.mark_at(key, self._due_s[key])

    def _forget(self, key: ObjectKey) -> None:
        self._due_s.pop(key, None)
        self._due.drop(key)

    def flush(self, *, now_s: float, stamp: str) -> None:
        for spared in self._cancelled:
            self._tell(spared, f"Cancelling deletion of Pod {_full_name(spared)}", stamp=stamp)
        self._cancelled.clear()
        for key in self._due.take(now_s):
            pod = self._pods.get(key)
            if pod is None or key not in self._due_s:
                continue
            with attempt(self._due, key, now_s=now_s):
                self._evict(pod, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return float("-inf") if self._cancelled else self._due.next_wake_s()

    def _evict(self, pod: Pod, *, stamp: str) -> None:
        self._tell(pod, f"Marking for deletion Pod {_full_name(pod)}", stamp=stamp)
        told = PodCondition(
            type="DisruptionTarget",
            status="True",
            reason="DeletionByTaintManager",
            message=_MESSAGE,
        )
        try:
            self._writer.update_status(with_condition(pod, told, stamp=stamp), stamp=stamp)
            self._writer.delete(pod, stamp=stamp)
        except NotFound:
            return

    def _tell(self, pod: Pod, message: str, *, stamp: str) -> None:
        self._recorder.record(pod, "Normal", "TaintManagerEviction", message, stamp=stamp)


def _full_name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
