"""What the store can find without looking at every object.

Indices hold keys, not objects, and compare by identity first: a status write, which shares
metadata parts and spec with what it replaces, touches none of them. Dictionaries serve as ordered
sets, so that the order of answers never depends on how strings hash.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from emucluster.core.objects import Object, Pod

from .keys import Key as Key
from .keys import OrderedKeys
from .keys import key_of as key_of

T = TypeVar("T", bound=Hashable)


class Groups(Generic[T]):
    """Keys by some property; a group disappears with its last key."""

    def __init__(self) -> None:
        self._groups: dict[T, dict[Key, None]] = {}

    def add(self, group: T, key: Key) -> None:
        self._groups.setdefault(group, {})[key] = None

    def discard(self, group: T, key: Key) -> None:
        members = self._groups.get(group)
        if members is not None:
            members.pop(key, None)
            if not members:
                del self._groups[group]

    def get(self, group: T) -> dict[Key, None]:
        """The keys of a group in order of arrival; to be read only, and not while writing."""
        return self._groups.get(group, {})

    def contents(self) -> dict[T, frozenset[Key]]:
        return {group: frozenset(keys) for group, keys in self._groups.items()}


class Indices:
    """All indices of the store."""

    def __init__(self) -> None:
        self.namespaces: Groups[tuple[str, str]] = Groups()  # (kind key, namespace)
        self.nodes: Groups[str] = Groups()  # pods by spec.nodeName
        self.owners: Groups[str] = Groups()  # by uid of each owner
        self.labels: Groups[tuple[str, str, str]] = Groups()  # (kind key, label, value)
        self.uids: dict[str, Key] = {}
        self.ordered: dict[str, OrderedKeys] = {}  # by kind key

    def add(self, obj: Object) -> None:
        key = key_of(obj)
        self.namespaces.add(key[:2], key)
        self.ordered.setdefault(key[0], OrderedKeys()).add(key)
        self.uids[obj.metadata.uid] = key
        self._node(None, obj, key)
        self._owners(None, obj, key)
        self._labels(None, obj, key)

    def change(self, old: Object, new: Object) -> None:
        """Key, kind and uid are the same in both."""
        key = key_of(new)
        self._node(old, new, key)
        self._owners(old, new, key)
        self._labels(old, new, key)

    def remove(self, obj: Object) -> None:
        key = key_of(obj)
        self.namespaces.discard(key[:2], key)
        self.ordered[key[0]].discard(key)
        self.uids.pop(obj.metadata.uid, None)
        self._node(obj, None, key)
        self._owners(obj, None, key)
        self._labels(obj, None, key)

    def _node(self, old: Object | None, new: Object | None, key: Key) -> None:
        before, after = _node_of(old), _node_of(new)
        if before != after:
            _move(self.nodes, [before] if before else [], [after] if after else [], key)

    def _owners(self, old: Object | None, new: Object | None, key: Key) -> None:
        before = old.metadata.owner_references if old is not None else ()
        after = new.metadata.owner_references if new is not None else ()
        if before is not after:
            _move(self.owners, [ref.uid for ref in before], [ref.uid for ref in after], key)

    def _labels(self, old: Object | None, new: Object | None, key: Key) -> None:
        before = old.metadata.labels if old is not None else None
        after = new.metadata.labels if new is not None else None
        if before is not after:
            _move(
                self.labels,
                [(key[0], *pair) for pair in (before or {}).items()],
                [(key[0], *pair) for pair in (after or {}).items()],
                key,
            )


def _node_of(obj: Object | None) -> str | None:
    return obj.spec.node_name if isinstance(obj, Pod) else None


def _move(groups: Groups[T], before: Iterable[T], after: Iterable[T], key: Key) -> None:
    stay = set(after)
    was = set()
    for group in before:
        was.add(group)
        if group not in stay:
            groups.discard(group, key)
    for group in after:
        if group not in was:
            groups.add(group, key)
