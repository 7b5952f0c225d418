"""Faults as leases: held at the target, which ends them by its own clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults.kind import EXCLUSIVE, FaultKind
from emucluster.core.faults.targets import kind_at, parse_target

ENDED_KEPT = 1000
"""How many ended faults are remembered: an ask that comes late for one of them does nothing."""

Follow = Literal["identity", "instance"]
EndedBy = Literal["", "expiry", "clear", "target-gone"]


@dataclass(frozen=True, slots=True)
class FaultLease:
    """One fault at one target.

    Attributes:
        target: as `FaultTarget` prints it; of a link, the end at which packets are hit as they
            arrive.
        injected_s, ends_s, ended_s: `now_s` of the target; `ends_s` None: until cleared.
        params: all parameters of the kind, durations in seconds; those without value are left out.
        peers: of a link, whose packets are hit: targets, or `outside`.
        networks: the peers' addresses, as CIDRs.
        follow: a target that restarts has it again (`identity`), or is rid of it (`instance`).
        mechanism: how it is done; known once it is in force.
    """

    id: str
    kind: str
    target: str
    injected_s: float
    ends_s: float | None
    params: Mapping[str, Any] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    follow: Follow = "identity"
    mechanism: str = ""
    ended_s: float | None = None
    ended_by: EndedBy = ""

    @property
    def fault_kind(self) -> FaultKind:
        """Its entry of the catalogue."""
        return kind_at(self.kind, parse_target(self.target))


class Ledger:
    """The faults of one target process, in force and ended. Times are `now_s` of that process.

    A target may have several faults at once; see `kinds` for how they stack.
    """

    def __init__(self) -> None:
        self.in_force: dict[str, FaultLease] = {}
        self.ended: dict[str, FaultLease] = {}

    def inject(self, asked: FaultLease, *, now_s: float) -> FaultLease:
        """Put a fault in force, unless there is nothing to do.

        Returns `asked` itself if it is new: the caller puts it into effect. Else the fault of this
        id as it is known: in force already, or over because it was ended, was cleared before it
        came, or came after its time.

        Raises EmuclusterError for an id that another fault has, and for a fault of an exclusive
        layer where the target has one of that layer: a machine without power cannot also freeze.
        """
        known = self.in_force.get(asked.id) or self.ended.get(asked.id)
        if known is not None:
            return self._same(known, asked)
        if asked.ends_s is not None and asked.ends_s <= now_s:
            return self._remember(replace(asked, ended_s=now_s, ended_by="expiry"))
        self._check_exclusive(asked)
        self.in_force[asked.id] = asked
        return asked

    def observed(self, fault_id: str, mechanism: str) -> FaultLease:
        """Note by what mechanism the fault took effect."""
        lease = replace(self.in_force[fault_id], mechanism=mechanism)
        self.in_force[fault_id] = lease
        return lease

    def discard(self, fault_id: str) -> None:
        """Forget a fault that could not be put into effect; its id may be asked for again."""
        self.in_force.pop(fault_id, None)

    def clear(
        self, fault_id: str, *, now_s: float, ended_by: EndedBy = "clear"
    ) -> FaultLease | None:
        """End a fault; None when it is not in force.

        An id that nobody asked for yet is remembered all the same, so that an ask that is
        overtaken by its own clearing does nothing.
        """
        lease = self.in_force.pop(fault_id, None)
        if lease is not None:
            return self._remember(replace(lease, ended_s=now_s, ended_by=ended_by))
        if fault_id not in self.ended:
            self._remember(FaultLease(fault_id, "", "", now_s, now_s, ended_s=now_s))
        return None

    def restore(self, fault_id: str) -> FaultLease | None:
        """A fault that was told to be over is in force all the same: it could not be lifted.

        Returns it as it was told; None for one that is not remembered.
        """
        told = self.ended.pop(fault_id, None)
        if told is not None:
            self.in_force[fault_id] = replace(told, ended_s=None, ended_by="")
        return told

    def expired(self, *, now_s: float, but: Collection[str] = ()) -> list[FaultLease]:
        """Faults whose time is up; each is to be cleared and lifted by the caller.

        Args:
            but: ids of those that the caller sees to already.
        """
        return [
            lease
            for lease in self.in_force.values()
            if lease.ends_s is not None and lease.ends_s <= now_s and lease.id not in but
        ]

    def next_wake_s(self, *, but: Collection[str] = ()) -> float | None:
        """When the next fault expires, of others than `but`."""
        ends_s = (f.ends_s for f in self.in_force.values() if f.id not in but)
        return min((end_s for end_s in ends_s if end_s is not None), default=None)

    def _same(self, known: FaultLease, asked: FaultLease) -> FaultLease:
        if not known.kind:  # cleared before it came
            return replace(asked, ended_s=known.ended_s, ended_by="clear")
        if (known.kind, known.target) != (asked.kind, asked.target):
            raise EmuclusterError(
                f'id "{asked.id}" is that of another fault: {known.kind} on {known.target}'
            )
        return known

    def _check_exclusive(self, asked: FaultLease) -> None:
        layer = asked.fault_kind.layer
        if layer not in EXCLUSIVE:
            return
        for lease in self.in_force.values():
            if lease.target == asked.target and lease.fault_kind.layer == layer:
                raise EmuclusterError(
                    f"{asked.target} already has the fault {lease.kind} ({lease.id}) in force, "
                    f"which {asked.kind} excludes; clear it first"
                )

    def _remember(self, lease: FaultLease) -> FaultLease:
        self.ended[lease.id] = lease
        while len(self.ended) > ENDED_KEPT:
            del self.ended[next(iter(self.ended))]
        return lease
