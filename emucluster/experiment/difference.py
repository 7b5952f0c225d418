"""Two runs compared."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from msgspec import Struct

from emucluster.experiment.reading import in_words
from emucluster.experiment.result import GroupPhase, RunResult
from emucluster.experiment.stats import Interval
from emucluster.experiment.verdict import Answer, Overall, worst

TEXT_MAX = 60
"""Of longer values only so many characters are shown."""


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
        settings=tuple(_settings("", in_words(before.experiment), in_words(after.experiment))),
        verdicts=_verdicts(before, after),
        numbers=_numbers(before, after),
        trials=min(len(before.trials), len(after.trials)),
    )


def _settings(path: str, before: object, after: object) -> list[str]:
    """`path: before -> after` of each value within that differs."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after}, key=str)
        return [
            line
            for key in keys
            for line in _settings(f"{path}.{key}" if path else key, before.get(key), after.get(key))
        ]
    if isinstance(before, list) and isinstance(after, list):
        return [
            line
            for index, old, new in sorted(_paired(before, after), key=lambda pair: pair[0])
            for line in (_settings if _are_of_a_kind(old, new) else _whole)(
                f"{path}[{index}]", old, new
            )
        ]
    return _whole(path, before, after)


def _whole(path: str, before: object, after: object) -> list[str]:
    old, new = _told_apart(_text(before), _text(after))
    return [f"{path}: {old} -> {new}"]


def _paired(before: list[Any], after: list[Any]) -> Iterator[tuple[int, object, object]]:
    """Which of one list became which of the other: index, before and after; None: it has none.

    What is the same stays itself when others come or go before it. Of the rest those of a kind are
    pairs, in their order, and then those in the same place.
    """
    old, new = (
        [json.dumps(one, sort_keys=True, default=str) for one in s] for s in (before, after)
    )
    for what, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        gone, come = list(range(i1, i2)), list(range(j1, j2))
        for is_pair in (lambda i, j: _are_of_a_kind(before[i], after[j]), operator.eq):
            for i in tuple(gone):
                j = next((j for j in come if is_pair(i, j)), None)
                if j is not None:
                    gone.remove(i)
                    come.remove(j)
                    yield i, before[i], after[j]
        yield from ((i, before[i], None) for i in gone)
        yield from ((j, None, after[j]) for j in come)


def _are_of_a_kind(one: object, other: object) -> bool:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return type(one) is type(other)
    return one.get("kind") == other.get("kind")


def _text(value: object) -> str:
    """A value as a file would have it, on one line; of a mapping what says something."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.10g}"
        case dict():
            said = {
                key: one for key, one in value.items() if one not in (None, "", {}, [])
            } or value
            return f"{{{', '.join(f'{key}: {_text(one)}' for key, one in said.items())}}}"
        case list():
            return f"[{', '.join(_text(one) for one in value)}]"
        case _:
            return str(value) or "empty"


def _told_apart(before: str, after: str) -> tuple[str, str]:
    """Both cut to what is short, around where they begin to differ."""
    pairs = enumerate(zip(before, after, strict=False))
    same = next((i for i, (b, a) in pairs if b != a), min(len(before), len(after)))
    return _short(before, same), _short(after, same)


def _short(text: str, same: int) -> str:
    if len(text) <= TEXT_MAX:
        return text
    start = max(0, same - TEXT_MAX // 2) if same > TEXT_MAX - 10 else 0
    shown = text[start : start + TEXT_MAX]
    return f"{'...' if start else ''}{shown}{'...' if start + TEXT_MAX < len(text) else ''}"


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
