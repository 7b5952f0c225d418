"""The faults that the control plane holds itself: late answers, and those of its links."""

from __future__ import annotations

from emucluster.core.faults import FaultLease
from emucluster.live.fault_board import Breakable


class PlaneFaults:
    """Crash and freeze are none of them: they are done to the process from outside."""

    def __init__(self, answers: Breakable, links: Breakable) -> None:
        self._answers = answers
        self._links = links

    async def break_(self, lease: FaultLease) -> str:
        """Put a fault into effect; the mechanism is returned."""
        return await self._part(lease).break_(lease)

    async def mend(self, lease: FaultLease) -> None:
        """Lift it."""
        await self._part(lease).mend(lease)

    def _part(self, lease: FaultLease) -> Breakable:
        return self._links if lease.fault_kind.is_link else self._answers
