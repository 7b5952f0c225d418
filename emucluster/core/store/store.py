"""The API's objects in memory: the one truth of the cluster's belief, without any I/O.

Objects are frozen; a write replaces one. Every write gets the next number of one counter, which
is the object's resourceVersion and the event's version. Nothing here waits: whoever answers a
request or feeds a watcher waits until the batch with that version is on disk (`take_pending`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import msgspec

from emucluster.core.errors import AlreadyExists, BadRequest, Conflict, NotFound
from emucluster.core.objects import CustomResourceDefinition, Object, Pod, replace
from emucluster.core.objects.codec import decode_custom, encode_json
from emucluster.core.objects.kinds import Kinds
from emucluster.core.objects.registry import BY_KIND, Resource

from .deletion import is_over, mark
from .fields import FieldRequirement, parse_fields
from .indices import Indices
from .keys import Key, OrderedKeys, key_of
from .revisions import Subresource, counted, has_status, is_counted, revise
from .selectors import EVERYTHING, Selector, parse_labels
from .window import EventType, StoreEvent, Window

O = TypeVar("O", bound=Object)  # noqa: E741

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Row:
    """An object as it is kept on disk; `json` is None when it is to be removed."""

    key: Key
    version: int
    json: bytes | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to be committed together with the counter, so that no version is given out twice."""

    rows: tuple[Row, ...]
    version: int

    def __bool__(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.rows)


class Store:
    """Objects by kind, namespace and name, their indices, and the latest events.

    `kinds` tells which there are. Where a kind is asked for, the name of a built-in one means
    itself, and `Widget.example.com` one that a CustomResourceDefinition in the store brings.
    """

    def __init__(
        self,
        *,
        ids: random.Random,
        version: int = 0,
        window_events: int = 10_000,
        window_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """An empty store.

        Args:
            ids: source of uids; never seed it twice alike for one set of data.
            version: the last version given out so far.
            window_events: how many events are held for watchers; older ones are Gone.
            window_bytes: how many bytes of events, by estimate, are held at most.
        """
        self._ids = ids
        self._version = version
        self.kinds = Kinds()
        self._objects: dict[str, dict[Key, Object]] = {kind: {} for kind in BY_KIND}
        self._indices = Indices()
        self._limits = (window_events, window_bytes)
        self._window = Window(version=version, max_events=window_events, max_bytes=window_bytes)
        self._pending: dict[Key, Row] = {}
        self._on_removal: list[Callable[[Object], None]] = []

    @property
    def version(self) -> int:
        """The last version given out."""
        return self._version

    # --- reading ---------------------------------------------------------------------------------

    def count(self, kind: str) -> int:
        """How many objects of this kind there are."""
        return len(self._objects.get(kind, ()))

    def holds(self, kind: str, namespace: str) -> bool:
        """Whether a namespace has any object of this kind."""
        return bool(self._indices.namespaces.get((kind, namespace)))

    @overload
    def get(self, kind: type[O], namespace: str, name: str) -> O | None: ...
    @overload
    def get(self, kind: str, namespace: str, name: str) -> Object | None: ...
    def get(self, kind: str | type[Object], namespace: str, name: str) -> Object | None:
        """The object, or None. `namespace` is "" for Nodes and Namespaces."""
        kind = self._kind(kind)
        return self._objects[kind].get((kind, namespace, name))

    @overload
    def list(
        self,
        kind: type[O],
        namespace: str | None = None,
        *,
        label_selector: str | Selector = "",
        field_selector: str = "",
    ) -> Iterator[O]: ...
    @overload
    def list(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str | Selector = "",
        field_selector: str = "",
    ) -> Iterator[Object]: ...
    def list(
        self,
        kind: str | type[Object],
        namespace: str | None = None,
        *,
        label_selector: str | Selector = "",
        field_selector: str = "",
    ) -> Iterator[Any]:
        """The objects of a kind as they are now, oldest first; writes meanwhile do not disturb.

        Args:
            kind: its name or its class.
            namespace: only this one; None or "" for all.
            label_selector: as `kubectl -l`; raises BadRequest when it cannot be read.
            field_selector: as `kubectl --field-selector`.
        """
        kind = self._kind(kind)
        labels = (
            label_selector if isinstance(label_selector, Selector) else parse_labels(label_selector)
        )
        fields = (
            parse_fields(self.kinds.get(kind) or kind, field_selector) if field_selector else ()
        )
        objects = self._objects[kind]
        keys = self.candidates(kind, namespace, labels, fields)
        found = objects.values() if keys is None else [objects[key] for key in keys]
        if namespace:
            found = [obj for obj in found if obj.metadata.namespace == namespace]
        if labels is not EVERYTHING:
            found = [obj for obj in found if labels.matches(obj.metadata.labels)]
        if fields:
            found = [obj for obj in found if all(field.matches(obj) for field in fields)]
        return iter(tuple(found))

    def candidates(
        self,
        kind: str,
        namespace: str | None,
        labels: Selector,
        fields: Sequence[FieldRequirement],
    ) -> Collection[Key] | None:
        """The smallest group of keys that an index has for a query; None: no index helps.

        All that the query wants is among them. To be read only, and not while writing.
        """
        groups: list[Collection[Key]] = [
            self._indices.labels.get((kind, *pair)) for pair in labels.pairs()
        ]
        for field in fields:
            if field.negated:
                continue
            if field.field == "spec.nodeName" and field.value:
                groups.append(self._indices.nodes.get(field.value))
            elif field.field == "metadata.namespace" and field.value:
                groups.append(self._indices.namespaces.get((kind, field.value)))
            elif field.field == "metadata.name" and (namespace or not self._namespaced(kind)):
                key = (kind, namespace or "", field.value)
                groups.append((key,) if key in self._objects[kind] else ())
        if namespace:
            groups.append(self._indices.namespaces.get((kind, namespace)))
        return min(groups, key=len, default=None)

    def _namespaced(self, kind: str) -> bool:
        row = self.kinds.get(kind)
        return row is None or row.namespaced

    def objects(self, kind: str) -> Mapping[Key, Object]:
        """All objects of a kind by key, oldest first; to be read only, and not while writing."""
        return self._objects[self._kind(kind)]

    def ordered(self, kind: str) -> OrderedKeys:
        """The keys of a kind by namespace and name."""
        return self._indices.ordered.setdefault(kind, OrderedKeys())

    def pods_on(self, node_name: str) -> Iterator[Pod]:
        """The pods bound to a node, in the order in which they were bound."""
        pods = self._objects["Pod"]
        found = tuple(pods[key] for key in self._indices.nodes.get(node_name))
        return (pod for pod in found if isinstance(pod, Pod))

    def owned_by(self, uid: str) -> Iterator[Object]:
        """The objects, of any kind, that name this uid among their owner references."""
        keys = self._indices.owners.get(uid)
        return iter(tuple(self._objects[key[0]][key] for key in keys))

    def by_uid(self, uid: str) -> Object | None:
        """The object with this uid, or None."""
        key = self._indices.uids.get(uid)
        return None if key is None else self._objects[key[0]][key]

    def events_since(self, version: int, *, until: int | None = None) -> Sequence[StoreEvent]:
        """The changes after `version`, oldest first, without those after `until`. Raises Gone.

        A watcher outside the process passes the durable version as `until`.
        """
        events = self._window.since(version, latest=self._version)
        if until is None or not events or events[-1].version <= until:
            return events
        return [event for event in events if event.version <= until]

    def on_removal(self, callback: Callable[[Object], None]) -> None:
        """Has `callback` called with each object, as it was last, right when it is removed."""
        self._on_removal.append(callback)

    def check(self, old: Object, *, version: str | None, uid: str | None) -> None:
        """Raises Conflict when an object is not the one, or the version, that was expected."""
        metadata, plural = old.metadata, self._plural(old.kind_key)
        if uid is not None and uid != metadata.uid:
            why = f"UID in precondition: {uid}, UID in object meta: {metadata.uid}"
            raise Conflict.of(plural, metadata.name, f"Precondition failed: {why}")
        if version is not None and version != metadata.resource_version:
            raise Conflict.of(plural, metadata.name)

    # --- writing ---------------------------------------------------------------------------------

    def create(self, obj: O, *, stamp: str, dry_run: bool = False) -> O:
        """Adds an object, with a new uid, creation time, version and generation 1.

        With `dry_run` only returns what it would be, without a version. Raises AlreadyExists.
        Nothing else is checked: that is admission's part.
        """
        key = key_of(obj)
        if key in self._objects[self._kind(key[0])]:
            raise AlreadyExists.of(self._plural(key[0]), key[2])
        metadata = replace(
            obj.metadata,
            uid=self._uid(),
            creation_timestamp=stamp,
            deletion_timestamp=None,
            deletion_grace_period_seconds=None,
            generation=1 if is_counted(obj) else None,
        )
        made = replace(obj, metadata=metadata)
        return made if dry_run else self._write("ADDED", made, None)

    def update(
        self,
        obj: O,
        *,
        expect: str | None = None,
        subresource: Subresource = "",
        dry_run: bool = False,
    ) -> O:
        """Replaces an object, and returns it as it is now.

        An update that changes nothing writes nothing. A main update keeps status, one of "status"
        keeps all but status, one of "finalize" sets a namespace's metadata and its
        spec.finalizers, and one of "replace", which is admission's own, sets spec and status
        together. The last finalizer taken from an object that is being deleted removes it.

        Args:
            obj: what it shall be; system fields of its metadata are ignored.
            expect: the resourceVersion that the change is based on; None: whatever is there.
            subresource: which part is meant.
            dry_run: only return what it would be, with the present version.

        Raises NotFound; Conflict when the version or a uid in `obj` is another.
        """
        old = self._current(obj)
        self.check(old, version=expect, uid=obj.metadata.uid or None)
        row = self._row(obj)
        if subresource == "status" and not has_status(obj, row):
            raise NotFound("the server could not find the requested resource")
        new = revise(old, obj, subresource, row)
        if new == old:
            return old
        if dry_run:
            return new
        if is_over(new):
            return self._write("DELETED", new, old)
        return self._write("MODIFIED", new, old)

    def revised(self, obj: O, *, subresource: Subresource = "") -> O:
        """What `update` would make of the object; the present one, itself, if nothing changes."""
        old = self._current(obj)
        new = revise(old, obj, subresource, self._row(obj))
        return old if new == old else new

    def delete(
        self,
        kind: str | type[Object],
        namespace: str,
        name: str,
        *,
        stamp: str,
        grace_period_s: int | None = None,
        uid: str | None = None,
        expect: str | None = None,
        add_finalizers: Sequence[str] = (),
        dry_run: bool = False,
    ) -> Object:
        """Removes an object, or marks it when finalizers or a pod's grace period hold it.

        Args:
            stamp: now; a pod's deletionTimestamp is its grace period later.
            grace_period_s: for pods; None: what its spec says. 0 removes at once.
            uid, expect: preconditions.
            add_finalizers: set on the object before, e.g. `foregroundDeletion`.
            dry_run: only return what would be left of it.

        Returns the object as marked or as it was last. Raises NotFound, Conflict.
        """
        kind = self._kind(kind)
        old = self._objects[kind].get((kind, namespace, name))
        if old is None:
            raise NotFound.of(self._plural(kind), name)
        self._check_preconditions(old, version=expect, uid=uid)
        held = old
        if add_finalizers and old.metadata.deletion_timestamp is None:
            names = tuple(dict.fromkeys((*old.metadata.finalizers, *add_finalizers)))
            held = replace(old, metadata=replace(old.metadata, finalizers=names))
        marked = mark(held, stamp=stamp, requested_s=grace_period_s)
        if marked is None:
            return old if dry_run else self._write("DELETED", old, old)
        if marked is old:
            return old
        marked = replace(marked, metadata=counted(marked))
        return marked if dry_run else self._write("MODIFIED", marked, old)

    def _check_preconditions(self, old: Object, *, version: str | None, uid: str | None) -> None:
        """Source: k8s.io/apiserver pkg/registry/rest/delete.go, BeforeDelete."""
        metadata, plural = old.metadata, self._plural(old.kind_key)
        why = "the {} in the precondition ({}) does not match the {} in record ({}). {}"
        if uid is not None and uid != metadata.uid:
            what = "The object might have been deleted and then recreated"
            text = why.format("UID", uid, "UID", metadata.uid, what)
            raise Conflict.of(plural, metadata.name, text)
        if version is not None and version != metadata.resource_version:
            what, name = "The object might have been modified", "ResourceVersion"
            text = why.format(name, version, name, metadata.resource_version, what)
            raise Conflict.of(plural, metadata.name, text)

    def _current(self, obj: O) -> O:
        key = key_of(obj)
        old = self._objects[self._kind(key[0])].get(key)
        if old is None:
            raise NotFound.of(self._plural(key[0]), key[2])
        assert isinstance(old, type(obj))
        return old

    def _write(self, event_type: EventType, obj: O, old: Object | None) -> O:
        self._version += 1
        metadata = replace(obj.metadata, resource_version=str(self._version))
        obj = replace(obj, metadata=metadata)
        key = key_of(obj)
        objects = self._objects[key[0]]
        if event_type == "DELETED":
            assert old is not None
            del objects[key]
            self._indices.remove(old)
            for callback in self._on_removal:
                callback(old)
        else:
            objects[key] = obj
            if old is None:
                self._indices.add(obj)
            else:
                self._indices.change(old, obj)
        if isinstance(obj, CustomResourceDefinition):
            self._define(obj, gone=event_type == "DELETED")
        json = encode_json(obj)
        self._window.append(StoreEvent(self._version, event_type, key[0], obj, old, json))
        # Later writes of one batch win, so that a row is written once for a commit.
        self._pending.pop(key, None)
        self._pending[key] = Row(key, self._version, None if event_type == "DELETED" else json)
        return obj

    def _define(self, definition: CustomResourceDefinition, *, gone: bool = False) -> None:
        if gone:
            self.kinds.undefine(definition.metadata.name)
        else:
            self.kinds.define(definition)
        for row in self.kinds.stored():
            self._objects.setdefault(row.kind_key, {})

    def _kind(self, kind: str | type[Object]) -> str:
        """The key of a kind that is served. Raises BadRequest."""
        key = kind if isinstance(kind, str) else kind.kind
        if self.kinds.get(key) is None:
            raise BadRequest(f'no matches for kind "{key}"')
        return key

    def _row(self, obj: Object) -> Resource:
        row = self.kinds.of(obj)
        assert row is not None
        return row

    def _plural(self, kind_key: str) -> str:
        """What messages call a kind; of one that is not served any more, its key."""
        row = self.kinds.get(kind_key)
        return kind_key if row is None else row.qualified_plural

    def _uid(self) -> str:
        """A random (version 4) UUID of RFC 9562."""
        bits = self._ids.getrandbits(128)
        bits = bits & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
        text = f"{bits:032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    # --- durability ------------------------------------------------------------------------------

    def take_pending(self) -> Batch:
        """What was written since it was last called, each object once, and the counter.

        False (`not batch`) when nothing was written.
        """
        batch = Batch(tuple(self._pending.values()), self._version)
        self._pending = {}
        return batch

    def restore(self, rows: Iterable[Row], version: int) -> None:
        """Replaces everything by what was on disk; watchers' cursors from before are Gone.

        Specs of pods that differ only in their node are shared again.
        """
        decoders = {kind: msgspec.json.Decoder(row.cls) for kind, row in BY_KIND.items()}
        self.kinds.forget_custom()
        self._objects = {kind: {} for kind in BY_KIND}
        self._indices = Indices()
        self._pending = {}
        self._version = version
        self._window = Window(
            version=version, max_events=self._limits[0], max_bytes=self._limits[1]
        )
        specs: dict[bytes, Any] = {}
        for row in sorted(rows, key=lambda row: row.version):
            if row.json is None:
                continue
            decoder = decoders.get(row.key[0])
            obj: Object = decode_custom(row.json) if decoder is None else decoder.decode(row.json)
            if isinstance(obj, Pod):
                obj = _interned(obj, specs)
            elif isinstance(obj, CustomResourceDefinition):
                self._define(obj)
            self._objects.setdefault(row.key[0], {})[row.key] = obj
            self._indices.add(obj)


def _interned(pod: Pod, specs: dict[bytes, Any]) -> Pod:
    unbound = replace(pod.spec, node_name=None)
    shared = specs.setdefault(_encode(unbound), unbound)
    return replace(pod, spec=replace(shared, node_name=pod.spec.node_name))
