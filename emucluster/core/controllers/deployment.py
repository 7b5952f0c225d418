"""Deployments: ReplicaSets of present and past templates (kubernetes/pkg/controller/deployment)."""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import TYPE_CHECKING, ClassVar

from emucluster.core.errors import AlreadyExists
from emucluster.core.objects import (
    Deployment,
    DeploymentStatus,
    Pod,
    ReplicaSet,
    replace,
)

from . import deployment_status as status_of
from . import rollout
from .deployment_view import DeploymentView as View
from .deployment_view import sizes_of, view_of
from .dirty import DirtyQueue
from .podstate import (
    ObjectKey,
    annotated,
    controller_of,
    controller_ref,
    is_deleting,
    is_terminal,
    key_of,
)
from .recorder import Recorder
from .revisions import (
    REVISION,
    annotations_of,
    new_replicaset,
    revision_of,
    size_annotations,
    surplus_history,
)
from .selectors import matches
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent


class DeploymentController:
    """Moves a Deployment's pods from template to template, and keeps its history and status."""

    kinds: ClassVar[frozenset[str]] = frozenset({"Deployment", "ReplicaSet", "Pod"})

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._recorder = Recorder(writer, component="deployment-controller")
        self._deployments: dict[str, Deployment] = {}
        self._sets: dict[str, dict[str, ReplicaSet]] = {}
        """By uid of the owning Deployment ("" for orphans), then by own uid."""
        self._owner_of: dict[str, str] = {}
        self._running: dict[str, set[ObjectKey]] = {}
        """Pods of a ReplicaSet, by its uid, that have not ended: Recreate waits for them."""
        self._dirty: DirtyQueue[str] = DirtyQueue()

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Deployment):
            self._handle_deployment(obj, gone=gone)
        elif isinstance(obj, ReplicaSet):
            self._handle_set(obj, gone=gone)
        elif isinstance(obj, Pod):
            self._handle_pod(obj, gone=gone)

    def _handle_deployment(self, deployment: Deployment, *, gone: bool) -> None:
        uid = deployment.metadata.uid
        if gone:
            self._deployments.pop(uid, None)
            self._dirty.drop(uid)
            return
        self._deployments[uid] = deployment
        self._dirty.mark(uid)

    def _handle_set(self, replicaset: ReplicaSet, *, gone: bool) -> None:
        uid = replicaset.metadata.uid
        before = self._owner_of.pop(uid, None)
        if before is not None:
            self._sets[before].pop(uid, None)
            self._dirty.mark(before)
        if gone:
            return
        owner = controller_of(replicaset)
        after = "" if owner is None else owner.uid
        self._owner_of[uid] = after
        self._sets.setdefault(after, {})[uid] = replicaset
        self._dirty.mark(after)
        if not after:
            for deployment in self._deployments.values():
                if self._may_adopt(deployment, replicaset):
                    self._dirty.mark(deployment.metadata.uid)

    def _handle_pod(self, pod: Pod, *, gone: bool) -> None:
        owner = controller_of(pod)
        if owner is None or owner.kind != "ReplicaSet":
            return
        running = self._running.setdefault(owner.uid, set())
        if gone or is_terminal(pod):
            running.discard(key_of(pod))
            if not running:
                del self._running[owner.uid]
                # Only Recreate waits for pods; for others the ReplicaSet's status tells enough.
                self._dirty.mark(self._owner_of.get(owner.uid, ""))
        else:
            running.add(key_of(pod))

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        for uid in self._dirty.take(now_s):
            if (deployment := self._deployments.get(uid)) is None:
                continue
            with attempt(self._dirty, uid, now_s=now_s):
                self._sync(deployment, now_s=now_s, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return self._dirty.next_wake_s()

    def _sync(self, deployment: Deployment, *, now_s: float, stamp: str) -> None:
        view = self._view(deployment)
        if is_deleting(deployment):
            self._write_status(view, progress=False, now_s=now_s, stamp=stamp)
            return
        if self._adopt(deployment, stamp=stamp):
            view = self._view(deployment)
        if deployment.spec.paused:
            if view.new is not None:
                # Nothing is created meanwhile; a template that exists already gets its revision.
                view = self._with_new_set(view, stamp=stamp)
            self._scale(view, stamp=stamp)
            view = self._view(view.deployment)
            self._clean_up(view, stamp=stamp)
            self._write_status(view, progress=False, now_s=now_s, stamp=stamp)
        elif view.is_scaled():
            self._scale(view, stamp=stamp)
            self._write_status(self._view(deployment), progress=True, now_s=now_s, stamp=stamp)
        else:
            view = self._roll(view, stamp=stamp)
            self._write_status(view, progress=True, now_s=now_s, stamp=stamp)

    def _view(self, deployment: Deployment) -> View:
        return view_of(deployment, self._sets.get(deployment.metadata.uid, {}).values())

    def _adopt(self, deployment: Deployment, *, stamp: str) -> bool:
        adopted = False
        for each in tuple(self._sets.get("", {}).values()):
            if self._may_adopt(deployment, each):
                owners = (*each.metadata.owner_references, controller_ref(deployment))
                metadata = replace(each.metadata, owner_references=owners)
                self._update(replace(each, metadata=metadata), stamp=stamp)
                adopted = True
        return adopted

    @staticmethod
    def _may_adopt(deployment: Deployment, replicaset: ReplicaSet) -> bool:
        return (
            replicaset.metadata.namespace == deployment.metadata.namespace
            and not is_deleting(replicaset)
            and matches(deployment.spec.selector, replicaset.metadata.labels)
        )

    # --- scaling ---------------------------------------------------------------------------------

    def _scale(self, view: View, *, stamp: str) -> None:
        """`spec.replicas` changed: the only active set gets it, several get their shares."""
        active = [each for each in view.sets if each.spec.replicas]
        if len(active) <= 1:
            only = active[0] if active else view.new or (view.olds[-1] if view.olds else None)
            if only is not None:
                self._resize(view, only, view.replicas, stamp=stamp)
        elif view.new is not None and view.is_saturated(view.new):
            for each in view.olds:
                self._resize(view, each, 0, stamp=stamp)
        elif not view.recreates:
            active.reverse()
            sizes = rollout.proportional(
                [sizes_of(each) for each in active],
                replicas=view.replicas,
                surge=view.surge,
                status_replicas=view.deployment.status.replicas or 0,
            )
            for each, size in zip(active, sizes, strict=True):
                self._resize(view, each, size, stamp=stamp)

    def _resize(self, view: View, replicaset: ReplicaSet, size: int, *, stamp: str) -> None:
        before = replicaset.spec.replicas or 0
        resized = annotated(replicaset, size_annotations(view.deployment, view.surge))
        if size != before:
            resized = replace(resized, spec=replace(resized.spec, replicas=size))
        if resized is replicaset:
            return
        self._update(resized, stamp=stamp)
        if size != before:
            self._tell_scaled(view.deployment, replicaset.metadata.name, before, size, stamp)

    def _tell_scaled(
        self, deployment: Deployment, name: str, before: int, after: int, stamp: str
    ) -> None:
        way = "up" if after > before else "down"
        message = f"Scaled {way} replica set {name} from {before} to {after}"
        self._recorder.record(deployment, "Normal", "ScalingReplicaSet", message, stamp=stamp)

    # --- roll-out --------------------------------------------------------------------------------

    def _roll(self, view: View, *, stamp: str) -> View:
        deployment = view.deployment
        if view.recreates:
            scaled_down = [each for each in view.olds if each.spec.replicas]
            for each in scaled_down:
                self._resize(view, each, 0, stamp=stamp)
            if scaled_down or any(each.metadata.uid in self._running for each in view.olds):
                return self._view(deployment)
        view = self._with_new_set(view, stamp=stamp)
        new = view.new
        if new is None:
            return view
        total = sum(each.spec.replicas or 0 for each in view.sets)
        size = new.spec.replicas or 0
        wanted = (
            view.replicas
            if view.recreates
            else rollout.new_size(size, total, replicas=view.replicas, surge=view.surge)
        )
        if wanted != size:
            self._resize(view, new, wanted, stamp=stamp)
        elif not view.recreates:
            self._shrink_olds(view, new, stamp=stamp)
        view = self._view(deployment)
        if status_of.is_complete(deployment, self._counted(view, stamp)):
            self._clean_up(view, stamp=stamp)
        return view

    def _clean_up(self, view: View, *, stamp: str) -> None:
        for each in surplus_history(view.deployment, view.olds):
            self._writer.delete(each, stamp=stamp)

    def _shrink_olds(self, view: View, new: ReplicaSet, *, stamp: str) -> None:
        sizes = rollout.old_sizes(
            sizes_of(new),
            [sizes_of(each) for each in view.olds],
            replicas=view.replicas,
            unavailable=view.unavailable,
        )
        for each, size in zip(view.olds, sizes, strict=True):
            if size != (each.spec.replicas or 0):
                self._resize(view, each, size, stamp=stamp)

    def _with_new_set(self, view: View, *, stamp: str) -> View:
        """Creates the ReplicaSet of the present template, or renews the one that exists."""
        deployment = view.deployment
        revision = max((revision_of(each) for each in view.olds), default=0) + 1
        if view.new is not None:
            revision = max(revision, revision_of(view.new))
            deployment = self._renew(view, view.new, revision, stamp=stamp)
        else:
            deployment = self._create_set(view, revision, stamp=stamp)
        deployment = self._note_revision(deployment, revision, stamp=stamp)
        return self._view(deployment)

    def _renew(self, view: View, new: ReplicaSet, revision: int, *, stamp: str) -> Deployment:
        wanted = annotations_of(view.deployment, new, revision=revision, surge=view.surge)
        renewed = annotated(new, wanted)
        min_ready = view.deployment.spec.min_ready_seconds
        if (renewed.spec.min_ready_seconds or 0) != (min_ready or 0):
            renewed = replace(renewed, spec=replace(renewed.spec, min_ready_seconds=min_ready))
        if renewed is not new:
            self._update(renewed, stamp=stamp)
        if status_of.find(view.deployment.status.conditions, "Progressing") is not None:
            return view.deployment
        message = f'Found new replica set "{new.metadata.name}"'
        return self._progressing(view.deployment, "FoundNewReplicaSet", message, stamp=stamp)

    def _create_set(self, view: View, revision: int, *, stamp: str) -> Deployment:
        total = sum(each.spec.replicas or 0 for each in view.olds)
        size = (
            view.replicas
            if view.recreates
            else rollout.new_size(0, total, replicas=view.replicas, surge=view.surge)
        )
        wanted = new_replicaset(view.deployment, replicas=size, surge=view.surge, revision=revision)
        try:
            new = self._writer.create(wanted, stamp=stamp)
        except AlreadyExists:
            # Another template has this hash: the next attempt hashes with a higher count.
            self._count_collision(view.deployment, stamp=stamp)
            raise
        self._remember(new)
        if size:
            self._tell_scaled(view.deployment, new.metadata.name, 0, size, stamp)
        message = f'Created new replica set "{new.metadata.name}"'
        return self._progressing(view.deployment, "NewReplicaSetCreated", message, stamp=stamp)

    def _count_collision(self, deployment: Deployment, *, stamp: str) -> None:
        count = (deployment.status.collision_count or 0) + 1
        status = replace(deployment.status, collision_count=count)
        self._save(self._writer.update_status(replace(deployment, status=status), stamp=stamp))

    def _progressing(
        self, deployment: Deployment, reason: str, message: str, *, stamp: str
    ) -> Deployment:
        if status_of.deadline_s(deployment) is None:
            return deployment
        conditions = status_of.with_condition(
            deployment.status.conditions, "Progressing", "True", reason, message, stamp=stamp
        )
        status = replace(deployment.status, conditions=conditions)
        return self._save(
            self._writer.update_status(replace(deployment, status=status), stamp=stamp)
        )

    def _note_revision(self, deployment: Deployment, revision: int, *, stamp: str) -> Deployment:
        noted = annotated(deployment, {REVISION: str(revision)})
        if noted is deployment:
            return deployment
        return self._save(self._writer.update(noted, stamp=stamp))

    # --- status ----------------------------------------------------------------------------------

    def _counted(self, view: View, stamp: str) -> DeploymentStatus:
        return status_of.counted(
            view.deployment, view.new, view.sets, unavailable=view.unavailable, stamp=stamp
        )

    def _write_status(self, view: View, *, progress: bool, now_s: float, stamp: str) -> None:
        deployment = self._deployments.get(view.deployment.metadata.uid, view.deployment)
        view = replaced(view, deployment=deployment)
        status = self._counted(view, stamp)
        if progress:
            status = status_of.progressed(deployment, status, view.new, stamp=stamp)
            status = status_of.with_failure(status, view.new, view.sets)
        status = status_of.pause_noted(deployment, status, stamp=stamp)
        left_s = status_of.seconds_left(deployment, status, stamp=stamp) if progress else None
        if left_s is not None:
            self._dirty.mark_at(deployment.metadata.uid, now_s + max(left_s, 0.0))
        if status != deployment.status:
            self._save(self._writer.update_status(replace(deployment, status=status), stamp=stamp))

    # --- own writes are seen at once, so that one sync can go on from what it wrote ---------------

    def _save(self, deployment: Deployment) -> Deployment:
        self._deployments[deployment.metadata.uid] = deployment
        return deployment

    def _update(self, replicaset: ReplicaSet, *, stamp: str) -> None:
        self._remember(self._writer.update(replicaset, stamp=stamp))

    def _remember(self, replicaset: ReplicaSet) -> None:
        self._handle_set(replicaset, gone=False)
