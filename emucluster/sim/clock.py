"""The simulation's time. It moves only when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""What the objects' stamps say at second 0."""


class VirtualClock:
    """Seconds since the simulation began, and the date that objects are stamped with."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def jump_to(self, at_s: float) -> None:
        assert at_s >= self._now_s, f"time cannot go back: {self._now_s} -> {at_s}"
        self._now_s = at_s

    def stamp(self) -> str:
        """Now as `metav1.Time` prints it, in whole seconds."""
        return (EPOCH + timedelta(seconds=int(self._now_s))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def micro_stamp(self) -> str:
        """Now as `metav1.MicroTime` prints it."""
        moment = EPOCH + timedelta(microseconds=round(self._now_s * 1e6))
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
