"""A fault that was asked for, and what was so before it: what its witnesses compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emucluster.core.faults import FaultTarget
from emucluster.core.faults.compared import Members
from emucluster.core.faults.looks import Look, Unseen
from emucluster.core.faults.witness import Sample
from emucluster.live.fault_messages import AskedFault
from emucluster.live.keeper.places import Place, PodAt

API = "control-plane"
"""Whose word it is, as a witness, where the API tells."""


@dataclass(slots=True)
class KnownFault:
    """One fault.

    Attributes:
        look, look_over: how it is seen in force, and seen to be over.
        id: once it is known.
        uid: of the pod that is its target.
        hurt: machines that had faults before it, or have them now; no witnesses.
        before: samples by the name of a witness; `held`: words for connections that they held.
        held_dead: what became of a held connection: it is let go by the look that finds it dead.
        members: who is behind each Service by its target, and by others; None: not asked.
        peers: of a link that are pods: node and address of each.
        processor: share of a core that its process took.
        quiet_since_s: since when nobody has seen it (`now_s`), though it was looked for.
    """

    asked: AskedFault
    target: FaultTarget
    place: Place
    look: Look | Unseen
    look_over: Look | Unseen
    id: str = ""
    uid: str = ""
    hurt: frozenset[str] = frozenset()
    asked_s: float = 0.0
    before: dict[str, list[Sample]] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    held_dead: dict[str, list[Sample]] = field(default_factory=dict)
    members: tuple[Members, Members] | None = None
    peers: Mapping[str, PodAt] = field(default_factory=dict)
    processor: float | None = None
    quiet_since_s: float | None = None
