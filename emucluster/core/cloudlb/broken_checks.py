"""What a broken health checker makes of its checks: none are sent, or all say the same."""

from __future__ import annotations

from .commands import ProbeResult, SendProbe


class BrokenChecks:
    """The faults of one load balancer's checks, by the id of each.

    `blind`: checks are not sent, so that every state stays as it is; they are sent once it ends.
    `lying`: checks are sent, and whatever comes of them counts as what the fault says; of several,
    the one that began last.
    """

    def __init__(self) -> None:
        self._blind: set[str] = set()
        self._lies: dict[str, ProbeResult] = {}
        self._held: list[SendProbe] = []

    def blind(self, fault_id: str) -> None:
        """Send no checks from now on."""
        self._blind.add(fault_id)

    def lie(self, fault_id: str, *, says_healthy: bool) -> None:
        """Count every check as passed, or as failed."""
        self._lies[fault_id] = "passed" if says_healthy else "refused"

    def end(self, fault_id: str) -> None:
        """End a fault of either kind."""
        self._blind.discard(fault_id)
        self._lies.pop(fault_id, None)

    def take_held(self) -> list[SendProbe]:
        """The checks that were held back and are to be sent now; none while it is blind."""
        if self._blind:
            return []
        held, self._held = self._held, []
        return held

    def holds(self, check: SendProbe) -> bool:
        """Whether this check is not sent now."""
        if self._blind:
            self._held.append(check)
        return bool(self._blind)

    def forget_held(self) -> None:
        """The load balancer began anew: checks of its life before are sent no more."""
        self._held.clear()

    def told(self, result: ProbeResult) -> ProbeResult:
        """What a check's result counts as."""
        return next(reversed(self._lies.values()), result)
