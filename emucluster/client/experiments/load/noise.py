"""The scatter of the median latency where nothing is broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from msgspec.structs import replace

from emucluster.experiment.history import CallRecord
from emucluster.experiment.spec import ClientGroup, Constant

RATE_PER_S = 80.0
BATCHES = 5
BATCH_MIN = 4
LEAST_S, MOST_S = 1.5, 8.0
MARGIN = 1.25
"""So many more calls than are needed: some may not be answered."""


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """Measured before a run, on each group's own path, at a low rate and without faults.

    Attributes:
        median_s: latency of the answered calls, by group; groups with fewer than 20 of them are
            left out.
        scatter_s: by group: its calls are cut into five consecutive batches of equal size, and this
            is how far the median of one of them lies from the median of all, at the most.
        unmeasured: the groups that are left out.
    """

    median_s: dict[str, float] = field(default_factory=dict)
    scatter_s: dict[str, float] = field(default_factory=dict)
    unmeasured: tuple[str, ...] = ()

    @property
    def floor_s(self) -> float | None:
        """The largest scatter of any group, for `Environment.noise_floor_s`; None: not measured."""
        return max(self.scatter_s.values(), default=None)


def quiet(group: ClientGroup) -> ClientGroup:
    """The group at a low rate, everything else the same. A slow one stays at its own rate."""
    rate_per_s = min(group.rate_per_s_max or RATE_PER_S, RATE_PER_S)
    return replace(group, arrival=Constant(rate_per_s=rate_per_s))


def takes_s(groups: Sequence[ClientGroup]) -> float:
    """How long to measure, so that the slowest of `quiet` groups has calls enough, if it can."""
    needed = MARGIN * BATCHES * BATCH_MIN
    rates_per_s = [group.rate_per_s_max or RATE_PER_S for group in groups]
    return min(MOST_S, max([LEAST_S, *(needed / rate for rate in rates_per_s)]))


def noise_floor(calls: Iterable[CallRecord], groups: Iterable[str]) -> NoiseFloor:
    """From calls in the order of when they were due; those that were not answered say nothing."""
    latencies_s: dict[str, list[float]] = {}
    for call in calls:
        if call.ok and call.latency_s is not None:
            latencies_s.setdefault(call.group, []).append(call.latency_s)
    median_s: dict[str, float] = {}
    scatter_s: dict[str, float] = {}
    for group, values in latencies_s.items():
        size = len(values) // BATCHES
        if size >= BATCH_MIN:
            middle = median_s[group] = median(values)
            batches = (values[n * size : (n + 1) * size] for n in range(BATCHES))
            scatter_s[group] = max(abs(median(batch) - middle) for batch in batches)
    return NoiseFloor(
        median_s, scatter_s, tuple(group for group in groups if group not in scatter_s)
    )
