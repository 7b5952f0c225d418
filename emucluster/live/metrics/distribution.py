"""A histogram that is counted without locks or labels, and told when asked."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Prometheus' default buckets."""


class Distribution:
    """Counts of values up to each of `bounds`, ascending, and of what is above."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def observe_all(self, values: Iterable[float]) -> None:
        """Count many values in less time than one by one."""
        ordered = sorted(values)
        below = 0
        for position, bound in enumerate(self._bounds):
            up_to = bisect_right(ordered, bound, below)
            self._counts[position] += up_to - below
            below = up_to
        self._counts[-1] += len(ordered) - below
        self.sum += sum(ordered)

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many values up to it), as Prometheus has them."""
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))
