"""When calls are due, as pure sequences: nothing here knows a clock.

All arrivals are one construction. A profile of rates has a cumulative intensity: how many calls
are due by then. Evenly spaced calls are due where it passes whole numbers, Poisson arrivals where
it passes the sums of exponential variates of mean 1 (Cinlar's inversion for a process whose rate
varies in time).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch in which the rate changes linearly; `math.inf` seconds need a constant rate."""

    duration_s: float
    from_per_s: float
    to_per_s: float

    @property
    def calls(self) -> float:
        """How many are due in it."""
        if math.isinf(self.duration_s):
            return math.inf if self.from_per_s > 0 else 0.0
        return (self.from_per_s + self.to_per_s) / 2 * self.duration_s

    def offset_s(self, calls: float) -> float:
        """Seconds into the segment by which `calls` (at most its own) are due."""
        slope = 0.0
        if not math.isinf(self.duration_s):
            slope = (self.to_per_s - self.from_per_s) / self.duration_s
        # The root of slope/2 t^2 + from t = calls, in the form that survives a slope near 0.
        root = math.sqrt(max(0.0, self.from_per_s**2 + 2 * slope * calls))
        divisor = self.from_per_s + root
        return 2 * calls / divisor if divisor else 0.0


def arrivals(profile: Sequence[Segment], marks: Iterable[float]) -> Iterator[float]:
    """Seconds after the start at which calls are due, never decreasing.

    Args:
        profile: rates, one segment after the other.
        marks: `evenly` or `poisson`: values of the cumulative intensity, ascending.
    """
    segments = iter(profile)
    segment = next(segments, None)
    before_s, before = 0.0, 0.0
    for mark in marks:
        while segment is not None and mark - before >= segment.calls:
            before_s, before = before_s + segment.duration_s, before + segment.calls
            segment = next(segments, None)
        if segment is None:
            return
        yield before_s + segment.offset_s(mark - before)


def evenly() -> Iterator[float]:
    """Marks of evenly spaced calls; the first is due at once."""
    return map(float, itertools.count())


def poisson(rng: Random) -> Iterator[float]:
    """Marks of independent arrivals."""
    mark = 0.0
    while True:
        mark += rng.expovariate(1.0)
        yield mark


def turns(marks: Iterable[float], positions: Collection[int], of: int) -> Iterator[float]:
    """Of marks that go round `of` clients, those of the clients at `positions` (from 0)."""
    for number, mark in enumerate(marks):
        if number % of in positions:
            yield mark


def thinking(mean_s: float, rng: Random | None) -> Iterator[float]:
    """Pauses between a closed loop's calls: exponential where `rng` is given, else all `mean_s`."""
    while True:
        yield rng.expovariate(1.0 / mean_s) if rng is not None and mean_s > 0 else mean_s
