"""Choice among the targets that may take a new connection, in constant time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from .commands import Target
from .presets import Algorithm

_TABLE_SIZES = (1009, 10_007, 100_003)
"""Primes: a table of a hundred times the targets is even to about one per cent. Few sizes, for
where the size changes, as from 10 targets to 11, flows move as if there were no consistency."""


class Picker(Protocol):
    """Chooses one target for a connection of this client address and port to this port."""

    def pick(self, client_ip: str, client_port: int, port: int) -> Target: ...


def picker(
    targets: Sequence[Target],
    *,
    algorithm: Algorithm,
    client_affinity: bool,
    flows: Counter[Target],
    rng: random.Random,
) -> Picker:
    """The picker of a policy over `targets`, of which there must be at least one."""
    assert targets, "nothing to choose from"
    if client_affinity:
        return FlowHash(targets, by_client_only=True)
    match algorithm:
        case "flow-hash":
            return FlowHash(targets)
        case "round-robin":
            return RoundRobin(targets)
        case "least-request":
            return LeastRequest(targets, flows=flows, rng=rng)
        case "random":
            return Random(targets, rng=rng)


class FlowHash:
    """Consistent hash of a connection's addresses and ports, by Maglev's table.

    The same connection meets the same target while targets stay; when one comes or goes, few of
    the others' connections move. Source: Eisenbud et al., "Maglev", NSDI 2016, section 3.4.
    """

    def __init__(self, targets: Sequence[Target], *, by_client_only: bool = False) -> None:
        self._targets = sorted(targets)
        self._by_client_only = by_client_only
        self._table = _maglev_table([f"{t.name}/{t.address}:{t.port}" for t in self._targets])

    def pick(self, client_ip: str, client_port: int, port: int) -> Target:
        flow = client_ip if self._by_client_only else f"{client_ip}:{client_port}>{port}"
        return self._targets[self._table[_hash(flow) % len(self._table)]]


def _maglev_table(names: Sequence[str]) -> list[int]:
    size = next((s for s in _TABLE_SIZES if s >= 100 * len(names)), _TABLE_SIZES[-1])
    steps = [(_hash(f"offset {n}") % size, _hash(f"skip {n}") % (size - 1) + 1) for n in names]
    at, skips = [offset for offset, _ in steps], [skip for _, skip in steps]
    table = [-1] * size
    filled = 0
    while True:
        for i, skip in enumerate(skips):
            slot = at[i]
            while table[slot] >= 0:
                slot = (slot + skip) % size
            table[slot] = i
            at[i] = (slot + skip) % size
            filled += 1
            if filled == size:
                return table


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class RoundRobin:
    """Each target in its turn."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = tuple(targets)
        self._next = 0

    def pick(self, client_ip: str, client_port: int, port: int) -> Target:
        target = self._targets[self._next % len(self._targets)]
        self._next += 1
        return target


class Random:
    """Any target, with equal chances."""

    def __init__(self, targets: Sequence[Target], *, rng: random.Random) -> None:
        self._targets = tuple(targets)
        self._rng = rng

    def pick(self, client_ip: str, client_port: int, port: int) -> Target:
        return self._rng.choice(self._targets)


class LeastRequest:
    """The one with fewer open flows of two drawn at random.

    Source: envoyproxy/envoy cluster.proto, LeastRequestLbConfig, choice_count 2.
    """

    def __init__(
        self, targets: Sequence[Target], *, flows: Counter[Target], rng: random.Random
    ) -> None:
        self._targets = tuple(targets)
        self._flows = flows
        self._rng = rng

    def pick(self, client_ip: str, client_port: int, port: int) -> Target:
        one, other = self._rng.choice(self._targets), self._rng.choice(self._targets)
        return one if self._flows[one] <= self._flows[other] else other
