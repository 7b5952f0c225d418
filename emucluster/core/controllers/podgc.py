"""Removes pods that no kubelet will ever finish (kubernetes/pkg/controller/podgc)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from emucluster.core.durations import Speed
from emucluster.core.errors import ApiError
from emucluster.core.objects import Node, Pod, PodCondition, replace

from .node_health import OUT_OF_SERVICE, ready_status
from .podstate import ObjectKey, is_deleting, is_terminal, key_of, with_condition
from .writer import Writer

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

CHECK_PERIOD_S = 20.0
QUARANTINE_S = 40.0
"""For how long a Node has to be missing before its pods are taken for orphans."""


class PodGarbageCollector:
    """Three kinds of pods: orphans of a deleted Node, terminating ones on a node that is out of
    service, and terminating ones that were never bound."""

    kinds: ClassVar[frozenset[str]] = frozenset({"Node", "Pod"})

    def __init__(self, writer: Writer, *, speed: Speed) -> None:
        self._writer, self._speed = writer, speed
        self._nodes: dict[str, Node] = {}
        self._pods: dict[ObjectKey, Pod] = {}
        self._pods_on: dict[str, dict[ObjectKey, None]] = {}
        self._missing_s: dict[str, float] = {}
        self._out_of_service: set[str] = set()
        self._unbound: dict[ObjectKey, None] = {}
        self._check_s: float | None = None

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Node):
            self._handle_node(obj, gone=gone, now_s=now_s)
        elif isinstance(obj, Pod):
            self._handle_pod(obj, gone=gone, now_s=now_s)
        if self._work() and self._check_s is None:
            self._check_s = now_s + self._speed.duration_s(CHECK_PERIOD_S)

    def _handle_node(self, node: Node, *, gone: bool, now_s: float) -> None:
        name = node.metadata.name
        self._out_of_service.discard(name)
        if gone:
            self._nodes.pop(name, None)
            if self._pods_on.get(name):
                self._missing_s.setdefault(name, now_s)
            return
        self._nodes[name] = node
        self._missing_s.pop(name, None)
        tainted = any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)
        if tainted and ready_status(node) != "True":
            self._out_of_service.add(name)

    def _handle_pod(self, pod: Pod, *, gone: bool, now_s: float) -> None:
        key = key_of(pod)
        self._unbound.pop(key, None)
        if (old := self._pods.pop(key, None)) is not None and old.spec.node_name:
            on_old = self._pods_on[old.spec.node_name]
            on_old.pop(key, None)
            if not on_old:
                del self._pods_on[old.spec.node_name]
                self._missing_s.pop(old.spec.node_name, None)
        if gone:
            return
        self._pods[key] = pod
        if name := pod.spec.node_name:
            self._pods_on.setdefault(name, {})[key] = None
            if name not in self._nodes:
                # At start-up pods may be heard of before their Node, which then clears this.
                self._missing_s.setdefault(name, now_s)
        elif is_deleting(pod):
            self._unbound[key] = None

    def _work(self) -> bool:
        return bool(self._missing_s or self._out_of_service or self._unbound)

    def flush(self, *, now_s: float, stamp: str) -> None:
        if self._check_s is None or now_s < self._check_s:
            return
        self._check_s = None
        quarantine_s = self._speed.duration_s(QUARANTINE_S)
        for name, since_s in tuple(self._missing_s.items()):
            if now_s - since_s >= quarantine_s:
                for key in tuple(self._pods_on.get(name, ())):
                    self._remove(self._pods[key], "PodGC: node no longer exists", stamp=stamp)
        for name in tuple(self._out_of_service):
            for key in tuple(self._pods_on.get(name, ())):
                if is_deleting(self._pods[key]):
                    why = "PodGC: node is out of service"
                    self._remove(self._pods[key], why, stamp=stamp)
        for key in tuple(self._unbound):
            self._remove(self._pods[key], "", stamp=stamp)
        if self._work():
            self._check_s = now_s + self._speed.duration_s(CHECK_PERIOD_S)

    def next_wake_s(self) -> float | None:
        return self._check_s

    def _remove(self, pod: Pod, why: str, *, stamp: str) -> None:
        """Ends the pod in its status first, so that whoever watches it learns why."""
        try:
            if why and not is_terminal(pod):
                told = PodCondition(
                    type="DisruptionTarget",
                    status="True",
                    reason="DeletionByPodGC",
                    message=why,
                )
                ended = with_condition(pod, told, stamp=stamp)
                ended = replace(ended, status=replace(ended.status, phase="Failed"))
                self._writer.update_status(ended, stamp=stamp)
            self._writer.delete(pod, stamp=stamp, grace_period_s=0)
        except ApiError:
            # Whatever changed the pod meanwhile is judged again at the next check.
            return
