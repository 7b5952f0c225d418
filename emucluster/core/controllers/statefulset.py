"""StatefulSets: pods with names that stay, one after the other.

kubernetes/pkg/controller/statefulset/stateful_set_control.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from emucluster.core.errors import AlreadyExists, ApiError
from emucluster.core.objects import (
    ControllerRevision,
    PersistentVolumeClaim,
    Pod,
    PodTemplateSpec,
    StatefulSet,
    StatefulSetStatus,
    replace,
)

from .claims import Claims
from .dirty import DirtyQueue
from .history import History, template_of
from .podstate import ObjectKey, is_deleting, key_of
from .recorder import Recorder
from .stamps import wall_s
from .stateful_members import StatefulMembers
from .stateful_pods import (
    claims_of,
    identity,
    is_parallel,
    is_rolling,
    ordinal_of,
    ordinals,
    partition,
    pod_name,
    pod_of,
)
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

BURST_REPLICAS = 500
"""Pods created or deleted for one parallel StatefulSet before it waits for its turn again."""
_NOT_MOUNTED = "PersistentVolumeClaims of volumeClaimTemplates are stored; nothing mounts them"


class StatefulSetController:
    """Starts pods upwards and ends them downwards, each once its neighbour is as it should be.

    With `podManagementPolicy: Parallel` none waits, except in a rolling update.
    Differs: `persistentVolumeClaimRetentionPolicy` is stored; claims are always retained.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {"StatefulSet", "ControllerRevision", "PersistentVolumeClaim", "Pod"}
    )

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._recorder = Recorder(writer, component="statefulset-controller")
        self._sets: dict[str, StatefulSet] = {}
        self._members: dict[str, StatefulMembers] = {}
        self._claims = Claims(StatefulSet.kind)
        self._volume_claims: set[ObjectKey] = set()
        self._history = History(writer, StatefulSet)
        self._templates: dict[str, tuple[str, PodTemplateSpec | None]] = {}
        """By uid of a set: the name of its current revision, and the template in that."""
        self._dirty: DirtyQueue[str] = DirtyQueue()

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Pod):
            old = event.old if isinstance(event.old, Pod) else None
            self._handle_pod(old, obj, gone=gone)
        elif isinstance(obj, StatefulSet):
            self._handle_set(obj, gone=gone)
        elif isinstance(obj, PersistentVolumeClaim):
            (self._volume_claims.discard if gone else self._volume_claims.add)(key_of(obj))
        elif isinstance(obj, ControllerRevision):
            before = event.old if isinstance(event.old, ControllerRevision) else None
            uid = self._history.handle(before, None if gone else obj)
            if uid is not None:
                self._templates.pop(uid, None)
                self._dirty.mark(uid)

    def _handle_set(self, statefulset: StatefulSet, *, gone: bool) -> None:
        uid = statefulset.metadata.uid
        if gone:
            self._sets.pop(uid, None)
            self._members.pop(uid, None)
            self._templates.pop(uid, None)
            self._claims.drop_owner(uid)
            self._history.drop_owner(uid)
            self._dirty.drop(uid)
            return
        known = self._sets.get(uid)
        version = statefulset.metadata.resource_version
        if known is not None and known.metadata.resource_version == version:
            return  # our own write of its status
        self._sets[uid] = statefulset
        self._claims.put_owner(statefulset, statefulset.spec.selector)
        if uid not in self._members:
            members = self._members[uid] = StatefulMembers()
            members.follow(statefulset, statefulset.status.update_revision or "")
            for pod in self._claims.pods(uid).values():
                members.put(pod)
        self._dirty.mark(uid)

    def _handle_pod(self, old: Pod | None, pod: Pod, *, gone: bool) -> None:
        for uid in self._claims.handle_pod(old, None if gone else pod):
            self._dirty.mark(uid)
            if (members := self._members.get(uid)) is not None:
                known = self._claims.pods(uid).get(key_of(pod))
                if known is None:
                    members.remove(key_of(pod))
                else:
                    members.put(known)

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        for uid in self._dirty.take(now_s):
            if uid in self._sets:
                with attempt(self._dirty, uid, now_s=now_s):
                    self._sync(uid, now_s=now_s, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return self._dirty.next_wake_s()

    def _sync(self, uid: str, *, now_s: float, stamp: str) -> None:
        statefulset, members = self._sets[uid], self._members[uid]
        changed = self._claims.settle(
            statefulset,
            self._writer,
            stamp=stamp,
            may_adopt=lambda pod: ordinal_of(statefulset, pod) is not None,
        )
        for old, new in changed:
            self._handle_pod(old, new, gone=False)
        collisions = statefulset.status.collision_count or 0
        newest, collisions = self._history.settle(statefulset, collisions=collisions, stamp=stamp)
        members.follow(statefulset, newest.metadata.name)
        wait_s = members.age(wall_s(stamp))
        if wait_s is not None:
            self._dirty.mark_at(uid, now_s + wait_s)
        failure: ApiError | None = None
        if not is_deleting(statefulset):
            try:
                self._arrange(statefulset, members, newest, stamp=stamp)
            except ApiError as error:
                failure = error
        self._write_status(uid, newest.metadata.name, collisions, stamp=stamp)
        live = {newest.metadata.name, self._sets[uid].status.current_revision, *members.revisions}
        kept = frozenset(each for each in live if each)
        self._history.clean_up(statefulset, kept, stamp=stamp)
        if failure is not None:
            raise failure

    # --- pods ------------------------------------------------------------------------------------

    def _arrange(
        self,
        statefulset: StatefulSet,
        members: StatefulMembers,
        newest: ControllerRevision,
        *,
        stamp: str,
    ) -> None:
        parallel = is_parallel(statefulset)
        for ordinal in members.misfits:
            self._identify(statefulset, members.pods[ordinal], ordinal, stamp=stamp)
        if parallel:
            work = list(dict.fromkeys((*members.missing, *members.ended)))
        else:
            first = members.unsettled.first()
            work = [] if first is None else [first]
        for ordinal in work[:BURST_REPLICAS]:
            self._settle(statefulset, members, ordinal, newest, stamp=stamp)
        if len(work) > BURST_REPLICAS:
            self._dirty.mark(statefulset.metadata.uid)
        if work and not parallel:
            return
        if self._condemn(statefulset, members, parallel=parallel, stamp=stamp) and not parallel:
            return
        if is_rolling(statefulset):
            self._roll(statefulset, members, stamp=stamp)

    def _settle(
        self,
        statefulset: StatefulSet,
        members: StatefulMembers,
        ordinal: int,
        newest: ControllerRevision,
        *,
        stamp: str,
    ) -> None:
        """One step towards an available pod of an ordinal; what is under way is waited for."""
        pod = members.pods.get(ordinal)
        if pod is None:
            self._create(statefulset, ordinal, newest, stamp=stamp)
        elif ordinal in members.ended and not is_deleting(pod):
            self._delete(statefulset, pod, stamp=stamp)

    def _condemn(
        self, statefulset: StatefulSet, members: StatefulMembers, *, parallel: bool, stamp: str
    ) -> bool:
        """Ends pods outside the range, highest first; True if there are any."""
        if parallel:
            for ordinal in members.condemned:
                if not is_deleting(members.pods[ordinal]):
                    self._delete(statefulset, members.pods[ordinal], stamp=stamp)
            return bool(members.condemned)
        if (last := members.condemned.last()) is None:
            return False
        # A pod that is not available is waited for, unless it is the lowest of these.
        ailing = last in members.condemned_unsettled
        if not is_deleting(members.pods[last]) and (
            not ailing or members.condemned_unsettled.first() == last
        ):
            self._delete(statefulset, members.pods[last], stamp=stamp)
        return True

    def _roll(self, statefulset: StatefulSet, members: StatefulMembers, *, stamp: str) -> None:
        """Replaces the highest pod of an older revision, once all above it are available."""
        outdated, unsettled = members.outdated.last(), members.unsettled.last()
        if outdated is None or outdated < partition(statefulset):
            return
        if unsettled is None or unsettled <= outdated:
            self._delete(statefulset, members.pods[outdated], stamp=stamp)

    def _create(
        self, statefulset: StatefulSet, ordinal: int, newest: ControllerRevision, *, stamp: str
    ) -> None:
        template, revision = statefulset.spec.template, newest.metadata.name
        if is_rolling(statefulset) and ordinal < partition(statefulset):
            current, former = self._current(statefulset)
            if former is not None:
                template, revision = former, current
        wanted = pod_of(statefulset, template, ordinal, revision)
        try:
            self._create_claims(statefulset, ordinal, stamp=stamp)
            pod = self._writer.create(wanted, stamp=stamp)
        except ApiError as error:
            if isinstance(error, AlreadyExists):
                raise  # somebody else's pod has the name: tried again without a word
            self._tell(statefulset, "create", wanted.metadata.name, error, stamp=stamp)
            raise
        self._handle_pod(None, pod, gone=False)
        self._tell(statefulset, "create", pod.metadata.name, None, stamp=stamp)

    def _current(self, statefulset: StatefulSet) -> tuple[str, PodTemplateSpec | None]:
        """The revision from which a roll-out began; without a template if it is not held."""
        uid, name = statefulset.metadata.uid, statefulset.status.current_revision or ""
        known = self._templates.get(uid)
        if known is None or known[0] != name:
            held = (each for each in self._history.of(uid) if each.metadata.name == name)
            revision = next(held, None)
            template = template_of(revision) if revision is not None else None
            known = self._templates[uid] = (name, template)
        return known

    def _create_claims(self, statefulset: StatefulSet, ordinal: int, *, stamp: str) -> None:
        set_name, pod = statefulset.metadata.name, pod_name(statefulset, ordinal)
        for claim in claims_of(statefulset, ordinal).values():
            if key_of(claim) in self._volume_claims:
                continue
            try:
                self._writer.create(claim, stamp=stamp)
            except AlreadyExists:
                continue
            self._volume_claims.add(key_of(claim))
            message = (
                f"create Claim {claim.metadata.name} Pod {pod} in StatefulSet {set_name} success"
            )
            record = self._recorder.record
            record(statefulset, "Normal", "SuccessfulCreate", message, stamp=stamp)
            record(statefulset, "Warning", "VolumesNotMounted", _NOT_MOUNTED, stamp=stamp)

    def _identify(self, statefulset: StatefulSet, pod: Pod, ordinal: int, *, stamp: str) -> None:
        labels = {**(pod.metadata.labels or {}), **identity(statefulset, ordinal)}
        wanted = replace(pod, metadata=replace(pod.metadata, labels=labels))
        self._handle_pod(pod, self._writer.update(wanted, stamp=stamp), gone=False)
        self._tell(statefulset, "update", pod.metadata.name, None, stamp=stamp)

    def _delete(self, statefulset: StatefulSet, pod: Pod, *, stamp: str) -> None:
        self._writer.delete(pod, stamp=stamp)
        self._tell(statefulset, "delete", pod.metadata.name, None, stamp=stamp)

    def _tell(
        self, statefulset: StatefulSet, verb: str, pod: str, error: ApiError | None, *, stamp: str
    ) -> None:
        what = f"{verb} Pod {pod} in StatefulSet {statefulset.metadata.name}"
        record = self._recorder.record
        if error is None:
            reason, message = f"Successful{verb.capitalize()}", f"{what} successful"
            record(statefulset, "Normal", reason, message, stamp=stamp)
        else:
            reason, message = f"Failed{verb.capitalize()}", f"{what} failed error: {error.message}"
            record(statefulset, "Warning", reason, message, stamp=stamp)

    # --- status ----------------------------------------------------------------------------------

    def _write_status(self, uid: str, newest: str, collisions: int, *, stamp: str) -> None:
        statefulset, members = self._sets[uid], self._members[uid]
        current = statefulset.status.current_revision
        held = any(each.metadata.name == current for each in self._history.of(uid))
        status = counted(
            statefulset,
            members,
            current=current if current and held else newest,
            newest=newest,
            collisions=collisions,
        )
        if status != statefulset.status:
            wanted = replace(statefulset, status=status)
            self._sets[uid] = self._writer.update_status(wanted, stamp=stamp)


def counted(
    statefulset: StatefulSet,
    members: StatefulMembers,
    *,
    current: str,
    newest: str,
    collisions: int,
) -> StatefulSetStatus:
    """The counts; a roll-out that has reached every pod makes the newest revision the current."""
    updated, wanted = members.revisions[newest], len(ordinals(statefulset))
    complete = is_rolling(statefulset) and (
        updated == len(members.ready) == len(members.pods) == wanted
    )
    if complete:
        current = newest
    return replace(
        statefulset.status,
        observed_generation=statefulset.metadata.generation,
        replicas=len(members.pods),
        ready_replicas=len(members.ready) or None,
        available_replicas=len(members.available),
        current_replicas=members.revisions[current] or None,
        updated_replicas=updated or None,
        current_revision=current,
        update_revision=newest,
        collision_count=collisions,
    )
