"""Faults as leases: held at the target, which ends them by its own clock."""

from dataclasses import dataclass, replace

from emucluster.core.errors import EmuclusterError

ENDED_KEPT = 100
"""How many ended faults are remembered, for those who ask what happened."""


@dataclass(frozen=True, slots=True)
class FaultLease:
    """One fault at one target. `ends_s` is None when only `clear` ends it."""

    id: str
    kind: str
    target: str
    injected_s: float
    ends_s: float | None
    ended_s: float | None = None
    mechanism: str = ""


class Ledger:
    """The faults of one target process, in force and ended. Times are `now_s` of that process."""

    def __init__(self) -> None:
        self.in_force: dict[str, FaultLease] = {}
        self.ended: list[FaultLease] = []

    def inject(
        self, fault_id: str, kind: str, target: str, duration_s: float | None, *, now_s: float
    ) -> FaultLease:
        """Put a fault in force.

        A target has one fault at a time: a machine without power cannot also freeze. Raises
        EmuclusterError naming the one in force. The same id again is the same fault.
        """
        for lease in self.in_force.values():
            if lease.id == fault_id:
                return lease
            if lease.target == target:
                raise EmuclusterError(
                    f"{target} already has the fault {lease.kind} ({lease.id}) in force; "
                    f"clear it first"
                )
        ends_s = None if duration_s is None else now_s + duration_s
        lease = FaultLease(fault_id, kind, target, now_s, ends_s)
        self.in_force[fault_id] = lease
        return lease

    def observed(self, fault_id: str, mechanism: str) -> FaultLease:
        """Note by what mechanism the fault took effect."""
        lease = replace(self.in_force[fault_id], mechanism=mechanism)
        self.in_force[fault_id] = lease
        return lease

    def clear(self, fault_id: str, *, now_s: float) -> FaultLease | None:
        """End a fault; None when it is not in force."""
        lease = self.in_force.pop(fault_id, None)
        if lease is None:
            return None
        lease = replace(lease, ended_s=now_s)
        self.ended = [*self.ended, lease][-ENDED_KEPT:]
        return lease

    def expired(self, *, now_s: float) -> list[FaultLease]:
        """Faults whose time is up; each is to be cleared and lifted by the caller."""
        return [
            lease
            for lease in self.in_force.values()
            if lease.ends_s is not None and lease.ends_s <= now_s
        ]

    def next_wake_s(self) -> float | None:
        """When the next fault expires."""
        return min((f.ends_s for f in self.in_force.values() if f.ends_s is not None), default=None)
