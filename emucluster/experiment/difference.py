"""Two runs compared."""

from __future__ import annotations

from msgspec import Struct

from emucluster.experiment.result import GroupPhase, RunResult
from emucluster.experiment.stats import Interval
from emucluster.experiment.verdict import Answer, Overall, worst


class NumberChange(Struct, frozen=True, kw_only=True):
    """A number in both runs; None where a run does not have it.

    Attributes:
        kind: of the hypothesis whose value it is; empty for other numbers.
        is_clear: the intervals of the two do not meet; False where there is none to tell by.
    """

    name: str
    kind: str = ""
    before: float | None
    after: float | None
    is_clear: bool


class VerdictChange(Struct, frozen=True, kw_only=True):
    """A hypothesis in both runs, the worst of its trials; None where a run does not have it."""

    name: str
    before: Answer | None
    after: Answer | None


class Diff(Struct, frozen=True, kw_only=True):
    """What differs between two runs.

    Attributes:
        same_plan: all digests are equal: the same targets, times and magnitudes.
        same_hypotheses: the same questions, text for text.
        settings: fields of the experiments that differ, as `path: before -> after`.
        numbers: all that both have, `verdicts` likewise, changed or not.
        trials: of the run that has fewer.
    """

    before: Overall
    after: Overall
    same_plan: bool
    same_hypotheses: bool
    settings: tuple[str, ...]
    verdicts: tuple[VerdictChange, ...]
    numbers: tuple[NumberChange, ...]
    trials: int = 1

    @property
    def is_worse(self) -> bool:
        """Whether a hypothesis that held does so no more."""
        return any(v.before == "pass" and v.after == "fail" for v in self.verdicts)


def diff(before: RunResult, after: RunResult) -> Diff:
    """Compare two runs, of one experiment or of trouble and cure."""
    return Diff(
        before=before.overall,
        after=after.overall,
        same_plan=[t.digest for t in before.trials] == [t.digest for t in after.trials],
        same_hypotheses=before.experiment.get("hypotheses") == after.experiment.get("hypotheses"),
        settings=tuple(_settings("", before.experiment, after.experiment)),
        verdicts=_verdicts(before, after),
        numbers=_numbers(before, after),
        trials=min(len(before.trials), len(after.trials)),
    )


def _settings(path: str, before: object, after: object) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after}, key=str)
        return [
            line
            for key in keys
            for line in _settings(f"{path}.{key}" if path else key, before.get(key), after.get(key))
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for i, (b, a) in pairs for line in _settings(f"{path}[{i}]", b, a)]
    return [] if before == after else [f"{path}: {_short(before)} -> {_short(after)}"]


def _short(value: object) -> str:
    text = "none" if value is None else str(value) or "empty"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _verdicts(before: RunResult, after: RunResult) -> tuple[VerdictChange, ...]:
    old, new = _answers(before), _answers(after)
    names = dict.fromkeys([*old, *new])
    return tuple(
        VerdictChange(name=name, before=old.get(name), after=new.get(name)) for name in names
    )


def _answers(result: RunResult) -> dict[str, Answer]:
    found: dict[str, list[Answer]] = {}
    for _trial, verdict in result.verdicts:
        found.setdefault(verdict.name, []).append(verdict.answer)
    return {name: worst(answers) for name, answers in found.items()}


def _numbers(before: RunResult, after: RunResult) -> tuple[NumberChange, ...]:
    names = dict.fromkeys([*before.distributions, *after.distributions])
    kinds = {f"verdict/{v.name}": v.kind for _, v in (*before.verdicts, *after.verdicts)}
    found: list[NumberChange] = []
    for name in names:
        old, new = before.distributions.get(name), after.distributions.get(name)
        found.append(
            NumberChange(
                name=name,
                kind=kinds.get(name, ""),
                before=old.median if old else None,
                after=new.median if new else None,
                is_clear=_apart(_interval(before, name), _interval(after, name)),
            )
        )
    return tuple(found)


def _interval(result: RunResult, name: str) -> Interval | None:
    """Of several trials the bootstrap's; of one trial Wilson's, which only shares have."""
    found = result.distributions.get(name)
    if found is None:
        return None
    if len(found.values) > 1:
        return found.confidence
    rows: dict[str, GroupPhase] = {
        f"{row.group}/{row.phase}/availability": row for t in result.trials for row in t.groups
    }
    return rows[name].calls.interval if name in rows else None


def _apart(one: Interval | None, other: Interval | None) -> bool:
    if one is None or other is None:
        return False
    return one.high < other.low or other.high < one.low
