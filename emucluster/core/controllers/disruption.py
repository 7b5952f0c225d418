"""Keeps what PodDisruptionBudgets allow (kubernetes/pkg/controller/disruption)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.admission.eviction import with_allowed, with_condition
from emucluster.core.errors import ApiError
from emucluster.core.objects import (
    Deployment,
    OwnerReference,
    Pod,
    PodCondition,
    PodDisruptionBudget,
    PodDisruptionBudgetStatus,
    ReplicaSet,
    StatefulSet,
    replace,
)
from emucluster.core.objects.registry import BY_KIND

from . import podstate
from .budget import Health, as_go_prints, health, needs_scale
from .dirty import DirtyQueue, earliest
from .podstate import ObjectKey, controller_of, is_deleting, is_ready, is_terminal, key_of
from .recorder import Recorder
from .selectors import SelectorIndex, matches
from .stamps import wall_s
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

DELETION_TIMEOUT_S = 120.0
"""After which a pod that was to be evicted and did not go counts again."""
STALE_CONDITION_S = 120.0
"""After which a pod that was to be disrupted and did not go is no target any more."""
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a "
    "result, the status of the PDB cannot be calculated correctly, which may result in undefined "
    'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an '
    "integer value."
)
Scalable = Deployment | ReplicaSet | StatefulSet


class _Unscalable(Exception):
    """A controller of a covered pod has no number of replicas."""


class _Covered:
    """The pods of one budget, counted as they change."""

    def __init__(self, budget: PodDisruptionBudget) -> None:
        self.budget = budget
        self.pods: dict[ObjectKey, Pod] = {}
        self.healthy: set[ObjectKey] = set()
        self.owners: Counter[str] = Counter()
        self.references: dict[str, OwnerReference] = {}
        self.unmanaged: set[ObjectKey] = set()

    def put(self, pod: Pod) -> None:
        key, owner = key_of(pod), controller_of(pod)
        self.remove(key)
        self.pods[key] = pod
        if owner is None:
            self.unmanaged.add(key)
        else:
            self.owners[owner.uid] += 1
            self.references[owner.uid] = owner
        if is_ready(pod) and not is_deleting(pod):
            self.healthy.add(key)

    def remove(self, key: ObjectKey) -> None:
        pod = self.pods.pop(key, None)
        self.unmanaged.discard(key)
        self.healthy.discard(key)
        owner = controller_of(pod) if pod is not None else None
        if owner is not None:
            self.owners[owner.uid] -= 1
            if not self.owners[owner.uid]:
                del self.owners[owner.uid], self.references[owner.uid]


class DisruptionController:
    """Writes the status by which evictions are allowed or refused.

    Scaled are Deployments, ReplicaSets and StatefulSets; custom kinds are not.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {"PodDisruptionBudget", "Pod", "Deployment", "ReplicaSet", "StatefulSet"}
    )

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._recorder = Recorder(writer, component="controllermanager")
        self._budgets: dict[ObjectKey, _Covered] = {}
        self._index: SelectorIndex[ObjectKey] = SelectorIndex()
        self._pods: dict[str, dict[ObjectKey, Pod]] = {}
        self._scalable: dict[str, Scalable] = {}
        self._dirty: DirtyQueue[ObjectKey] = DirtyQueue()
        self._targets: DirtyQueue[ObjectKey] = DirtyQueue()
        """Pods whose condition DisruptionTarget grows stale."""
        self._stale_s: dict[ObjectKey, float] = {}

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Pod):
            self._handle_pod(obj, gone=gone, now_s=now_s)
        elif isinstance(obj, PodDisruptionBudget):
            self._handle_budget(obj, gone=gone)
        elif isinstance(obj, Deployment | ReplicaSet | StatefulSet):
            self._handle_scalable(obj, gone=gone)

    def _handle_budget(self, budget: PodDisruptionBudget, *, gone: bool) -> None:
        key, selector = key_of(budget), budget.spec.selector
        known = self._budgets.get(key)
        if gone:
            self._budgets.pop(key, None)
            self._index.discard(key)
            self._dirty.drop(key)
            return
        self._dirty.mark(key)
        if known is not None and known.budget.spec.selector == selector:
            known.budget = budget
            return
        covered = self._budgets[key] = _Covered(budget)
        self._index.put(key, key[0], selector.match_labels if selector else None)
        for pod in self._pods.get(key[0], {}).values():
            if matches(selector, pod.metadata.labels):
                covered.put(pod)

    def _handle_pod(self, pod: Pod, *, gone: bool, now_s: float) -> None:
        key, namespace = key_of(pod), pod.metadata.namespace
        pods = self._pods.setdefault(namespace, {})
        old = pods.pop(key, None)
        if not gone:
            pods[key] = pod
        if self._budgets:
            self._cover(key, old, None if gone else pod)
        self._note_target(key, pod, gone=gone, now_s=now_s)

    def _cover(self, key: ObjectKey, old: Pod | None, new: Pod | None) -> None:
        asked: dict[ObjectKey, None] = {}
        for each in (old, new):
            if each is not None:
                found = self._index.candidates(key[0], each.metadata.labels)
                asked.update(dict.fromkeys(found))
        for budget in asked:
            covered = self._budgets[budget]
            if new is not None and matches(covered.budget.spec.selector, new.metadata.labels):
                covered.put(new)
            elif key in covered.pods:
                covered.remove(key)
            else:
                continue
            self._dirty.mark(budget)

    def _note_target(self, key: ObjectKey, pod: Pod, *, gone: bool, now_s: float) -> None:
        told = podstate.condition(pod, "DisruptionTarget")
        stale = told is not None and told.status == "True" and not is_deleting(pod)
        if gone or not stale or is_terminal(pod):
            if self._stale_s.pop(key, None) is not None:
                self._targets.drop(key)
        elif key not in self._stale_s:
            self._stale_s[key] = now_s + STALE_CONDITION_S
            self._targets.mark_at(key, self._stale_s[key])

    def _handle_scalable(self, obj: Scalable, *, gone: bool) -> None:
        uid = obj.metadata.uid
        old = self._scalable.pop(uid, None)
        if not gone:
            self._scalable[uid] = obj
        same = old is not None and not gone and old.spec.replicas == obj.spec.replicas
        if same and old is not None and controller_of(old) == controller_of(obj):
            return
        for key, covered in self._budgets.items():
            if key[0] == obj.metadata.namespace and needs_scale(covered.budget):
                self._dirty.mark(key)

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        for key in self._dirty.take(now_s):
            if (covered := self._budgets.get(key)) is not None:
                with attempt(self._dirty, key, now_s=now_s):
                    self._sync(covered, now_s=now_s, stamp=stamp)
        for key in self._targets.take(now_s):
            pod = self._pods.get(key[0], {}).get(key)
            if pod is not None and key in self._stale_s:
                with attempt(self._targets, key, now_s=now_s):
                    self._spare(pod, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return earliest(self._dirty.next_wake_s(), self._targets.next_wake_s())

    def _sync(self, covered: _Covered, *, now_s: float, stamp: str) -> None:
        budget = covered.budget
        if not covered.pods:
            message = "No matching pods found"
            self._recorder.record(budget, "Normal", "NoPods", message, stamp=stamp)
        try:
            scale = self._scale(covered, stamp=stamp) if needs_scale(budget) else 0
        except _Unscalable as error:
            self._fail_safe(covered, str(error), stamp=stamp)
            return
        disrupted, wait_s = self._disrupted(covered, stamp=stamp)
        if wait_s is not None:
            self._dirty.mark_at(key_of(budget), now_s + wait_s)
        namespace = budget.metadata.namespace
        healthy = len(covered.healthy) - sum(
            (namespace, name) in covered.healthy for name in disrupted
        )
        found = health(budget, pods=len(covered.pods), scale=scale, healthy=healthy)
        self._write(covered, found, disrupted, stamp=stamp)

    def _scale(self, covered: _Covered, *, stamp: str) -> int:
        """What the controllers of the covered pods are scaled to, together."""
        budget = covered.budget
        if covered.unmanaged:
            message = _UNMANAGED.format(as_go_prints(budget.spec.selector))
            self._recorder.record(budget, "Warning", "UnmanagedPods", message, stamp=stamp)
        scales: dict[str, int] = {}
        for uid, reference in covered.references.items():
            owner = self._scalable.get(uid)
            if owner is None:
                why = self._why_unscalable(covered, reference)
                message = f"Failed to calculate the number of expected pods: {why}"
                reason = "CalculateExpectedPodCountFailed"
                self._recorder.record(budget, "Warning", reason, message, stamp=stamp)
                raise _Unscalable(why)
            above = controller_of(owner)
            if above is not None and above.uid in self._scalable:
                owner = self._scalable[above.uid]
            scales[owner.metadata.uid] = 1 if owner.spec.replicas is None else owner.spec.replicas
        return sum(scales.values())

    @staticmethod
    def _why_unscalable(covered: _Covered, reference: OwnerReference) -> str:
        row = BY_KIND.get(reference.kind)
        if row is not None and reference.kind not in ("ReplicaSet", "StatefulSet"):
            return f"{row.qualified_plural} does not implement the scale subresource"
        names = (
            key[1]
            for key, pod in covered.pods.items()
            if (owner := controller_of(pod)) is not None and owner.uid == reference.uid
        )
        return f'found no controllers for pod "{next(names, "")}"'

    def _disrupted(self, covered: _Covered, *, stamp: str) -> tuple[dict[str, str], float | None]:
        """Pods that an eviction has promised to end and that are still here; seconds to the next
        that is not believed any more."""
        budget, wall = covered.budget, wall_s(stamp)
        namespace = budget.metadata.namespace
        kept: dict[str, str] = {}
        waits = []
        for name, since in (budget.status.disrupted_pods or {}).items():
            pod = covered.pods.get((namespace, name))
            if pod is None or is_deleting(pod):
                continue
            left_s = wall_s(since) + DELETION_TIMEOUT_S - wall
            if left_s < 0:
                message = (
                    f"Pod was expected by PDB {namespace}/{budget.metadata.name} to be deleted but "
                    "it wasn't"
                )
                self._recorder.record(pod, "Warning", "NotDeleted", message, stamp=stamp)
            else:
                kept[name] = since
                waits.append(left_s + 1)
        return kept, min(waits, default=None)

    def _write(
        self, covered: _Covered, found: Health, disrupted: dict[str, str], *, stamp: str
    ) -> None:
        budget = covered.budget
        status = PodDisruptionBudgetStatus(
            current_healthy=found.healthy,
            desired_healthy=found.desired,
            expected_pods=found.expected,
            disruptions_allowed=found.allowed,
            disrupted_pods=disrupted or None,
            observed_generation=budget.metadata.generation,
            conditions=with_allowed(
                budget.status.conditions, budget, allowed=found.allowed, stamp=stamp
            ),
        )
        self._save(covered, status, stamp=stamp)

    def _fail_safe(self, covered: _Covered, why: str, *, stamp: str) -> None:
        """Without knowing better, nothing may be evicted."""
        budget = covered.budget
        conditions = with_condition(
            budget.status.conditions,
            budget,
            status="False",
            reason="SyncFailed",
            message=why,
            stamp=stamp,
        )
        status = replace(budget.status, disruptions_allowed=0, conditions=conditions)
        self._save(covered, status, stamp=stamp)

    def _save(self, covered: _Covered, status: PodDisruptionBudgetStatus, *, stamp: str) -> None:
        if status != covered.budget.status:
            wanted = replace(covered.budget, status=status)
            covered.budget = self._writer.update_status(wanted, stamp=stamp)

    def _spare(self, pod: Pod, *, stamp: str) -> None:
        told = PodCondition(type="DisruptionTarget", status="False")
        try:
            self._writer.update_status(podstate.with_condition(pod, told, stamp=stamp), stamp=stamp)
        except ApiError:
            self._targets.mark_at(key_of(pod), self._stale_s[key_of(pod)])
            raise
