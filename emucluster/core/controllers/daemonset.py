"""DaemonSets: one pod on every node that fits (kubernetes/pkg/controller/daemon)."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.errors import ApiError
from emucluster.core.objects import ControllerRevision, DaemonSet, Node, Pod, replace

from .claims import Claims
from .daemon_nodes import Daemon
from .daemon_pods import DaemonTemplate
from .daemon_rollout import NOTHING, NodeView, Rollout, in_order, limits, surges
from .dirty import DirtyQueue, earliest
from .history import HASH_LABEL, History
from .podstate import is_deleting, key_of, ready_since_s
from .recorder import EventType, Recorder
from .stamps import wall_s
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

BURST_REPLICAS = 250
"""Pods created or deleted for one DaemonSet before it waits for its turn again."""
Place = tuple[str, str]
"""uid of a DaemonSet and name of a node."""


class DaemonSetController:
    """Looks at a node of a DaemonSet when something about either has changed, and at no others."""

    kinds: ClassVar[frozenset[str]] = frozenset({"DaemonSet", "ControllerRevision", "Node", "Pod"})

    def __init__(self, writer: Writer, *, rng: Random) -> None:
        self._writer, self._rng = writer, rng
        self._recorder = Recorder(writer, component="daemonset-controller")
        self._daemons: dict[str, Daemon] = {}
        self._nodes: dict[str, Node] = {}
        self._claims = Claims(DaemonSet.kind)
        self._history = History(writer, DaemonSet)
        self._dirty: DirtyQueue[str] = DirtyQueue()
        self._places: DirtyQueue[Place] = DirtyQueue()
        self._failed: DirtyQueue[Place] = DirtyQueue(base_s=1.0, cap_s=900.0)
        """Nodes whose failed pods wait for their back-off."""
        self._waits_s: dict[Place, float] = {}

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Pod):
            self._handle_pod(event.old if isinstance(event.old, Pod) else None, obj, gone=gone)
        elif isinstance(obj, Node):
            self._handle_node(obj, gone=gone)
        elif isinstance(obj, DaemonSet):
            self._handle_set(obj, gone=gone)
        elif isinstance(obj, ControllerRevision):
            old = event.old if isinstance(event.old, ControllerRevision) else None
            uid = self._history.handle(old, None if gone else obj)
            if uid is not None:
                self._dirty.mark(uid)

    def _handle_set(self, daemonset: DaemonSet, *, gone: bool) -> None:
        uid = daemonset.metadata.uid
        if gone:
            self._daemons.pop(uid, None)
            self._claims.drop_owner(uid)
            self._history.drop_owner(uid)
            self._dirty.drop(uid)
            return
        daemon = self._daemons.get(uid)
        version = daemonset.metadata.resource_version
        if daemon is not None and daemon.daemonset.metadata.resource_version == version:
            return  # our own write of its status
        self._claims.put_owner(daemonset, daemonset.spec.selector)
        if daemon is None:
            daemon = self._daemons[uid] = Daemon(daemonset)
            for key, pod in self._claims.pods(uid).items():
                daemon.place(key, pod)
            self._look_everywhere(daemon)
        elif daemon.daemonset.spec is not daemonset.spec:
            daemon.template = DaemonTemplate.of(daemonset)
            self._look_everywhere(daemon)
        daemon.daemonset = daemonset
        self._dirty.mark(uid)

    def _look_everywhere(self, daemon: Daemon) -> None:
        for name in (*self._nodes, *(daemon.pods.keys() - self._nodes.keys())):
            self._places.mark((daemon.daemonset.metadata.uid, name))

    def _handle_node(self, node: Node, *, gone: bool) -> None:
        name = node.metadata.name
        old = self._nodes.pop(name, None)
        if not gone:
            self._nodes[name] = node
        if old is not None and not gone and _same_for_daemons(old, node):
            return
        for uid in self._daemons:
            self._places.mark((uid, name))

    def _handle_pod(self, old: Pod | None, pod: Pod, *, gone: bool) -> None:
        key = key_of(pod)
        for uid in self._claims.handle_pod(old, None if gone else pod):
            self._dirty.mark(uid)
            if (daemon := self._daemons.get(uid)) is not None:
                for node in daemon.place(key, self._claims.pods(uid).get(key)):
                    self._places.mark((uid, node))

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        touched: dict[str, dict[str, None]] = {}
        for uid, node in (*self._places.take(now_s), *self._failed.take(now_s)):
            if uid in self._daemons:
                touched.setdefault(uid, {})[node] = None
        for uid in dict.fromkeys((*self._dirty.take(now_s), *touched)):
            if (daemon := self._daemons.get(uid)) is None:
                continue
            nodes = {**daemon.pending, **touched.get(uid, {})}
            daemon.pending = nodes
            with attempt(self._dirty, uid, now_s=now_s):
                self._sync(daemon, nodes, now_s=now_s, stamp=stamp)
                daemon.pending = {}

    def next_wake_s(self) -> float | None:
        return earliest(
            self._dirty.next_wake_s(), self._places.next_wake_s(), self._failed.next_wake_s()
        )

    def _sync(self, daemon: Daemon, nodes: dict[str, None], *, now_s: float, stamp: str) -> None:
        daemonset = daemon.daemonset
        if is_deleting(daemonset):
            return
        for old, new in self._claims.settle(daemonset, self._writer, stamp=stamp):
            self._handle_pod(old, new, gone=False)
        if self._settle_history(daemon, stamp=stamp):
            nodes = dict.fromkeys((*self._nodes, *daemon.pods))
        views = {name: self._view(daemon, name, now_s, stamp) for name in nodes}
        for name, view in views.items():
            daemon.count(name, view.counts(), view.rollout())
        failure: ApiError | None = None
        try:
            if not self._manage(daemon, views, now_s=now_s, stamp=stamp):
                self._roll(daemon, now_s=now_s, stamp=stamp)
        except ApiError as error:
            failure = error
        self._clean_up(daemon, stamp=stamp)
        self._write_status(daemon, stamp=stamp)
        if failure is not None:
            raise failure

    def _settle_history(self, daemon: Daemon, *, stamp: str) -> bool:
        """Whether the template is another than the nodes were last judged by."""
        collisions = daemon.daemonset.status.collision_count or 0
        current, count = self._history.settle(daemon.daemonset, collisions=collisions, stamp=stamp)
        if count != collisions:
            status = replace(daemon.daemonset.status, collision_count=count)
            self._save(daemon, status_of=status, stamp=stamp)
        revision = (current.metadata.labels or {}).get(HASH_LABEL, current.metadata.name)
        changed, daemon.revision = daemon.revision != revision, revision
        return changed

    def _view(self, daemon: Daemon, name: str, now_s: float, stamp: str) -> NodeView:
        node = self._nodes.get(name)
        should_run, may_stay = daemon.template.fits(node) if node is not None else (False, False)
        pods = in_order(daemon.pods.get(name, {}).values())
        if node is None:
            # Bound pods of a Node that is gone are the garbage collector's.
            pods = [pod for pod in pods if not pod.spec.node_name]
        wait_s = daemon.daemonset.spec.min_ready_seconds or 0
        wall = wall_s(stamp)
        ripe_s = [ready_since_s(pod) + wait_s - wall for pod in pods]
        later = [each for each in ripe_s if 0 < each < float("inf")]
        if later:
            self._places.mark_at((daemon.daemonset.metadata.uid, name), now_s + min(later))
        return NodeView(
            should_run=should_run,
            may_stay=may_stay,
            pods=pods,
            revision=daemon.revision,
            is_available=lambda pod: ready_since_s(pod) + wait_s <= wall,
            surges=surges(daemon.daemonset),
        )

    # --- pods ------------------------------------------------------------------------------------

    def _manage(
        self, daemon: Daemon, views: dict[str, NodeView], *, now_s: float, stamp: str
    ) -> bool:
        """Starts and ends pods on nodes that were touched; True if there was anything to do."""
        uid = daemon.daemonset.metadata.uid
        missing = [name for name, view in views.items() if view.needs_pod()]
        doomed: list[Pod] = []
        for name, view in views.items():
            doomed += view.surplus()
            doomed += self._ended(daemon, name, view, now_s=now_s, stamp=stamp)
        for name in missing[BURST_REPLICAS:]:
            self._places.mark((uid, name))
        self._create(daemon, missing[:BURST_REPLICAS], stamp=stamp)
        self._delete(daemon, doomed, stamp=stamp)
        return bool(missing or doomed)

    def _ended(
        self, daemon: Daemon, name: str, view: NodeView, *, now_s: float, stamp: str
    ) -> list[Pod]:
        ended = view.ended()
        place = (daemon.daemonset.metadata.uid, name)
        if not ended:
            return []
        if now_s < self._waits_s.get(place, float("-inf")):
            self._failed.mark_at(place, self._waits_s[place])
            return []
        for pod in ended:
            failed = pod.status.phase == "Failed"
            verb, what = ("kill", "failed") if failed else ("delete", "succeeded")
            key = f"{pod.metadata.namespace}/{pod.metadata.name}"
            message = f"Found {what} daemon pod {key} on node {name}, will try to {verb} it"
            type_: EventType = "Warning" if failed else "Normal"
            reason = "FailedDaemonPod" if failed else "SucceededDaemonPod"
            self._recorder.record(daemon.daemonset, type_, reason, message, stamp=stamp)
        if any(pod.status.phase == "Failed" for pod in ended):
            # A kubelet that refuses a pod would refuse the next one as quickly.
            self._waits_s[place] = now_s + self._failed.retry(place, now_s=now_s)
        return ended

    def _roll(self, daemon: Daemon, *, now_s: float, stamp: str) -> None:
        """A step of a rolling update, as large as the limits allow now."""
        daemonset, groups = daemon.daemonset, daemon.groups
        if (daemonset.spec.update_strategy.type or "RollingUpdate") != "RollingUpdate":
            return
        replaceable, candidates = groups[Rollout.REPLACEABLE], groups[Rollout.CANDIDATE]
        if not replaceable and not candidates:
            return
        surge, unavailable = limits(daemonset, daemon.total.desired)
        taken = groups[Rollout.SURGING] if surge else groups[Rollout.UNAVAILABLE]
        room = max(0, (surge or unavailable) - len(taken))
        names = [*replaceable, *list(candidates)[:room]][:BURST_REPLICAS]
        if surge:
            running = [name for name in names if daemon.counts.get(name, NOTHING).desired]
            self._create(daemon, running, stamp=stamp)
        else:
            for name in names:
                view = self._view(daemon, name, now_s, stamp)
                self._delete(daemon, view.old_pods(), stamp=stamp)

    def _create(self, daemon: Daemon, names: Iterable[str], *, stamp: str) -> None:
        daemonset = daemon.daemonset
        for name in names:
            try:
                pod = daemon.template.pod(daemonset, name, daemon.revision, self._rng)
                pod = self._writer.create(pod, stamp=stamp)
            except ApiError as error:
                message = f"Error creating: {error.message}"
                self._recorder.record(daemonset, "Warning", "FailedCreate", message, stamp=stamp)
                raise
            self._handle_pod(None, pod, gone=False)
            message = f"Created pod: {pod.metadata.name}"
            self._recorder.record(daemonset, "Normal", "SuccessfulCreate", message, stamp=stamp)

    def _delete(self, daemon: Daemon, pods: Iterable[Pod], *, stamp: str) -> None:
        for pod in pods:
            self._writer.delete(pod, stamp=stamp)
            message = f"Deleted pod: {pod.metadata.name}"
            self._recorder.record(
                daemon.daemonset, "Normal", "SuccessfulDelete", message, stamp=stamp
            )

    def _clean_up(self, daemon: Daemon, *, stamp: str) -> None:
        alive = {daemon.revision, *daemon.hashes}
        live = frozenset(
            each.metadata.name
            for each in self._history.of(daemon.daemonset.metadata.uid)
            if (each.metadata.labels or {}).get(HASH_LABEL) in alive
        )
        self._history.clean_up(daemon.daemonset, live, stamp=stamp)

    # --- status ----------------------------------------------------------------------------------

    def _write_status(self, daemon: Daemon, *, stamp: str) -> None:
        total = daemon.total
        status = replace(
            daemon.daemonset.status,
            observed_generation=daemon.daemonset.metadata.generation,
            desired_number_scheduled=total.desired,
            current_number_scheduled=total.current,
            number_misscheduled=total.misscheduled,
            number_ready=total.ready,
            number_available=total.available or None,
            number_unavailable=(total.desired - total.available) or None,
            updated_number_scheduled=total.updated or None,
        )
        if status != daemon.daemonset.status:
            self._save(daemon, status_of=status, stamp=stamp)

    def _save(self, daemon: Daemon, *, status_of: object, stamp: str) -> None:
        wanted = replace(daemon.daemonset, status=status_of)
        daemon.daemonset = self._writer.update_status(wanted, stamp=stamp)


def _same_for_daemons(old: Node, new: Node) -> bool:
    return old.spec == new.spec and old.metadata.labels == new.metadata.labels
