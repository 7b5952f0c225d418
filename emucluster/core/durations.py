"""How `--speed` acts: it divides configured durations at the door, and nothing else.

Divided: lease, grace and monitor periods, probe and health-check periods and time-outs, eviction
rates and tolerationSeconds, drain times, and how often Events of one object may be written. Never
divided: the clock that stamps objects, deadlines, back-off, preStop, termination grace, DNS TTL,
affinity and idle time-outs.
"""

from dataclasses import dataclass

TIMEOUT_FLOOR_S = 0.2
"""A time-out stops shrinking here: below it a busy machine, not the emulated one, would fail it."""


@dataclass(frozen=True, slots=True)
class Speed:
    """A factor of at least 1; 1 is real time."""

    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.factor <= 1000.0:
            raise ValueError(f"speed: must be between 1 and 1000, got {self.factor:g}")

    def duration_s(self, configured_s: float) -> float:
        """A period, grace or toleration as it runs here."""
        return configured_s / self.factor

    def timeout_s(self, configured_s: float) -> float:
        """A probe's or health check's time-out as it runs here; never shrunk below 0.2 s."""
        return max(configured_s / self.factor, min(configured_s, TIMEOUT_FLOOR_S))

    def rate_per_s(self, configured_per_s: float) -> float:
        """A rate such as the eviction rate as it runs here."""
        return configured_per_s * self.factor
