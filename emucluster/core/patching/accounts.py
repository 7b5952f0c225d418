"""Who manages which field, for objects as the store has them.

`managed` does it for trees; here only what differs is made into trees, and pods that come in great
numbers from one template share one set of fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from emucluster.core.objects import CustomObject, ManagedFieldsEntry, Object, Pod, codec
from emucluster.core.schemas.schema import Schema

from .fieldset import FieldSet
from .managed import fields_at_creation, ignored_by, note_update
from .managers import Managers, updater
from .trees import Tree

O = TypeVar("O", bound=Object)  # noqa: E741

_encode = msgspec.json.Encoder().encode


class CreatedPods:
    """Sets of fields of pods that were created, by what decides them.

    A pod's fields follow from its spec and the names in its metadata; the pods of one template or
    script differ in their own name only.
    """

    LIMIT = 256
    LONGEST = 8 * 1024
    """Bytes of a spec; longer ones are not kept."""

    def __init__(self) -> None:
        self._fields: dict[Any, FieldSet] = {}

    def of(self, pod: Pod, schema: Schema) -> FieldSet:
        """The fields that whoever creates this pod owns."""
        spec, meta = _encode(pod.spec), pod.metadata
        if len(spec) > self.LONGEST or meta.owner_references:
            return fields_at_creation(codec.to_tree(pod), schema, has_status=True)
        key = (
            spec,
            tuple(meta.labels or ()),
            tuple(meta.annotations or ()),
            meta.finalizers,
            bool(meta.generate_name),
        )
        found = self._fields.get(key)
        if found is None:
            if len(self._fields) >= self.LIMIT:
                self._fields.clear()
            found = self._fields[key] = fields_at_creation(
                codec.to_tree(pod), schema, has_status=True
            )
        return found


@dataclass(slots=True)
class Account:
    """One write that is no apply: to be called with the object before it and after it.

    Attributes:
        manager: who writes.
        stamp: the time, RFC 3339 in seconds.
        schema: of the object's kind.
        has_status: the kind's status is written through its subresource only.
        subresource: `status`, `scale`, or "" for the object itself.
        sent: the managedFields in the client's object as JSON, None if there are none.
        created: the fields of pods that were created before.
    """

    manager: str
    stamp: str
    schema: Schema
    has_status: bool
    subresource: str = ""
    sent: Any = None
    created: CreatedPods = field(default_factory=CreatedPods)

    def __call__(self, old: O | None, new: O) -> O:
        """The new object with its managers; `old` None: it is created."""
        managers = self._managers(old)
        if old is None and not managers.owned and isinstance(new, Pod):
            fields = self.created.of(new, self.schema)
            managers.give(self._updater(new), fields, new.api_version, self.stamp)
        elif old is None or managers.owned:
            before, after = _difference(old, new)
            ignored = ignored_by(self.subresource, self.has_status)
            note_update(
                managers, before, after, self._updater(new), self.stamp, self.schema, ignored
            )
            managers.cap()
        return settled(old, _with(new, managers))

    def _updater(self, obj: Object) -> Any:
        return updater(self.manager, obj.api_version, self.subresource)

    def _managers(self, old: Object | None) -> Managers:
        entries = () if old is None else old.metadata.managed_fields
        present = Managers.read(entries_of(entries))
        if self.subresource or self.sent is None:
            return present
        if self.sent in ([], [{}]):
            return Managers()
        given = Managers.read(self.sent)
        return given if given.owned else present


def entries_of(entries: Sequence[ManagedFieldsEntry]) -> list[Tree]:
    """Entries of managedFields as JSON has them."""
    return [
        {
            name: value
            for name, value in zip(_NAMES, msgspec.structs.astuple(e), strict=True)
            if value
        }
        for e in entries
    ]


_NAMES = tuple(f.encode_name for f in msgspec.structs.fields(ManagedFieldsEntry))


def settled(old: O | None, new: O) -> O:
    """The new object; if all that it changes are times of managers, with those of the old one.

    Source: k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager/equality.go.
    """
    if old is None:
        return new
    was, now = old.metadata.managed_fields, new.metadata.managed_fields
    if was == now or _timeless(was) != _timeless(now):
        return new
    same = replace(new, metadata=replace(new.metadata, managed_fields=was))
    return same if same == old else new


def _timeless(entries: tuple[ManagedFieldsEntry, ...]) -> list[ManagedFieldsEntry]:
    return sorted(
        (replace(entry, time=None) for entry in entries),
        key=lambda e: (
            e.operation or "",
            e.manager or "",
            e.api_version or "",
            e.subresource or "",
        ),
    )


def _with(obj: O, managers: Managers) -> O:
    entries = tuple(msgspec.convert(entry, ManagedFieldsEntry) for entry in managers.encode())
    return replace(obj, metadata=replace(obj.metadata, managed_fields=entries))


def _difference(old: Object | None, new: Object) -> tuple[Tree, Tree]:
    """Both objects as trees, without the parts in which they are equal."""
    if old is None:
        return {}, codec.to_tree(new)
    before: Tree = {}
    after: Tree = {}
    one, other = (replace(o.metadata, managed_fields=()) for o in (old, new))
    if one != other:
        before["metadata"], after["metadata"] = _tree(one), _tree(other)
    for name, key in _parts(type(new)):
        was, now = getattr(old, name), getattr(new, name)
        if was is not now and was != now:
            for value, into in ((was, before), (now, after)):
                if value is not None:
                    into[key] = _tree(value)
    if isinstance(old, CustomObject) and isinstance(new, CustomObject):
        was, now = old.content, new.content
        same = {key for key in was if key in now and was[key] == now[key]}
        before |= {key: value for key, value in was.items() if key not in same}
        after |= {key: value for key, value in now.items() if key not in same}
    return before, after


@cache
def _parts(cls: type[Object]) -> tuple[tuple[str, str], ...]:
    """Attributes of a kind besides its metadata, with their JSON names."""
    rest = (f for f in msgspec.structs.fields(cls) if f.name not in _NO_PARTS)
    return tuple((f.name, f.encode_name) for f in rest)


_NO_PARTS = frozenset(("api_version", "content", "kind", "metadata"))


def _tree(part: Any) -> Any:
    return msgspec.json.decode(_encode(part))
