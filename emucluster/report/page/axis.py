"""Time across the page: seconds of a trial, and places on its way from left to right."""

from __future__ import annotations

import math

from msgspec import Struct

from emucluster.experiment.history import History
from emucluster.experiment.result import Trial

_STEPS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


class Axis(Struct, frozen=True, kw_only=True):
    """A stretch of time, drawn from 0 to 100 % of a width. Wall clock."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    def since(self, at_s: float) -> float:
        """Seconds after the start."""
        return at_s - self.start_s

    def at(self, at_s: float) -> float:
        """The place of a time in per cent; times outside are at the ends."""
        if self.duration_s <= 0 or not math.isfinite(at_s):
            return 0.0
        share = self.since(at_s) / self.duration_s
        return round(100 * min(1.0, max(0.0, share)), 3)

    def width(self, start_s: float, end_s: float) -> float:
        return round(self.at(end_s) - self.at(start_s), 3)

    def ticks(self, most: int = 10) -> list[tuple[float, str]]:
        """Places and labels (seconds since the start) of at most so many round times."""
        if self.duration_s <= 0:
            return []
        wanted_s = self.duration_s / most
        step_s = next((s for s in _STEPS_S if s >= wanted_s), wanted_s)
        number = math.floor(self.duration_s / step_s + 1e-9)
        return [(self.at(self.start_s + i * step_s), f"{i * step_s:g}") for i in range(number + 1)]


def axis_of(trial: Trial, history: History) -> Axis:
    """The whole trial; where it has no phases, from its first call to its last."""
    spans = [*trial.phases, *history.phases]
    times = [t for span in spans for t in (span.start_s, span.end_s)]
    times = times or [call.intended_s for call in history.calls]
    return Axis(start_s=min(times, default=0.0), end_s=max(times, default=0.0))
