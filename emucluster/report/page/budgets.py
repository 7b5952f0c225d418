"""How much of what an availability allows to be lost was lost."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from emucluster.experiment.result import Trial
from emucluster.experiment.verdict import Verdict
from emucluster.report.words import count, percent


class Budget(Struct, frozen=True, kw_only=True):
    """What an availability that was asked for allowed to be lost.

    Attributes:
        told: how much was lost and allowed, in words.
        width: of the bar, in per cent; 100 where all is spent, and more.
    """

    name: str
    objective: str
    told: str
    width: float
    is_over: bool


def budgets(trial: Trial) -> Iterator[Budget]:
    """Of every hypothesis about availability, over all calls that it is about."""
    for verdict in trial.verdicts:
        if verdict.kind == "availability" and verdict.bound is not None:
            found = _budget(verdict, verdict.bound)
            if found is not None:
                yield found


def _budget(verdict: Verdict, objective: float) -> Budget | None:
    numbers = verdict.evidence.numbers
    allowed, spent = numbers.get("budget_allowed_calls"), numbers.get("budget_spent_share")
    if allowed is None or not numbers.get("calls"):
        return None
    lost = (numbers.get("failed") or 0) + (numbers.get("unknown") or 0)
    if spent is None:
        told = f"{count(lost)} lost, and none may be"
        width = 100.0 if lost else 0.0
    else:
        told = f"{count(lost)} lost of {allowed:,.1f} allowed: {_share(spent)} spent"
        width = round(min(100.0, 100 * spent), 1)
    worst = numbers.get("worst_stretch_spent_share")
    if worst is not None:
        told += f"; worst stretch {_share(worst)}"
    return Budget(
        name=verdict.name,
        objective=percent(objective),
        told=told,
        width=width,
        is_over=lost > allowed,
    )


def _share(spent: float) -> str:
    return f"{spent * 100:,.0f} %"
