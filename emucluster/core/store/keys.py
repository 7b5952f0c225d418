"""The keys of objects, and their order in lists: by namespace, then by name."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from emucluster.core.objects import Object

Key = tuple[str, str, str]
"""(kind key, namespace or "", name); see `Object.kind_key`."""

_LAST = "\U0010ffff"
_KEPT_CHANGES = 1024


def key_of(obj: Object) -> Key:
    return (obj.kind_key, obj.metadata.namespace, obj.metadata.name)


class OrderedKeys:
    """Sorted when somebody asks, so that writes do not pay for the order.

    Keys that came and went since are merged in then: sorting a list of which nearly all is in
    order takes about one comparison for each key.
    """

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._changes: dict[Key, bool] = {}

    def add(self, key: Key) -> None:
        self._note(key, True)

    def discard(self, key: Key) -> None:
        self._note(key, False)

    def _note(self, key: Key, present: bool) -> None:
        self._changes[key] = present
        # A kind that nobody lists must not gather what came and went for ever.
        if len(self._changes) > _KEPT_CHANGES + 2 * len(self._keys):
            self._settle()

    def _settle(self) -> None:
        changes, self._changes = self._changes, {}
        if changes:
            kept = [key for key in self._keys if key not in changes]
            kept += [key for key, present in changes.items() if present]
            kept.sort()
            self._keys = kept

    def between(self, first: Key, last: Key) -> Sequence[Key]:
        """The keys from `first` up to, and without, `last`."""
        self._settle()
        keys = self._keys
        return keys[bisect_left(keys, first) : bisect_left(keys, last)]


def after(key: Key) -> Key:
    """The smallest key behind this one."""
    kind, namespace, name = key
    return (kind, namespace, name + "\0")


def whole(kind: str, namespace: str) -> tuple[Key, Key]:
    """The range of all keys of a kind, or of one namespace of it."""
    if namespace:
        return (kind, namespace, ""), (kind, namespace + "\0", "")
    return (kind, "", ""), (kind, _LAST, _LAST)
