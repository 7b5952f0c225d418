"""The endpoints of one service port, kept ready for choice by every node at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Address = tuple[str, int]
"""Endpoint IP and port."""

Scope = tuple[str, str]
"""What a list is for: ("ready", ""), ("fallback", node), ("zone", zone), ..."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a service port, as EndpointSlices have it.

    `zones` are those its hints name. A nil condition is already resolved: ready and serving read
    as true, terminating as false.
    """

    ip: str
    port: int
    node: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    zones: tuple[str, ...] = ()

    @property
    def address(self) -> Address:
        return self.ip, self.port

    @property
    def stands_in(self) -> bool:
        """Whether it takes traffic when no endpoint is ready (KEP-1669)."""
        return not self.ready and self.serving and self.terminating

    @property
    def is_usable(self) -> bool:
        return self.ready or self.stands_in

    def preference(self) -> tuple[bool, bool, bool]:
        """Greater is better; for an address which two slices hold with different conditions."""
        return self.ready, self.serving, not self.terminating


class EndpointList:
    """Endpoints by address; adding, removing and the n-th one in constant time.

    Removing moves the last one into the gap, so the order is not kept.
    """

    __slots__ = ("_at", "items")

    def __init__(self) -> None:
        self.items: list[Endpoint] = []
        self._at: dict[Address, int] = {}

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.items)

    def get(self, address: Address) -> Endpoint | None:
        at = self._at.get(address)
        return None if at is None else self.items[at]

    def put(self, endpoint: Endpoint) -> None:
        """Add it, or replace the one of the same address in its place."""
        at = self._at.get(endpoint.address)
        if at is not None:
            self.items[at] = endpoint
            return
        self._at[endpoint.address] = len(self.items)
        self.items.append(endpoint)

    def remove(self, address: Address) -> None:
        """Raises KeyError if it is not there."""
        at = self._at.pop(address)
        last = self.items.pop()
        if at < len(self.items):
            self.items[at] = last
            self._at[last.address] = at


NO_ENDPOINTS = EndpointList()
"""Shared and empty; never add to it."""


class EndpointSet:
    """All endpoints of one service port in one list for each scope, maintained by difference.

    Source of the rules: kubernetes/kubernetes pkg/proxy/topology.go, CategorizeEndpoints; KEP-1669
    (terminating), KEP-4444 (same zone), KEP-3015 (same node).
    Differs: under PreferSameNode an endpoint's own node stands for its `forNodes` hint, which is
    what the EndpointSlice controller writes there.
    """

    __slots__ = ("_lists", "_serials", "_sources", "_unhinted", "_without_node", "appeared")

    def __init__(self, serials: Iterator[int]) -> None:
        self._sources: dict[Address, dict[str, Endpoint]] = {}
        self._lists: dict[Scope, EndpointList] = {}
        self._unhinted = 0
        self._without_node = 0
        self._serials = serials
        self.appeared: dict[Address, int] = {}
        """For each usable address a serial of `serials`, a new one each time it becomes usable."""

    # --- maintenance ---

    def put(self, source: str, endpoint: Endpoint) -> None:
        """Slice `source` holds this endpoint; replaces what it held at the address before."""
        before = self._effective(endpoint.address)
        self._sources.setdefault(endpoint.address, {})[source] = endpoint
        self._replace(before, self._effective(endpoint.address))

    def remove(self, source: str, address: Address) -> None:
        """Slice `source` no longer holds the address; another one may."""
        before = self._effective(address)
        held = self._sources[address]
        del held[source]
        if not held:
            del self._sources[address]
        self._replace(before, self._effective(address))

    def _effective(self, address: Address) -> Endpoint | None:
        held = self._sources.get(address)
        if held is None:
            return None
        if len(held) == 1:
            return next(iter(held.values()))
        return max((held[name] for name in sorted(held)), key=Endpoint.preference)

    def _replace(self, before: Endpoint | None, after: Endpoint | None) -> None:
        if before == after:
            return
        was, wanted = list(_scopes(before)), list(_scopes(after))
        for scope in was:
            if scope not in wanted and before is not None:
                self._discard(scope, before.address)
        for scope in wanted:
            assert after is not None
            self._lists.setdefault(scope, EndpointList()).put(after)
        self._count(before, -1)
        self._count(after, +1)
        self._note_appearance(before, after)

    def _discard(self, scope: Scope, address: Address) -> None:
        endpoints = self._lists[scope]
        endpoints.remove(address)
        if not endpoints:
            del self._lists[scope]

    def _count(self, endpoint: Endpoint | None, sign: int) -> None:
        if endpoint is not None and endpoint.ready:
            self._unhinted += sign * (not endpoint.zones)
            self._without_node += sign * (not endpoint.node)

    def _note_appearance(self, before: Endpoint | None, after: Endpoint | None) -> None:
        usable_before = before is not None and before.is_usable
        if after is not None and after.is_usable:
            if not usable_before:
                self.appeared[after.address] = next(self._serials)
        elif usable_before and before is not None:
            del self.appeared[before.address]

    # --- choice ---

    @property
    def is_held(self) -> bool:
        """Whether any slice has an endpoint here, usable or not."""
        return bool(self._sources)

    @property
    def has_any(self) -> bool:
        """Whether any endpoint of the cluster is usable: tells refusing from dropping."""
        return bool(self.appeared)

    def local_ready(self, node: str) -> EndpointList:
        return self._lists.get(("ready", node), NO_ENDPOINTS) if node else NO_ENDPOINTS

    def usable_locally(self, node: str) -> EndpointList:
        """Endpoints of `node` under traffic policy Local: the ready ones, else those that stand
        in; a ready endpoint on another node does not matter. Constant time."""
        ready = self.local_ready(node)
        return ready or (self._lists.get(("fallback", node), NO_ENDPOINTS) if node else ready)

    def usable(self, node: str, zone: str, *, prefer_same_node: bool = False) -> EndpointList:
        """Endpoints that connections opened on `node` may get under traffic policy Cluster.

        Ready endpoints, narrowed to the node's or zone's if *every* ready endpoint has a hint and
        one names this node or zone; without ready endpoints, all that stand in. Constant time.
        """
        ready = self._lists.get(("ready", ""))
        if ready is None:
            return self._lists.get(("fallback", ""), NO_ENDPOINTS)
        if prefer_same_node and not self._without_node and (local := self.local_ready(node)):
            return local
        if not self._unhinted and zone and (near := self._lists.get(("zone", zone))):
            return near
        return ready

    def all(self) -> list[Endpoint]:
        """Every endpoint, usable or not, one for each address."""
        every = (self._effective(address) for address in self._sources)
        return [endpoint for endpoint in every if endpoint is not None]


def _scopes(endpoint: Endpoint | None) -> Iterable[Scope]:
    """The lists that an endpoint belongs to."""
    if endpoint is None or not endpoint.is_usable:
        return
    kind = "ready" if endpoint.ready else "fallback"
    yield kind, ""
    if endpoint.node:
        yield kind, endpoint.node
    if endpoint.ready:
        for zone in endpoint.zones:
            yield "zone", zone
