"""summary.md: short, for the page that a CI server shows of a job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from emucluster.core.printable import printable
from emucluster.experiment.result import GroupPhase, RunResult
from emucluster.report.headline import Asked, asked, decisive, headline, over, trial_of
from emucluster.report.notes import notes
from emucluster.report.words import count, interval, percent, seconds

MARKS = {"pass": "✅", "fail": "❌", "unknown": "❔", "invalid": "⚠️"}

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!])")


def markdown(result: RunResult) -> str:
    """Verdict, hypotheses, a table of the client groups, and how to run it again."""
    head = headline(result)
    parts = [
        f"## {MARKS[head.overall]} {escaped(result.name)}: {head.overall}",
        escaped(f"{head.tally} {head.why}"),
        escaped(result.story),
        _hypotheses(result),
        _groups(result),
        _rerun(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty without rows. Cells are texts, not Markdown."""
    lines = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}", *lines])


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", _line(text))


def _line(text: str) -> str:
    return " ".join(printable(text).split())


def _hypotheses(result: RunResult) -> str:
    rows = [
        (
            f"{MARKS[one.answer]} {one.answer}",
            one.verdict.name,
            over(one.verdict),
            one.verdict.asked,
            _found(one, len(result.trials)),
        )
        for one in asked(result.trials)
    ]
    return table(["answer", "hypothesis", "phases", "asked", "found"], rows)


def _found(one: Asked, trials: int) -> str:
    over_trials = one.over_trials
    return (
        f"{one.verdict.found} ({trial_of(one.trial, trials)}); {over_trials}"
        if over_trials
        else one.verdict.found
    )


def _groups(result: RunResult) -> str:
    """Of the trial that decided."""
    trial = decisive(result)
    if trial is None:
        return ""
    header = ["clients", "phase", "calls", "failed", "unknown", "available", "95 %", "p50", "p99"]
    number = trial_of(trial.number, len(result.trials)).capitalize()
    parts = [
        f"{number}:" if len(result.trials) > 1 else "",
        "\n".join(f"- {escaped(note)}" for note in notes(trial)),
        table(header, [_group(row) for row in trial.groups]),
    ]
    return "\n\n".join(part for part in parts if part)


def _group(row: GroupPhase) -> tuple[str, ...]:
    calls = row.calls
    return (
        row.group,
        "whole run" if row.phase == "run" else row.phase,
        count(calls.total),
        count(calls.failed),
        count(calls.unknown),
        percent(calls.share),
        interval(calls.interval) if calls.total else "",
        seconds(row.latency.p50_s),
        seconds(row.latency.p99_s),
    )


def _rerun(result: RunResult) -> str:
    if not result.rerun:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", result.rerun)), default=2))
    return f"Again with the same plan:\n\n{fence}\n{_line(result.rerun)}\n{fence}"
