"""Picks nodes in constant time: nodes of one class by zone, and within a zone by load.

The order is that of a soft topology spread: first the zone with the fewest pods of the owner, then
the node with the fewest of them, then the one with the fewest pods at all.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice

Tier = tuple[int, int]


class LoadBuckets:
    """Nodes by their number of pods; the least loaded comes first.

    Equally loaded ones come in the order of their names, not of their coming: the same manifests
    give the same placement, however long each node took to register.
    """

    def __init__(self) -> None:
        self.members_version = 0
        """Changes when a node comes or goes, not when a load changes."""
        self._load: dict[str, int] = {}
        self._buckets: dict[int, list[tuple[int, str]]] = {}

    def __len__(self) -> int:
        return len(self._load)

    def __contains__(self, node: str) -> bool:
        return node in self._load

    def put(self, node: str, load: int) -> None:
        old = self._load.get(node)
        if old == load:
            return
        if old is None:
            self.members_version += 1
        else:
            self._leave(node, old)
        self._load[node] = load
        insort(self._buckets.setdefault(load, []), _rank(node))

    def discard(self, node: str) -> None:
        if (load := self._load.pop(node, None)) is not None:
            self.members_version += 1
            self._leave(node, load)

    def _leave(self, node: str, load: int) -> None:
        bucket = self._buckets[load]
        del bucket[bisect_left(bucket, _rank(node))]
        if not bucket:
            del self._buckets[load]

    def load(self, node: str) -> int:
        return self._load[node]

    def lowest(self) -> int:
        """The load of the least loaded node; there are at most as many loads as pod slots."""
        return min(self._buckets, default=0)

    def ordered(self) -> Iterator[str]:
        """All nodes, least loaded first; not to be changed meanwhile."""
        for load in sorted(self._buckets):
            yield from (node for _, node in self._buckets[load])


def _rank(node: str) -> tuple[int, str]:
    """node-2 comes before node-10."""
    return len(node), node


class OwnerSpread:
    """Where the pods of one owner are."""

    LOOK_AHEAD = 8
    """Nodes with equally many pods of the owner that are compared by load."""

    def __init__(self) -> None:
        self._zones: dict[str, int] = {}
        self._nodes: dict[str, int] = {}
        self._levels: dict[tuple[str, int], dict[str, None]] = {}
        self._used: dict[LoadBuckets, tuple[int, int]] = {}
        """For each set of nodes chosen from: its version, and how many of it the owner is on."""

    def __bool__(self) -> bool:
        return bool(self._nodes)

    def in_zone(self, zone: str) -> int:
        return self._zones.get(zone, 0)

    def on_node(self, node: str) -> int:
        return self._nodes.get(node, 0)

    def change(self, node: str, zone: str, by: int) -> None:
        """`by` more (or fewer) pods on a node."""
        old = self._nodes.get(node, 0)
        new = old + by
        if old:
            level = self._levels[zone, old]
            del level[node]
            if not level:
                del self._levels[zone, old]
        if new:
            self._nodes[node] = new
            self._levels.setdefault((zone, new), {})[node] = None
        else:
            self._nodes.pop(node, None)
        self._zones[zone] = self._zones.get(zone, 0) + by
        if not self._zones[zone]:
            del self._zones[zone]
        self._note_used(node, bool(new) - bool(old))

    def _note_used(self, node: str, by: int) -> None:
        if by:
            for buckets, (version, used) in self._used.items():
                if node in buckets:
                    self._used[buckets] = (version, used + by)

    def nodes(self, zone: str, buckets: LoadBuckets) -> Iterator[str]:
        """The nodes of a zone in the order of preference."""
        if self.spares_one_of(buckets):
            yield from (node for node in buckets.ordered() if node not in self._nodes)
        for count in sorted(count for at, count in self._levels if at == zone):
            level = self._levels[zone, count]
            first = [node for node in islice(level, self.LOOK_AHEAD) if node in buckets]
            yield from sorted(first, key=buckets.load)
            yield from (n for n in islice(level, self.LOOK_AHEAD, None) if n in buckets)

    def spares_one_of(self, buckets: LoadBuckets) -> bool:
        """Whether the owner has no pod on one of these nodes."""
        return self._used_of(buckets) < len(buckets)

    def _used_of(self, buckets: LoadBuckets) -> int:
        version, used = self._used.get(buckets, (-1, 0))
        if version != buckets.members_version:
            used = sum(1 for node in self._nodes if node in buckets)
            if self._nodes:
                self._used[buckets] = (buckets.members_version, used)
        return used


NOWHERE = OwnerSpread()
"""Of pods that are not spread."""


class ClassNodes:
    """The feasible nodes of one class: tier by tier, zone by zone."""

    def __init__(self) -> None:
        self._feasible: dict[str, tuple[Tier, str]] = {}
        self._tiers: dict[Tier, dict[str, LoadBuckets]] = {}

    def allow(self, node: str, tier: Tier, zone: str) -> None:
        """The node is feasible; it becomes a candidate with `set_load`."""
        if self._feasible.get(node) != (tier, zone):
            self.forbid(node)
            self._feasible[node] = (tier, zone)

    def forbid(self, node: str) -> None:
        self._leave(node)
        self._feasible.pop(node, None)

    def set_load(self, node: str, load: int, *, full: bool) -> None:
        """A full node is no candidate until a pod leaves it."""
        if (place := self._feasible.get(node)) is None:
            return
        if full:
            self._leave(node)
            return
        tier, zone = place
        self._tiers.setdefault(tier, {}).setdefault(zone, LoadBuckets()).put(node, load)

    def _leave(self, node: str) -> None:
        if (place := self._feasible.get(node)) is None:
            return
        tier, zone = place
        if (buckets := self._tiers.get(tier, {}).get(zone)) is not None:
            buckets.discard(node)

    def candidates(self, spread: OwnerSpread) -> Iterator[str]:
        """Every feasible node with a free slot, best first; not to be changed meanwhile."""
        for tier in sorted(self._tiers):
            zones = self._tiers[tier]
            some = [zone for zone in zones if zones[zone]]
            # Of zones with equally many, one with a node to spare: a second pod on a node is worse
            # than a busier node (both are constraints of the default spreading, at equal weight).
            ranks = {
                zone: (
                    spread.in_zone(zone),
                    not spread.spares_one_of(zones[zone]),
                    zones[zone].lowest(),
                    zone,
                )
                for zone in some
            }
            for zone in sorted(some, key=ranks.__getitem__):
                yield from spread.nodes(zone, zones[zone])
