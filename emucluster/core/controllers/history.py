"""Former templates of DaemonSets and StatefulSets, kept as ControllerRevisions.

kubernetes/pkg/controller/history, and getPatch of both controllers: a revision's `data` is the
strategic merge patch that brings its template back, written as Go writes it, so that
`kubectl rollout undo` knows the present one when it meets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emucluster.core.errors import AlreadyExists
from emucluster.core.objects import (
    ControllerRevision,
    DaemonSet,
    ObjectMeta,
    PodTemplateSpec,
    StatefulSet,
    replace,
)

from .podstate import controller_of, controller_ref, is_deleting
from .revisions import template_hash
from .selectors import matches
from .stamps import wall_s
from .writer import Writer

Owner = DaemonSet | StatefulSet
HASH_LABEL = "controller-revision-hash"
"""On pods; on a DaemonSet's revisions, too."""
REVISION_HASH_LABEL = "controller.kubernetes.io/hash"
"""On a StatefulSet's revisions."""
_COLLISIONS_MAX = 100


def patch_of(template: PodTemplateSpec) -> dict[str, Any]:
    """The `data` of a revision with this template.

    Keys are in order, and Go's two fields that are never left out are there.
    """
    tree = msgspec.to_builtins(template)
    tree.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    spec = tree.setdefault("spec", {})
    for field in ("containers", "ephemeralContainers", "initContainers"):
        for container in spec.get(field, ()):
            container.setdefault("resources", {})
    sorted_tree: dict[str, Any] = _sorted({"spec": {"template": {**tree, "$patch": "replace"}}})
    return sorted_tree


def _sorted(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _sorted(tree[key]) for key in sorted(tree)}
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        return [_sorted(each) for each in tree]
    return tree


def template_of(revision: ControllerRevision) -> PodTemplateSpec | None:
    """The template that a revision holds; None if somebody put something else there."""
    try:
        held = revision.data["spec"]["template"]
        return msgspec.convert({k: v for k, v in held.items() if k != "$patch"}, PodTemplateSpec)
    except (TypeError, KeyError, AttributeError, msgspec.ValidationError):
        return None


def by_revision(revisions: Mapping[str, ControllerRevision]) -> list[ControllerRevision]:
    """Oldest first; equal numbers by age, then by name."""

    def order(each: ControllerRevision) -> tuple[int, float, str]:
        meta = each.metadata
        return each.revision, wall_s(meta.creation_timestamp), meta.name

    return sorted(revisions.values(), key=order)


class History:
    """The ControllerRevisions of the owners of one kind."""

    def __init__(self, writer: Writer, kind: type[Owner]) -> None:
        self._writer, self._kind = writer, kind.kind
        self._owned: dict[str, dict[str, ControllerRevision]] = {}
        self._orphans: dict[str, dict[str, ControllerRevision]] = {}
        self._patches: dict[str, tuple[PodTemplateSpec, dict[str, Any]]] = {}
        self._settled: dict[str, tuple[PodTemplateSpec, ControllerRevision]] = {}
        """The revision of a template, as long as nothing has changed."""

    def handle(self, old: ControllerRevision | None, new: ControllerRevision | None) -> str | None:
        """A revision came, changed or went; the uid of the owner whom that concerns."""
        for each in (old, new):
            if each is not None:
                self._forget(each)
                if (controller := controller_of(each)) is not None:
                    self._settled.pop(controller.uid, None)
        some = new or old
        owner = controller_of(some) if some is not None else None
        if new is not None and (owner is None or owner.kind == self._kind):
            held = self._owned if owner is not None else self._orphans
            key = owner.uid if owner is not None else new.metadata.namespace
            held.setdefault(key, {})[new.metadata.name] = new
        return owner.uid if owner is not None and owner.kind == self._kind else None

    def _forget(self, revision: ControllerRevision) -> None:
        owner = controller_of(revision)
        held = self._owned if owner is not None else self._orphans
        key = owner.uid if owner is not None else revision.metadata.namespace
        group = held.get(key, {})
        if group.pop(revision.metadata.name, None) is not None and not group:
            del held[key]

    def drop_owner(self, uid: str) -> None:
        self._patches.pop(uid, None)
        self._settled.pop(uid, None)

    def of(self, uid: str) -> list[ControllerRevision]:
        """An owner's revisions, oldest first."""
        return by_revision(self._owned.get(uid, {}))

    def settle(
        self, owner: Owner, *, collisions: int, stamp: str
    ) -> tuple[ControllerRevision, int]:
        """The revision of the present template, and how many names had collided by then.

        It is made if there is none; one from before gets the highest number. Orphans that the
        owner selects are adopted. Raises ApiError.
        """
        self._adopt(owner, stamp=stamp)
        uid, template = owner.metadata.uid, owner.spec.template
        settled = self._settled.get(uid)
        if settled is None or settled[0] is not template:
            current, collisions = self._settle(owner, collisions, stamp=stamp)
            settled = self._settled[uid] = (template, current)
        return settled[1], collisions

    def _settle(
        self, owner: Owner, collisions: int, *, stamp: str
    ) -> tuple[ControllerRevision, int]:
        wanted = self._patch(owner)
        known = self.of(owner.metadata.uid)
        same = [each for each in known if each.data == wanted]
        if not same:
            highest = known[-1].revision if known else 0
            return self._create(owner, wanted, highest + 1, collisions, stamp=stamp)
        current = same[-1]
        if current is not known[-1]:
            renewed = replace(current, revision=known[-1].revision + 1)
            current = self._remember(self._writer.update(renewed, stamp=stamp))
        return current, collisions

    def clean_up(self, owner: Owner, live: frozenset[str], *, stamp: str) -> None:
        """Deletes the oldest beyond revisionHistoryLimit, without those whose names are `live`."""
        limit = owner.spec.revision_history_limit
        limit = 10 if limit is None else limit
        if len(self._owned.get(owner.metadata.uid, {})) - len(live) <= limit:
            return
        past = [each for each in self.of(owner.metadata.uid) if each.metadata.name not in live]
        for each in past[: max(0, len(past) - limit)]:
            self._writer.delete(each, stamp=stamp)
            self._forget(each)

    def _patch(self, owner: Owner) -> dict[str, Any]:
        template, uid = owner.spec.template, owner.metadata.uid
        known = self._patches.get(uid)
        if known is None or known[0] is not template:
            known = self._patches[uid] = (template, patch_of(template))
        return known[1]

    def _adopt(self, owner: Owner, *, stamp: str) -> None:
        if is_deleting(owner):
            return
        for each in tuple(self._orphans.get(owner.metadata.namespace, {}).values()):
            if matches(owner.spec.selector, each.metadata.labels):
                owners = (*each.metadata.owner_references, controller_ref(owner))
                metadata = replace(each.metadata, owner_references=owners)
                self._remember(self._writer.update(replace(each, metadata=metadata), stamp=stamp))

    def _create(
        self, owner: Owner, patch: dict[str, Any], number: int, collisions: int, *, stamp: str
    ) -> tuple[ControllerRevision, int]:
        while True:
            wanted = _new(owner, patch, number, collisions)
            try:
                return self._remember(self._writer.create(wanted, stamp=stamp)), collisions
            except AlreadyExists:
                # Another template, or another owner, has this hash.
                collisions += 1
                if collisions > _COLLISIONS_MAX:
                    raise

    def _remember(self, revision: ControllerRevision) -> ControllerRevision:
        self._orphans.get(revision.metadata.namespace, {}).pop(revision.metadata.name, None)
        self.handle(None, revision)
        return revision


def _new(owner: Owner, patch: dict[str, Any], number: int, collisions: int) -> ControllerRevision:
    hashed = template_hash(owner.spec.template, collisions)
    label = HASH_LABEL if isinstance(owner, DaemonSet) else REVISION_HASH_LABEL
    meta = owner.metadata
    return ControllerRevision(
        metadata=ObjectMeta(
            name=f"{meta.name[:223]}-{hashed}",
            namespace=meta.namespace,
            labels={**(owner.spec.template.metadata.labels or {}), label: hashed},
            # The cause of a change is read from here.
            annotations=meta.annotations,
            owner_references=(controller_ref(owner),),
        ),
        data=patch,
        revision=number,
    )
