"""What judges share."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from emucluster.experiment import hypothesis_spec as asked
from emucluster.experiment.history import CallRecord, History
from emucluster.experiment.verdict import EVIDENCE_MAX, Answer, Evidence, Stretch, Verdict, worst


@dataclass(frozen=True, slots=True)
class Context:
    """A run to be judged; see `hypotheses.judge`."""

    history: History
    divisor: float
    clean: bool | None

    def bound_s(self, configured_s: float) -> float:
        """A bound on a time, as it holds in this run."""
        return configured_s / self.divisor

    def calls(self, about: Any) -> list[CallRecord]:
        """Calls of the hypothesis' phases and group, by when they were due."""
        return self.history.calls_in(about.over, group=about.group)


def verdict(
    about: Any,
    answer: Answer,
    words: str,
    found: str,
    *,
    value: float | None = None,
    bound: float | None = None,
    evidence: Evidence | None = None,
) -> Verdict:
    """A verdict on `about`, which is called by its words where it has no name."""
    group = getattr(about, "group", "")
    whose = f" of {group}" if group else ""
    return Verdict(
        name=about.name or f"{words}{whose}",
        kind=str(about.__struct_config__.tag),
        answer=answer,
        asked=f"{words}{whose}",
        found=found,
        phases=tuple(getattr(about, "over", ())),
        group=group,
        value=value,
        bound=bound,
        evidence=evidence or Evidence(),
    )


def continuously(
    about: asked.Availability | asked.Latency,
    context: Context,
    judge: Callable[[Sequence[CallRecord]], Verdict],
) -> Verdict:
    """Judge each stretch of `every`: it fails if one does, and is unknown if none can be told."""
    assert about.every_s is not None
    calls = context.calls(about)
    due_s = [call.intended_s for call in calls]
    parts: list[tuple[Stretch, Verdict]] = []
    for span in context.history.spans(about.over):
        start_s = span.start_s
        while start_s + about.every_s <= span.end_s + 1e-9:
            end_s = start_s + about.every_s
            found = judge(calls[bisect_left(due_s, start_s) : bisect_left(due_s, end_s)])
            parts.append(
                (
                    Stretch(start_s=start_s, end_s=end_s, what=found.answer, value=found.value),
                    found,
                )
            )
            start_s = end_s
    failed = [stretch for stretch, part in parts if part.answer == "fail"]
    told = [part for _, part in parts if part.answer != "unknown"]
    answer = worst(part.answer for part in told) if told else "unknown"
    values = [part.value for part in told if part.value is not None]
    is_share = isinstance(about, asked.Availability)
    value = (min(values) if is_share else max(values)) if values else None
    words = f"{judge([]).asked}, in every {about.every_s:g} s"
    numbers: dict[str, float | None] = {
        "stretches": len(parts),
        "stretches_failed": len(failed),
        "stretches_unknown": len(parts) - len(told),
        "worst": value,
    }
    if is_share:
        numbers |= judge(calls).evidence.numbers | _worst_budget([part for _, part in parts])
    return verdict(
        about,
        answer,
        words.replace(f" of {about.group}", "") if about.group else words,
        f"{len(failed)} of {len(parts)} stretches fail, {len(parts) - len(told)} cannot be told",
        value=value,
        bound=float(about.at_least if isinstance(about, asked.Availability) else about.at_most_s),
        evidence=Evidence(numbers=numbers, stretches=tuple(failed[:EVIDENCE_MAX])),
    )


def _worst_budget(parts: Sequence[Verdict]) -> dict[str, float | None]:
    spent = [part.evidence.numbers["budget_spent_share"] for part in parts]
    return {"worst_stretch_spent_share": max((s for s in spent if s is not None), default=None)}


def percent(share: float) -> str:
    """`99.95 %`, of what was measured: two digits, or as many as tell it from 100 % and 0 %."""
    for digits in range(2, 8):
        text = f"{share * 100:.{digits}f}"
        rounded_away = (float(text) == 100 and share != 1) or (float(text) == 0 and share != 0)
        if not rounded_away:
            return f"{text.rstrip('0').rstrip('.')} %"
    return f"{share * 100!r} %"


def exact_percent(share: float) -> str:
    """`99.995 %`, of what was asked: all digits that it has."""
    return f"{share * 100:.10g} %"


def seconds(value_s: float) -> str:
    """`1.25 s` or `12.5 ms`."""
    return f"{value_s:.4g} s" if value_s >= 1 else f"{value_s * 1000:.4g} ms"
