"""How many calls succeeded, and what is left of an error budget."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from emucluster.experiment.history import CallRecord
from emucluster.experiment.stats import Interval, wilson


class Availability(Struct, frozen=True, kw_only=True):
    """Counts of calls by outcome.

    Attributes:
        total: all of them.
        ok: those that succeeded.
        failed: those that were definitely not executed.
        unknown: those that may have been executed.
        share: ok of all; None of no calls.
        interval: Wilson's, of `share`, 95 %.
    """

    total: int
    ok: int
    failed: int
    unknown: int
    share: float | None
    interval: Interval

    @property
    def lost(self) -> int:
        return self.failed + self.unknown


class ErrorBudget(Struct, frozen=True, kw_only=True):
    """What an objective allows to be lost, and what was.

    Attributes:
        allowed: calls; not whole.
        spent_share: lost of allowed, 1 when it is used up; None where nothing was allowed or asked.
    """

    objective: float
    allowed: float
    lost: int
    spent_share: float | None


def availability(calls: Iterable[CallRecord]) -> Availability:
    """Source: Site Reliability Engineering, chapter 3: successful requests of all requests."""
    counts = {"ok": 0, "failed": 0, "unknown": 0}
    for call in calls:
        counts[call.outcome] += 1
    total = sum(counts.values())
    return Availability(
        total=total,
        ok=counts["ok"],
        failed=counts["failed"],
        unknown=counts["unknown"],
        share=counts["ok"] / total if total else None,
        interval=wilson(counts["ok"], total),
    )


def error_budget(found: Availability, objective: float) -> ErrorBudget:
    """What `objective` (such as 0.999) leaves of `found`."""
    allowed = (1 - objective) * found.total
    return ErrorBudget(
        objective=objective,
        allowed=allowed,
        lost=found.lost,
        spent_share=found.lost / allowed if allowed > 0 else None,
    )
