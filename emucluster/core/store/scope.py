"""What one node is told: its own pods, what they refer to, and what every node has to know.

As the node authorizer has it (kubernetes plugin/pkg/auth/authorizer/node): a kubelet reads the
ConfigMaps and Secrets that pods bound to it name, and no others. So what a node is sent follows
its pods, not the cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import Any

import msgspec

from emucluster.core.objects import Container, Object, Pod, PodSpec

from .indices import Key, key_of
from .store import Store
from .window import EventType, StoreEvent

REFERRED = frozenset({"ConfigMap", "Secret"})
"""Kinds that a node hears of only where one of its pods names them."""

_encode = msgspec.json.Encoder().encode


def references(spec: PodSpec, namespace: str) -> frozenset[Key]:
    """What the environments of a pod's containers are taken from."""
    containers: Iterable[Container] = (*spec.init_containers, *spec.containers)
    return frozenset(
        (kind, namespace, name) for container in containers for kind, name in _names(container)
    )


def _names(container: Container) -> Iterator[tuple[str, str]]:
    sources: list[Any] = [each.value_from for each in container.env if each.value_from]
    for whole in container.env_from:
        if whole.config_map_ref is not None:
            yield "ConfigMap", whole.config_map_ref.name or ""
        if whole.secret_ref is not None:
            yield "Secret", whole.secret_ref.name or ""
    for source in sources:
        if source.config_map_key_ref is not None:
            yield "ConfigMap", source.config_map_key_ref.name or ""
        if source.secret_key_ref is not None:
            yield "Secret", source.secret_key_ref.name or ""


class NodeScope:
    """One node's view of the changes, in their order.

    Begin with `listed`, or with `resumed` where the node knows an older state; then `select`.
    """

    def __init__(self, store: Store, node_name: str) -> None:
        self._store, self._node_name = store, node_name
        self._named: dict[Key, frozenset[Key]] = {}
        self._counts: Counter[Key] = Counter()
        self._leaving: dict[Key, int] = {}
        """What no pod names any more and is deleted already, which is told when it comes to that;
        by the version up to which that will have been."""

    def listed(self, kinds: Iterable[str]) -> Iterator[Object]:
        """The state of `kinds`: the node's pods, what they name, and all of the other kinds."""
        wanted = frozenset(kinds)
        for pod in self._store.pods_on(self._node_name):
            self._take(pod)
        for kind in sorted(wanted - REFERRED - {"Pod"}):
            yield from self._store.list(kind)
        for key in tuple(self._counts):
            if key[0] in wanted and (obj := self._store.get(*key)) is not None:
                yield obj
        if "Pod" in wanted:
            yield from self._store.pods_on(self._node_name)

    def resumed(self, until: int) -> list[StoreEvent]:
        """What the node's pods name, told again: it may have been away when a pod was bound.

        What was changed after `until` is left out; `select` will have it.
        """
        for pod in self._store.pods_on(self._node_name):
            self._take(pod)
        return self._current(tuple(self._counts), until)

    def select(self, events: Iterable[StoreEvent], until: int) -> list[StoreEvent]:
        """Those of the changes up to `until` that the node is told.

        Before a pod comes what it is the first to name; what no pod names any more is told as
        DELETED.
        """
        told: list[StoreEvent] = []
        for event in events:
            if event.kind in REFERRED:
                key = key_of(event.object)
                if key in self._counts or (event.type == "DELETED" and key in self._leaving):
                    told.append(event)
            elif not isinstance(event.object, Pod):
                told.append(event)
            elif event.object.spec.node_name == self._node_name:
                if event.type != "DELETED":
                    told += self._current(self._take(event.object), until)
                told.append(event)
                if event.type == "DELETED":
                    told += self._dropped(event.object)
        self._leaving = {key: last for key, last in self._leaving.items() if last > until}
        return told

    def _take(self, pod: Pod) -> list[Key]:
        """What this pod names and no other did."""
        key = key_of(pod)
        if key in self._named:
            return []  # of a pod that exists the environment never changes
        named = self._named[key] = references(pod.spec, pod.metadata.namespace)
        self._counts.update(named)
        return [each for each in named if self._counts[each] == 1]

    def _current(self, keys: Iterable[Key], until: int) -> list[StoreEvent]:
        found = (self._store.get(*key) for key in keys)
        events = (_event("ADDED", obj) for obj in found if obj is not None)
        return [event for event in events if event.version <= until]

    def _dropped(self, pod: Pod) -> list[StoreEvent]:
        named = self._named.pop(key_of(pod), frozenset())
        self._counts.subtract(named)
        over = [key for key in named if not self._counts[key]]
        told = []
        for key in over:
            del self._counts[key]
            if (obj := self._store.get(*key)) is not None:
                told.append(_event("DELETED", obj))
            else:
                self._leaving[key] = self._store.version
        return told


class Dispatch:
    """Sorts each batch of changes once by the node that it concerns, however many nodes ask."""

    def __init__(self, store: Store, kinds: Iterable[str]) -> None:
        self._store, self._kinds = store, frozenset(kinds)
        self._batch: tuple[int, int] | None = None
        self._for_all: list[StoreEvent] = []
        self._by_node: dict[str, list[StoreEvent]] = {}

    def events(self, node_name: str, after: int, until: int) -> Sequence[StoreEvent]:
        """Changes in `after` < version <= `until`, without pods of other nodes. Raises Gone."""
        if self._batch != (after, until):
            self._sort(self._store.events_since(after, until=until))
            self._batch = (after, until)
        own = self._by_node.get(node_name)
        if own is None:
            return self._for_all
        return list(merge(self._for_all, own, key=_version))

    def _sort(self, events: Sequence[StoreEvent]) -> None:
        self._for_all, self._by_node = [], {}
        for event in events:
            if event.kind not in self._kinds:
                continue
            if not isinstance(event.object, Pod):
                self._for_all.append(event)
            elif name := event.object.spec.node_name:
                self._by_node.setdefault(name, []).append(event)


def _event(type_: EventType, obj: Object) -> StoreEvent:
    version = int(obj.metadata.resource_version)
    return StoreEvent(version, type_, obj.kind, obj, None, _encode(obj))


def _version(event: StoreEvent) -> int:
    return event.version
