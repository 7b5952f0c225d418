"""Which of many calls a fault hits, and how late it makes an answer."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from emucluster.core.faults.delay import Delay


class Trigger:
    """Counts the calls that a fault could hit, and hits some of them.

    Args:
        after: so many calls pass before the first that can be hit.
        every: from then on each so-many-th call can be: with `after` 3 and `every` 2 the calls 4,
            6, 8 and so on.
        times: so many are hit at most; None: no end.
        share: of those that can be hit, by chance; 1: all. The count of the others is exact.
    """

    def __init__(
        self, *, after: int = 0, every: int = 1, times: int | None = None, share: float = 1.0
    ) -> None:
        self._after, self._every, self._times, self._share = after, every, times, share
        self.seen = 0
        self.hit = 0

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Trigger:
        """From the parameters of a fault; those that it does not have keep their defaults."""
        return cls(
            after=params.get("after", 0),
            every=params.get("every", 1),
            times=params.get("times"),
            share=params.get("share", 1.0),
        )

    def hits(self, rng: random.Random) -> bool:
        """Count one more call; whether it is hit."""
        number = self.seen - self._after
        self.seen += 1
        if number < 0 or number % self._every or self.hit == self._times:
            return False
        if self._share < 1.0 and rng.random() >= self._share:
            return False
        self.hit += 1
        return True


def late_by_s(params: Mapping[str, Any], rng: random.Random) -> float:
    """The delay of one answer in seconds: `delay`, give or take up to `jitter`, never below 0."""
    return Delay.of(params).draw_s(rng)
