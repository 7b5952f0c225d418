"""How the endpoints of one Service and one set of ports fill EndpointSlices.

Existing slices are filled first and never rebalanced, so that a change rewrites as few slices as
possible (k8s.io/endpointslice/reconciler.go).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

MAX_ENDPOINTS = 100
"""`--max-endpoints-per-slice` of kube-controller-manager."""

K = TypeVar("K", bound=Hashable)
E = TypeVar("E")


class SlicePacker(Generic[K, E]):
    """Slices by name, each a dict of entries; remembers which ones have to be written.

    Args:
        new_name: gives a name for one more slice.
        limit: entries a slice.
    """

    def __init__(self, new_name: Callable[[], str], *, limit: int = MAX_ENDPOINTS) -> None:
        self._new_name, self._limit = new_name, limit
        self.slices: dict[str, dict[K, E]] = {}
        self.dirty: set[str] = set()
        self._where: dict[K, str] = {}
        self._room: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._where)

    def load(self, name: str, entries: Iterable[tuple[K, E]]) -> None:
        """A slice as it exists. An entry that another slice has already is dropped here."""
        held: dict[K, E] = {}
        for key, entry in entries:
            if key in self._where:
                self.dirty.add(name)
                continue
            held[key] = entry
            self._where[key] = name
        self.slices[name] = held
        self._note_room(name)

    def put(self, key: K, entry: E) -> None:
        """Adds an entry, or replaces it where it is."""
        name = self._where.get(key)
        if name is None:
            name = next(iter(self._room), None) or self._add_slice()
            self._where[key] = name
        elif self.slices[name][key] == entry:
            return
        self.slices[name][key] = entry
        self.dirty.add(name)
        self._note_room(name)

    def remove(self, key: K) -> None:
        if (name := self._where.pop(key, None)) is None:
            return
        del self.slices[name][key]
        self.dirty.add(name)
        self._note_room(name)

    def ensure_one(self) -> None:
        """A Service without endpoints has one empty slice."""
        if not self.slices:
            self.dirty.add(self._add_slice())

    def forget(self, name: str) -> None:
        """An empty slice is given up."""
        if self.slices[name]:
            raise ValueError(f"slice {name} still has endpoints")
        del self.slices[name]
        self._room.pop(name, None)
        self.dirty.discard(name)

    def keys(self) -> Iterable[K]:
        return self._where.keys()

    def _add_slice(self) -> str:
        name = self._new_name()
        while name in self.slices:
            name = self._new_name()
        self.slices[name] = {}
        self._room[name] = None
        return name

    def _note_room(self, name: str) -> None:
        if len(self.slices[name]) < self._limit:
            self._room.setdefault(name, None)
        else:
            self._room.pop(name, None)
