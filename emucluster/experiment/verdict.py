"""What was asked, what was found, and what decided it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field

from emucluster.experiment.history import CallRecord

Answer = Literal["pass", "fail", "unknown"]
Overall = Literal["pass", "fail", "unknown", "invalid"]

EXIT_CODES: dict[Overall, int] = {"pass": 0, "fail": 1, "unknown": 2, "invalid": 2}
EVIDENCE_MAX = 20
"""Calls and stretches that are kept as evidence; the counts are of all."""


class Stretch(Struct, frozen=True, kw_only=True):
    """A stretch of time that decided, and the value in it. Wall clock.

    Attributes:
        start_s, end_s: wall clock, seconds since the epoch.
        what: what there was in it, in words.
        value: what was measured in it; None: nothing.
    """

    start_s: float
    end_s: float
    what: str = ""
    value: float | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """What a verdict rests on.

    Attributes:
        numbers: by name, with the unit in the name.
        calls: ids of calls that decided, the first `EVIDENCE_MAX` of them.
        stretches: times that decided.
    """

    numbers: dict[str, float | None] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """One hypothesis judged.

    Attributes:
        name: of the hypothesis; with `phases` it tells it from others.
        kind: of the hypothesis.
        answer: `unknown` where there was too little to tell.
        asked: in words, with the bound.
        found: in words, with the value.
        phases: that it is about; empty: what is so after the run.
        group: the client group that it is about; empty: all.
        value, bound: what was compared, in the unit that `asked` names; None where nothing was.
        evidence: what the answer rests on.
    """

    name: str
    kind: str
    answer: Answer
    asked: str
    found: str
    phases: tuple[str, ...] = ()
    group: str = ""
    value: float | None = None
    bound: float | None = None
    evidence: Evidence = field(default_factory=Evidence)


def call_ids(calls: Iterable[CallRecord]) -> tuple[str, ...]:
    """Ids for evidence."""
    return tuple(call.id for call in list(calls)[:EVIDENCE_MAX])


def worst(answers: Iterable[Answer]) -> Answer:
    """fail before unknown before pass; pass of none."""
    found = set(answers)
    if "fail" in found:
        return "fail"
    return "unknown" if "unknown" in found else "pass"


def overall(verdicts: Sequence[Verdict], invalid_reasons: Sequence[str]) -> Overall:
    """What a run comes to.

    A run that proves nothing is invalid, whatever its verdicts; one without hypotheses is unknown,
    for nothing was asked.
    """
    if invalid_reasons:
        return "invalid"
    if not verdicts:
        return "unknown"
    return worst(verdict.answer for verdict in verdicts)
