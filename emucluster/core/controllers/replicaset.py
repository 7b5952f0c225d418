"""ReplicaSets: as many active pods as asked for (kubernetes/pkg/controller/replicaset)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.admission.generated_names import generated_name
from emucluster.core.errors import ApiError
from emucluster.core.objects import (
    ObjectMeta,
    Pod,
    PodTemplateSpec,
    ReplicaSet,
    ReplicaSetCondition,
    replace,
)

from .dirty import DirtyQueue
from .membership import Members
from .orphans import Orphans
from .podstate import ObjectKey, controller_of, controller_ref, is_deleting, key_of
from .recorder import Recorder
from .stamps import wall_s
from .victims import victims
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

BURST_REPLICAS = 500
"""Pods created or deleted for one ReplicaSet before it waits for its turn again."""


class ReplicaSetController:
    """Creates and deletes pods; adopts matching orphans, releases pods that no longer match."""

    kinds: ClassVar[frozenset[str]] = frozenset({"ReplicaSet", "Pod"})

    def __init__(self, writer: Writer, *, rng: Random) -> None:
        self._writer, self._rng = writer, rng
        self._recorder = Recorder(writer, component="replicaset-controller")
        self._sets: dict[str, ReplicaSet] = {}
        self._uids: dict[ObjectKey, str] = {}
        self._members: dict[str, Members] = {}
        self._orphans = Orphans()
        self._dirty: DirtyQueue[str] = DirtyQueue()

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj = event.object
        if isinstance(obj, ReplicaSet):
            self._handle_set(event.type, obj)
        elif isinstance(obj, Pod):
            old = event.old if isinstance(event.old, Pod) else None
            self._handle_pod(old, None if event.type == "DELETED" else obj)

    def _handle_set(self, type_: str, replicaset: ReplicaSet) -> None:
        uid = replicaset.metadata.uid
        if type_ == "DELETED":
            self._sets.pop(uid, None)
            self._uids.pop(key_of(replicaset), None)
            self._orphans.drop_owner(uid)
            self._dirty.drop(uid)
            if uid in self._members and not self._members[uid].pods:
                del self._members[uid]
            return
        known = self._sets.get(uid)
        if known is not None and _version(known) == _version(replicaset):
            return  # our own write of its status
        self._sets[uid] = replicaset
        self._uids[key_of(replicaset)] = uid
        namespace, selector = replicaset.metadata.namespace, replicaset.spec.selector
        self._orphans.put_owner(uid, namespace, selector)
        self._members.setdefault(uid, Members()).follow(replicaset)
        self._dirty.mark(uid)

    def _handle_pod(self, old: Pod | None, new: Pod | None) -> None:
        some = new or old
        if some is None:
            return
        before = self._owner(old)
        after = self._owner(new)
        key = key_of(some)
        if before and before != after and before in self._members:
            self._members[before].remove(key)
            self._dirty.mark(before)
            if before not in self._sets and not self._members[before].pods:
                del self._members[before]
        for uid in self._orphans.handle_pod(old, new):
            self._dirty.mark(uid)
        if new is not None and after:
            self._members.setdefault(after, Members()).put(new)
            self._dirty.mark(after)

    @staticmethod
    def _owner(pod: Pod | None) -> str | None:
        owner = controller_of(pod) if pod is not None else None
        return owner.uid if owner is not None and owner.kind == "ReplicaSet" else None

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        for uid in self._dirty.take(now_s):
            replicaset = self._sets.get(uid)
            if replicaset is None:
                continue
            with attempt(self._dirty, uid, now_s=now_s):
                self._sync(replicaset, self._members[uid], now_s=now_s, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return self._dirty.next_wake_s()

    def _sync(self, replicaset: ReplicaSet, members: Members, *, now_s: float, stamp: str) -> None:
        failure: ApiError | None = None
        if not is_deleting(replicaset):
            self._claim(replicaset, members, stamp=stamp)
            try:
                self._scale(replicaset, members, stamp=stamp)
            except ApiError as error:
                failure = error
        wait_s = members.age(wall_s(stamp), replicaset.spec.min_ready_seconds or 0)
        if wait_s is not None:
            self._dirty.mark_at(replicaset.metadata.uid, now_s + wait_s)
        self._write_status(replicaset, members, failure, stamp=stamp)
        if failure is not None:
            raise failure

    def _claim(self, replicaset: ReplicaSet, members: Members, *, stamp: str) -> None:
        for pod in members.strangers():
            kept = tuple(
                each
                for each in pod.metadata.owner_references
                if each.uid != replicaset.metadata.uid
            )
            metadata = replace(pod.metadata, owner_references=kept)
            self._writer.update(replace(pod, metadata=metadata), stamp=stamp)
        for pod in self._orphans.adoptable(replicaset.metadata.uid):
            owners = (*pod.metadata.owner_references, controller_ref(replicaset))
            metadata = replace(pod.metadata, owner_references=owners)
            adopted = self._writer.update(replace(pod, metadata=metadata), stamp=stamp)
            # Counted at once, so that no pod is created in its place.
            self._orphans.handle_pod(pod, adopted)
            members.put(adopted)

    def _scale(self, replicaset: ReplicaSet, members: Members, *, stamp: str) -> None:
        wanted = 1 if replicaset.spec.replicas is None else replicaset.spec.replicas
        missing = wanted - len(members.active)
        if missing > 0:
            for _ in range(min(missing, BURST_REPLICAS)):
                self._create_pod(replicaset, members, stamp=stamp)
        elif missing < 0:
            siblings = self._pods_per_node(replicaset)
            for pod in victims(members.active.values(), siblings, min(-missing, BURST_REPLICAS)):
                self._delete_pod(replicaset, members, pod, stamp=stamp)

    def _create_pod(self, replicaset: ReplicaSet, members: Members, *, stamp: str) -> None:
        try:
            pod = self._writer.create(pod_of(replicaset, self._rng), stamp=stamp)
        except ApiError as error:
            message = f"Error creating: {error.message}"
            self._recorder.record(replicaset, "Warning", "FailedCreate", message, stamp=stamp)
            raise
        members.put(pod)
        message = f"Created pod: {pod.metadata.name}"
        self._recorder.record(replicaset, "Normal", "SuccessfulCreate", message, stamp=stamp)

    def _delete_pod(
        self, replicaset: ReplicaSet, members: Members, pod: Pod, *, stamp: str
    ) -> None:
        self._writer.delete(pod, stamp=stamp)
        members.active.pop(key_of(pod), None)
        message = f"Deleted pod: {pod.metadata.name}"
        self._recorder.record(replicaset, "Normal", "SuccessfulDelete", message, stamp=stamp)

    def _pods_per_node(self, replicaset: ReplicaSet) -> dict[str, int]:
        """Active pods by node of this set and of those with the same controller."""
        owner = controller_of(replicaset)
        counts: dict[str, int] = {}
        for uid, each in self._sets.items():
            other = controller_of(each)
            related = owner is not None and other is not None and owner.uid == other.uid
            if uid != replicaset.metadata.uid and not related:
                continue
            for pod in self._members[uid].active.values():
                node = pod.spec.node_name or ""
                counts[node] = counts.get(node, 0) + 1
        return counts

    def _write_status(
        self,
        replicaset: ReplicaSet,
        members: Members,
        failure: ApiError | None,
        *,
        stamp: str,
    ) -> None:
        old = replicaset.status
        new = replace(
            old,
            replicas=len(members.active),
            fully_labeled_replicas=len(members.fully_labeled) or None,
            ready_replicas=len(members.ready) or None,
            available_replicas=len(members.available) or None,
            observed_generation=replicaset.metadata.generation,
            conditions=_failure_condition(old.conditions, failure, stamp),
        )
        if new == old:
            return
        uid = replicaset.metadata.uid
        self._sets[uid] = self._writer.update_status(replace(replicaset, status=new), stamp=stamp)


def _failure_condition(
    old: tuple[ReplicaSetCondition, ...], failure: ApiError | None, stamp: str
) -> tuple[ReplicaSetCondition, ...]:
    others = tuple(each for each in old if each.type != "ReplicaFailure")
    if failure is None:
        return others
    before = next((each for each in old if each.type == "ReplicaFailure"), None)
    if before is not None:
        return old  # the first message stays, as each attempt may word it otherwise
    failed = ReplicaSetCondition(
        type="ReplicaFailure",
        status="True",
        reason="FailedCreate",
        message=failure.message,
        last_transition_time=stamp,
    )
    return (*others, failed)


def _version(replicaset: ReplicaSet) -> str:
    return replicaset.metadata.resource_version


def pod_of(replicaset: ReplicaSet, rng: Random) -> Pod:
    """A pod from the template; its spec is the template's own, so that all of them share it."""
    template = replicaset.spec.template or PodTemplateSpec()
    base = f"{replicaset.metadata.name}-"
    return Pod(
        metadata=ObjectMeta(
            name=generated_name(base, rng),
            generate_name=base,
            namespace=replicaset.metadata.namespace,
            labels=template.metadata.labels,
            annotations=template.metadata.annotations,
            finalizers=template.metadata.finalizers,
            owner_references=(controller_ref(replicaset),),
        ),
        spec=template.spec,
    )
