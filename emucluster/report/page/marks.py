"""Whom faults hit, and whose packets: what the picture of the cluster marks."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from emucluster.experiment.history import FaultRecord

WAYS_MAX = 8
"""Ways of one fault that are drawn; one with more peers cuts off from nearly everybody."""


class Way(Struct, frozen=True, kw_only=True):
    """From a peer to who is hit: there packets are lost, late or few."""

    peer: str
    target: str
    fault: str


class Marks(Struct, frozen=True, kw_only=True):
    """Names of faults by who has them.

    Attributes:
        hit: by target, as faults have it.
        peers: by the peers of links, whose packets are hit as they arrive at a target.
        ways: between the two.
    """

    hit: dict[str, tuple[str, ...]]
    peers: dict[str, tuple[str, ...]]
    ways: tuple[Way, ...]


def marks_of(faults: Sequence[FaultRecord]) -> Marks:
    """Of the faults that took effect."""
    hit: dict[str, dict[str, None]] = {}
    peers: dict[str, dict[str, None]] = {}
    ways: dict[str, list[Way]] = {}
    for fault in faults:
        if fault.in_force_from_s is None:
            continue
        hit.setdefault(fault.target, {})[fault.fault] = None
        for peer in fault.peers:
            peers.setdefault(peer, {})[fault.fault] = None
            way = Way(peer=peer, target=fault.target, fault=fault.fault)
            ways.setdefault(fault.fault, []).append(way)
    return Marks(
        hit={target: tuple(names) for target, names in hit.items()},
        peers={peer: tuple(names) for peer, names in peers.items()},
        ways=tuple(way for own in ways.values() if len(own) <= WAYS_MAX for way in own),
    )
