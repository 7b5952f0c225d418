"""What follows from a deletion: owned objects, and the contents of namespaces.

Both classes have the shape of a controller: `handle` marks, `flush` writes, and a start feeds
them the state as ADDED events.

Sources: kubernetes pkg/controller/garbagecollector (attemptToDeleteItem,
processDeletingDependentsItem, orphanDependents) and pkg/controller/namespace/deletion.
Differs: owners are looked up in the store itself, so there are no virtual nodes and no delay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from emucluster.core.errors import ApiError
from emucluster.core.objects import Namespace, Object, OwnerReference, replace
from emucluster.core.objects.registry import BY_KIND, RESOURCES
from emucluster.core.store import Key, StoreEvent, key_of

from .admission import FOREGROUND, NAMESPACE_FINALIZER, ORPHAN, Admission


class GarbageCollector:
    """Deletes what has no owner left, holds back owners in the foreground, sets orphans free."""

    kinds: ClassVar[frozenset[str]] = frozenset(BY_KIND)

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._store = admission.store
        self._gone: dict[str, None] = {}
        self._owners: dict[str, None] = {}
        self._dependents: dict[Key, None] = {}

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        """Marks what may have to go."""
        del now_s  # nothing here takes time
        meta = event.object.metadata
        references = meta.owner_references
        if event.type == "DELETED":
            self._gone[meta.uid] = None
            self._owners.update(dict.fromkeys(reference.uid for reference in references))
            return
        if references and (event.old is None or event.old.metadata.owner_references != references):
            self._dependents[key_of(event.object)] = None
        if meta.deletion_timestamp and {FOREGROUND, ORPHAN} & set(meta.finalizers):
            self._owners[meta.uid] = None

    def flush(self, *, now_s: float, stamp: str) -> None:
        """Deletes and releases what is marked; what follows from it comes back as events."""
        del now_s
        gone, self._gone = self._gone, {}
        for uid in gone:
            self._mark(self._store.owned_by(uid))
        owners, self._owners = self._owners, {}
        for uid in owners:
            if (owner := self._store.by_uid(uid)) is not None:
                self._release_owner(owner, stamp)
        dependents, self._dependents = self._dependents, {}
        for key in dependents:
            if (obj := self._store.get(*key)) is not None:
                self._collect(obj, stamp)

    def next_wake_s(self) -> None:
        """Never by itself: only events make work."""
        return

    def _mark(self, objects: Iterable[Object]) -> None:
        self._dependents.update(dict.fromkeys(key_of(obj) for obj in objects))

    def _release_owner(self, owner: Object, stamp: str) -> None:
        """Takes the finalizer from an owner under deletion once its condition holds."""
        meta = owner.metadata
        if meta.deletion_timestamp is None:
            return
        if ORPHAN in meta.finalizers:
            for obj in self._store.owned_by(meta.uid):
                self._drop_owners(obj, {meta.uid})
            self._drop_finalizer(owner, ORPHAN)
        elif FOREGROUND in meta.finalizers:
            for obj in self._store.owned_by(meta.uid):
                self._collect(obj, stamp)
            if not any(_blocks(obj, meta.uid) for obj in self._store.owned_by(meta.uid)):
                self._drop_finalizer(owner, FOREGROUND)

    def _collect(self, obj: Object, stamp: str) -> None:
        """Deletes an object whose owners are all gone or wait for it to go."""
        meta = obj.metadata
        if meta.deletion_timestamp is not None:
            return
        absent, waiting = set[str](), set[str]()
        for reference in meta.owner_references:
            owner = self._owner(reference, meta.namespace)
            if owner is None:
                absent.add(reference.uid)
            elif owner.metadata.deletion_timestamp and FOREGROUND in owner.metadata.finalizers:
                waiting.add(reference.uid)
        if not absent and not waiting:
            return
        if len(absent | waiting) < len({ref.uid for ref in meta.owner_references}):
            self._drop_owners(obj, absent | waiting)
            return
        in_foreground = bool(waiting) and any(
            _blocks(below, meta.uid) for below in self._store.owned_by(meta.uid)
        )
        propagation = "Foreground" if in_foreground else "Background"
        try:
            self._admission.delete(*key_of(obj), stamp=stamp, uid=meta.uid, propagation=propagation)
        except ApiError:  # a namespace that may not be deleted
            return

    def _owner(self, reference: OwnerReference, namespace: str) -> Object | None:
        """The owner, if it is there and of the same namespace or of none."""
        owner = self._store.by_uid(reference.uid)
        if owner is None or owner.metadata.namespace not in ("", namespace):
            return None
        same = (owner.kind, owner.metadata.name) == (reference.kind, reference.name)
        return owner if same else None

    def _drop_owners(self, obj: Object, uids: set[str]) -> None:
        references = tuple(r for r in obj.metadata.owner_references if r.uid not in uids)
        self._store.update(
            replace(obj, metadata=replace(obj.metadata, owner_references=references))
        )

    def _drop_finalizer(self, obj: Object, finalizer: str) -> None:
        finalizers = tuple(name for name in obj.metadata.finalizers if name != finalizer)
        self._store.update(replace(obj, metadata=replace(obj.metadata, finalizers=finalizers)))


def _blocks(obj: Object, uid: str) -> bool:
    return any(
        reference.uid == uid and reference.block_owner_deletion
        for reference in obj.metadata.owner_references
    )


_FIRST = ("Deployment", "ReplicaSet")  # otherwise they would replace the pods that go
_CONTENTS = (
    *_FIRST,
    *(row.kind for row in RESOURCES if row.namespaced and row.kind not in _FIRST),
)


class NamespaceLifecycle:
    """Empties namespaces that terminate, and lets them go when nothing is left in them."""

    kinds: ClassVar[frozenset[str]] = frozenset(BY_KIND)

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._store = admission.store
        self._terminating: set[str] = set()
        self._dirty: dict[str, None] = {}

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        """Marks a namespace that terminates, and one whose contents change."""
        del now_s
        meta = event.object.metadata
        if isinstance(event.object, Namespace):
            if event.type == "DELETED":
                self._terminating.discard(meta.name)
            elif meta.deletion_timestamp is not None:
                self._terminating.add(meta.name)
                self._dirty[meta.name] = None
        elif meta.namespace in self._terminating and event.type != "MODIFIED":
            self._dirty[meta.namespace] = None

    def flush(self, *, now_s: float, stamp: str) -> None:
        """Deletes contents; pods take their grace period, finalizers their time."""
        del now_s
        dirty, self._dirty = self._dirty, {}
        for name in dirty:
            namespace = self._store.get(Namespace, "", name)
            if namespace is not None and namespace.metadata.deletion_timestamp is not None:
                self._empty(namespace, stamp)

    def next_wake_s(self) -> None:
        """Never by itself: only events make work."""
        return

    def _empty(self, namespace: Namespace, stamp: str) -> None:
        name = namespace.metadata.name
        for kind in _CONTENTS:
            for obj in self._store.list(kind, name):
                if obj.metadata.deletion_timestamp is None:
                    self._admission.delete(*key_of(obj), stamp=stamp, uid=obj.metadata.uid)
        if any(True for kind in _CONTENTS for _ in self._store.list(kind, name)):
            return
        finalizers = tuple(f for f in namespace.spec.finalizers if f != NAMESPACE_FINALIZER)
        spec = replace(namespace.spec, finalizers=finalizers)
        self._store.update(replace(namespace, spec=spec), subresource="finalize")
