"""How long something takes longer: a delay and the spread about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

_PARETO_SHAPE = 3.0
"""A tail with a variance: one draw in a thousand is nine times `jitter` or more above `delay`."""


@dataclass(frozen=True, slots=True)
class Delay:
    """What `delay`, `jitter` and `distribution` of a fault mean. Draws are never negative.

    Attributes:
        distribution: `constant`: always `delay_s`. `uniform`: within +-`jitter_s`. `normal`: with
            sigma `jitter_s`. `pareto`: `delay_s` at least, and a long tail in units of `jitter_s`,
            half of one in the mean.
    """

    delay_s: float
    jitter_s: float = 0.0
    distribution: str = "uniform"

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Delay:
        """From the parameters of a kind: no `delay` is none, no `distribution` is uniform."""
        return cls(
            float(params.get("delay", 0.0)),
            float(params.get("jitter", 0.0)),
            str(params.get("distribution", "uniform")),
        )

    def draw_s(self, rng: Random) -> float:
        """One delay, in seconds."""
        if self.distribution == "constant" or self.jitter_s == 0:
            return self.delay_s
        if self.distribution == "normal":
            spread = rng.gauss(0.0, 1.0)
        elif self.distribution == "pareto":
            spread = rng.paretovariate(_PARETO_SHAPE) - 1.0
        else:
            spread = rng.uniform(-1.0, 1.0)
        return max(0.0, self.delay_s + self.jitter_s * spread)
