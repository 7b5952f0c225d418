"""What a run came to, in one word and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from emucluster.experiment.result import RunResult, Trial
from emucluster.experiment.verdict import Answer, Overall, Verdict, worst
from emucluster.report.words import plural, verdict_value

TITLES: dict[Overall, str] = {
    "pass": "Pass: every hypothesis held",
    "fail": "Fail: a hypothesis did not hold",
    "unknown": "Unknown: this run cannot tell",
    "invalid": "Invalid: this run proves nothing",
}


AFTER_A_LIMIT = (
    "It was the machine that was too slow, not the cluster: take a lower rate or fewer clients, "
    "let less run beside it (other experiments too), or take a machine with more free processors."
)
"""What to do where a trial is invalid for nothing but the machine's limits."""

REASONS_MAX = 3
"""So many reasons of an invalid trial are told in full; the page and results.json have all."""


class Headline(Struct, frozen=True, kw_only=True):
    """What a report opens with.

    Attributes:
        title: the verdict in words; `why`: the sentence that explains it.
        tally: how many hypotheses did not hold, as a sentence; empty unless several did not.
    """

    overall: Overall
    title: str
    why: str
    tally: str = ""


class Asked(Struct, frozen=True, kw_only=True):
    """One hypothesis over all trials; the shown verdict is the first of the worst ones.

    Attributes:
        trial: which one it is of, counted from 0.
        answers: how many trials had each answer.
        values: what valid trials measured, in their order.
    """

    answer: Answer
    verdict: Verdict
    trial: int
    answers: dict[Answer, int]
    values: tuple[float, ...] = ()

    @property
    def over_trials(self) -> str:
        """`pass 3, fail 1 of 4 trials; median 99 % (98 % to 99.5 %)`; empty for a single trial."""
        trials = sum(self.answers.values())
        if trials < 2:
            return ""
        answers = ", ".join(f"{answer} {number}" for answer, number in self.answers.items())
        if not self.values:
            return f"{answers} of {trials} trials"
        middle, low, high = (
            verdict_value(self.verdict.kind, value)
            for value in (median(self.values), min(self.values), max(self.values))
        )
        return f"{answers} of {trials} trials; median {middle} ({low} to {high})"


def headline(result: RunResult) -> Headline:
    """The verdict, and what decided it."""
    return Headline(
        overall=result.overall,
        title=_title(result),
        why=_why(result) + _weight(result),
        tally=_tally(result),
    )


def decisive(result: RunResult) -> Trial | None:
    """The first trial that came out as the whole run did."""
    return next((t for t in result.trials if t.overall == result.overall), None)


def trial_of(number: int, trials: int) -> str:
    """`trial 1 of 2`, as people count."""
    return f"trial {number + 1} of {trials}"


def _title(result: RunResult) -> str:
    tally = _tally(result)
    return f"Fail: {tally.removesuffix('.')}" if tally else TITLES[result.overall]


def _tally(result: RunResult) -> str:
    if result.overall != "fail":
        return ""
    answers = [one.answer for one in asked(_valid(result.trials))]
    failed = answers.count("fail")
    return f"{failed} of {len(answers)} hypotheses did not hold." if failed > 1 else ""


def _valid(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.overall != "invalid"]


def asked(trials: Sequence[Trial]) -> list[Asked]:
    """Every hypothesis once, in the experiment's order."""
    found: dict[str, list[tuple[int, Verdict]]] = {}
    for trial in trials:
        for index, verdict in enumerate(trial.verdicts):
            found.setdefault(f"{index} {verdict.name}", []).append((trial.number, verdict))
    valid = {trial.number for trial in _valid(trials)}
    return [_asked(verdicts, valid) for verdicts in found.values()]


def _asked(verdicts: list[tuple[int, Verdict]], valid: set[int]) -> Asked:
    answer = worst(verdict.answer for _, verdict in verdicts)
    trial, shown = next(one for one in verdicts if one[1].answer == answer)
    answers: dict[Answer, int] = {}
    for _, verdict in verdicts:
        answers[verdict.answer] = answers.get(verdict.answer, 0) + 1
    values = tuple(v.value for number, v in verdicts if number in valid and v.value is not None)
    return Asked(answer=answer, verdict=shown, trial=trial, answers=answers, values=values)


def _why(result: RunResult) -> str:
    alike = [trial for trial in result.trials if trial.overall == result.overall]
    if result.overall == "invalid":
        first = next((trial for trial in alike if trial.invalid_reasons), None)
        if first is None:
            return "No reason was recorded."
        advice = f" {AFTER_A_LIMIT}" if first.limited else ""
        return _reasons(first.invalid_reasons) + advice
    if result.overall == "pass":
        number = len(alike[0].verdicts) if alike else 0
        return f"{plural(number, 'hypothesis', 'hypotheses')} asked, and all held."
    for trial in alike:
        for verdict in trial.verdicts:
            if verdict.answer == result.overall:
                return _decided_by(verdict)
    return "No trial was run." if not result.trials else "Nothing was asked."


def _decided_by(verdict: Verdict) -> str:
    """`Asked: name (phases): bound. Found: value.`; what has no name is called by what it asked."""
    asked = "" if verdict.name == verdict.asked else f": {verdict.asked}"
    return f"Asked: {_ended(told(verdict) + asked)} Found: {_ended(verdict.found)}"


def told(verdict: Verdict) -> str:
    """The hypothesis by its name, and the phases if it is not about all of them."""
    return verdict.name if len(verdict.phases) in (0, 4) else f"{verdict.name} ({over(verdict)})"


def over(verdict: Verdict) -> str:
    """The phases that a verdict is about."""
    if not verdict.phases:
        return "after the run"
    return "whole run" if len(verdict.phases) == 4 else ", ".join(verdict.phases)


def _weight(result: RunResult) -> str:
    total = len(result.trials)
    if total < 2:
        return ""
    alike = sum(trial.overall == result.overall for trial in result.trials)
    limited = sum(trial.limited for trial in result.trials)
    again = ""
    if limited and result.overall != "invalid":
        was = "was" if limited == 1 else "were"
        again = f" {plural(limited, 'trial')} {was} limited by the emulator and repeated."
    return f" So it was in {alike} of {total} trials.{again}"


def _reasons(reasons: Sequence[str]) -> str:
    more = len(reasons) - REASONS_MAX
    told = " ".join(_sentence(reason) for reason in reasons[:REASONS_MAX])
    return f"{told} And {plural(more, 'more reason')}." if more > 0 else told


def _sentence(text: str) -> str:
    return _ended(f"{text[:1].upper()}{text[1:]}")


def _ended(text: str) -> str:
    return f"{text}{'' if text.endswith(('.', '?', '!')) else '.'}"
