"""How long calls took, from when they were due."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from emucluster.experiment.history import CallRecord
from emucluster.experiment.stats import quantile


class Latency(Struct, frozen=True, kw_only=True):
    """Of calls that succeeded, in seconds; None of none.

    Attributes:
        calls: how many those are.
        left_out: calls without success, which have no latency here.
        p50_s, p90_s, p99_s, p999_s: quantiles, by nearest rank.
        max_s, mean_s: of all of them.
    """

    calls: int
    left_out: int
    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None
    p999_s: float | None = None
    max_s: float | None = None
    mean_s: float | None = None


def latencies_s(calls: Iterable[CallRecord]) -> list[float]:
    """Latencies of calls that succeeded, ascending, each from its intended start."""
    return sorted(call.ended_s - call.intended_s for call in calls if call.ok and call.ended_s)


def latency(calls: Iterable[CallRecord]) -> Latency:
    """Quantiles by nearest rank: each is a latency that a call really had."""
    calls = list(calls)
    found = latencies_s(calls)
    left_out = len(calls) - len(found)
    if not found:
        return Latency(calls=0, left_out=left_out)
    return Latency(
        calls=len(found),
        left_out=left_out,
        p50_s=quantile(found, 0.5),
        p90_s=quantile(found, 0.9),
        p99_s=quantile(found, 0.99),
        p999_s=quantile(found, 0.999),
        max_s=found[-1],
        mean_s=math.fsum(found) / len(found),
    )
