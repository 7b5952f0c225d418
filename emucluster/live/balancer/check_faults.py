"""Faults of a load balancer's health checker."""

from __future__ import annotations

from collections.abc import Callable

from emucluster.core.cloudlb.broken_checks import BrokenChecks
from emucluster.core.faults import FaultLease


class CheckFaults:
    """Breaks and mends what the load balancer believes of its targets.

    `send_held` sends the checks that `checks` held back, as soon as the process runs.
    """

    def __init__(self, checks: BrokenChecks, send_held: Callable[[], None]) -> None:
        self._checks = checks
        self._send_held = send_held

    async def break_(self, lease: FaultLease) -> str:
        """blind: no check is sent; lying: each counts as what the fault says."""
        if lease.kind == "blind":
            self._checks.blind(lease.id)
            return "checks held back"
        self._checks.lie(lease.id, says_healthy=lease.params["says"] == "healthy")
        return "results replaced"

    async def mend(self, lease: FaultLease) -> None:
        self._checks.end(lease.id)
        self._send_held()
