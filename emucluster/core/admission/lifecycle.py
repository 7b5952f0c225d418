"""What follows from a deletion: owned objects, and the contents of namespaces.

Both classes have the shape of a controller: `handle` marks, `flush` writes, and a start feeds
them the state as ADDED events.

Sources: kubernetes pkg/controller/garbagecollector (attemptToDeleteItem,
classifyReferences, isDangling, processDeletingDependentsItem, orphanDependents) and
pkg/controller/namespace/deletion.
Differs: owners are looked up in the store itself, so there are no virtual nodes and no delay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from emucluster.core.errors import ApiError
from emucluster.core.objects import Namespace, Object, OwnerReference, replace
from emucluster.core.objects.registry import Resource
from emucluster.core.store import Key, StoreEvent, key_of

from .admission import FOREGROUND, ORPHAN, Admission
from .namespace_conditions import FINALIZERS_S, remains, with_conditions
from .preparation import NAMESPACE_FINALIZER

EVERY_KIND = frozenset(("*",))
"""In place of kinds: all of them, also those that definitions bring."""


ABSENT_MAX = 500
"""So many owners that were seen to go are remembered (absentOwnerCache)."""


class _Owner(NamedTuple):
    """Who an owner is; not by its version, of which a kind may have several."""

    uid: str
    group: str
    kind: str
    namespace: str
    name: str


class _UnknownOwner(Exception):
    """Nobody can say whether an owner is there; `retry` once other kinds are served."""

    def __init__(self, *, retry: bool) -> None:
        super().__init__()
        self.retry = retry


class GarbageCollector:
    """Deletes what has no owner left, holds back owners in the foreground, sets orphans free.

    An object that names an owner of a kind that is not served is left alone until the kind is: the
    owner may be there. Only one that was seen to go is known to be gone without its kind.
    """

    kinds: ClassVar[frozenset[str]] = EVERY_KIND

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._store = admission.store
        self._gone: dict[str, _Owner] = {}
        self._owners: dict[str, None] = {}
        self._dependents: dict[Key, None] = {}
        self._absent: OrderedDict[_Owner, None] = OrderedDict()
        self._unmapped: dict[Key, None] = {}
        """What names an owner of a kind that is not served."""
        self._kind_changes = admission.store.kinds.changes

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        """Marks what may have to go."""
        del now_s  # nothing here takes time
        meta = event.object.metadata
        references = meta.owner_references
        if event.type == "DELETED":
            self._gone[meta.uid] = _identity(event.object)
            self._unmapped.pop(key_of(event.object), None)
            self._owners.update(dict.fromkeys(reference.uid for reference in references))
            return
        if references and (event.old is None or event.old.metadata.owner_references != references):
            self._dependents[key_of(event.object)] = None
        if meta.deletion_timestamp and {FOREGROUND, ORPHAN} & set(meta.finalizers):
            self._owners[meta.uid] = None

    def flush(self, *, now_s: float, stamp: str) -> None:
        """Deletes and releases what is marked; what follows from it comes back as events."""
        del now_s
        if self._kind_changes != self._store.kinds.changes:
            self._kind_changes = self._store.kinds.changes
            self._dependents.update(self._unmapped)
            self._unmapped.clear()
        gone, self._gone = self._gone, {}
        for uid, owner in gone.items():
            if owned := tuple(self._store.owned_by(uid)):
                self._absent[owner] = None
                self._mark(owned)
        owners, self._owners = self._owners, {}
        for uid in owners:
            if (found := self._store.by_uid(uid)) is not None:
                self._release_owner(found, stamp)
        dependents, self._dependents = self._dependents, {}
        for key in dependents:
            served = self._store.kinds.get(key[0]) is not None
            if served and (obj := self._store.get(*key)) is not None:
                self._collect(obj, stamp)
        while len(self._absent) > ABSENT_MAX:
            self._absent.popitem(last=False)

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
            if not any(
                _blocks(obj, meta.uid) and not self._waits(obj, meta.uid)
                for obj in self._store.owned_by(meta.uid)
            ):
                self._drop_finalizer(owner, FOREGROUND)

    def _waits(self, obj: Object, uid: str) -> bool:
        """Whether an object under deletion waits, in the end, for the one with this uid.

        Owners that own one another would wait for ever (kubernetes
        pkg/controller/garbagecollector, attemptToDeleteItem, unblocks them too).
        """
        pending, seen = [obj], set[str]()
        while pending:
            meta = pending.pop().metadata
            if meta.uid == uid:
                return True
            if meta.deletion_timestamp is None or meta.uid in seen:
                continue
            seen.add(meta.uid)
            if FOREGROUND in meta.finalizers:
                below = self._store.owned_by(meta.uid)
                pending.extend(each for each in below if _blocks(each, meta.uid))
        return False

    def _collect(self, obj: Object, stamp: str) -> None:
        """Deletes an object whose owners are all gone or wait for it to go."""
        meta = obj.metadata
        if meta.deletion_timestamp is not None:
            return
        absent, waiting = set[str](), set[str]()
        try:
            owners = [(ref.uid, self._owner(ref, meta.namespace)) for ref in meta.owner_references]
        except _UnknownOwner as unknown:
            if unknown.retry:
                self._unmapped[key_of(obj)] = None
            return
        for uid, owner in owners:
            if owner is None:
                absent.add(uid)
            elif owner.metadata.deletion_timestamp and FOREGROUND in owner.metadata.finalizers:
                waiting.add(uid)
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
        """The owner, if it is there and of the same namespace or of none; None: it is gone.

        Raises _UnknownOwner where that cannot be told: its kind is not served, or it has a
        namespace and the object has none.
        """
        group = reference.api_version.rpartition("/")[0]
        for place in ("", namespace):
            who = _Owner(reference.uid, group, reference.kind, place, reference.name)
            if who in self._absent:
                return None
        row = self._store.kinds.named(reference.api_version, reference.kind)
        if row is None:
            raise _UnknownOwner(retry=True)
        if row.namespaced and not namespace:
            raise _UnknownOwner(retry=False)
        owner = self._store.by_uid(reference.uid)
        if owner is None:
            return None
        at = (row.kind_key, namespace if row.namespaced else "", reference.name)
        return owner if key_of(owner) == at else None

    def _drop_owners(self, obj: Object, uids: set[str]) -> None:
        references = tuple(r for r in obj.metadata.owner_references if r.uid not in uids)
        self._store.update(
            replace(obj, metadata=replace(obj.metadata, owner_references=references))
        )

    def _drop_finalizer(self, obj: Object, finalizer: str) -> None:
        finalizers = tuple(name for name in obj.metadata.finalizers if name != finalizer)
        self._store.update(replace(obj, metadata=replace(obj.metadata, finalizers=finalizers)))


def _identity(obj: Object) -> _Owner:
    meta = obj.metadata
    group = obj.api_version.rpartition("/")[0]
    return _Owner(meta.uid, group, obj.kind, meta.namespace, meta.name)


def _blocks(obj: Object, uid: str) -> bool:
    return any(
        reference.uid == uid and reference.block_owner_deletion
        for reference in obj.metadata.owner_references
    )


_FIRST = ("CronJob", "Job", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
"""Otherwise they would replace the pods that go."""


class NamespaceLifecycle:
    """Empties namespaces that terminate, and lets them go when nothing is left in them.

    Their conditions tell what is left. As there, it is counted at the beginning and when it should
    have become less, not at each object that goes: a namespace may have thousands.
    """

    kinds: ClassVar[frozenset[str]] = EVERY_KIND

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._store = admission.store
        self._terminating: set[str] = set()
        self._dirty: dict[str, None] = {}
        self._smaller: dict[str, None] = {}
        """Namespaces that something has left, and may be empty now."""
        self._again_s: dict[str, float] = {}
        """When to look again at namespaces in which something is left."""

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        """Marks a namespace that terminates, and one whose contents change."""
        del now_s
        meta = event.object.metadata
        if isinstance(event.object, Namespace):
            if event.type == "DELETED":
                self._terminating.discard(meta.name)
                self._again_s.pop(meta.name, None)
            elif meta.deletion_timestamp is not None:
                self._terminating.add(meta.name)
                self._dirty[meta.name] = None
        elif meta.namespace in self._terminating and event.type != "MODIFIED":
            marked = self._smaller if event.type == "DELETED" else self._dirty
            marked[meta.namespace] = None

    def flush(self, *, now_s: float, stamp: str) -> None:
        """Deletes contents; pods take their grace period, finalizers their time."""
        dirty, self._dirty = self._dirty, {}
        smaller, self._smaller = self._smaller, {}
        dirty |= dict.fromkeys(name for name, at_s in self._again_s.items() if at_s <= now_s)
        for name in dirty:
            if self._terminates(name) is not None:
                self._empty(name, stamp)
        for name in {**dirty, **smaller}:
            namespace = self._terminates(name)
            if namespace is None:
                self._again_s.pop(name, None)
                continue
            empty = not any(self._store.holds(row.kind_key, name) for row in self._rows())
            if empty or name in dirty:
                self._tell(namespace, now_s=now_s, stamp=stamp)
            if empty:
                self._let_go(name)

    def _terminates(self, name: str) -> Namespace | None:
        """The namespace, if it is under deletion."""
        namespace = self._store.get(Namespace, "", name)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return None
        return namespace

    def next_wake_s(self) -> float | None:
        """When to look again at what should have become less by then."""
        return min(self._again_s.values(), default=None)

    def _rows(self) -> list[Resource]:
        return [row for row in self._store.kinds.stored() if row.namespaced]

    def _empty(self, name: str, stamp: str) -> None:
        kinds = [row.kind_key for row in self._rows()]
        for kind in (*_FIRST, *(kind for kind in kinds if kind not in _FIRST)):
            for obj in self._store.list(kind, name):
                if obj.metadata.deletion_timestamp is None:
                    self._admission.delete(*key_of(obj), stamp=stamp, uid=obj.metadata.uid)

    def _tell(self, namespace: Namespace, *, now_s: float, stamp: str) -> None:
        """Has the status say what is left, and looks again when that should be less."""
        name = namespace.metadata.name
        found = remains(self._store, self._rows(), namespace, stamp)
        if found.resources:
            self._again_s[name] = now_s + (found.estimate_s or FINALIZERS_S) // 2 + 1
        else:
            self._again_s.pop(name, None)
        told = with_conditions(namespace, found, stamp)
        self._store.update(told, subresource="status")

    def _let_go(self, name: str) -> None:
        """Takes the namespace's own finalizer: nothing is left in it."""
        namespace = self._terminates(name)
        assert namespace is not None
        finalizers = tuple(f for f in namespace.spec.finalizers if f != NAMESPACE_FINALIZER)
        spec = replace(namespace.spec, finalizers=finalizers)
        self._store.update(replace(namespace, spec=spec), subresource="finalize")
