"""Two runs compared, as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from emucluster.core.printable import printable
from emucluster.experiment.difference import Diff, NumberChange
from emucluster.report.markdown import escaped, table
from emucluster.report.words import NONE, measure, plural, verdict_value

LONELY_MAX = 8
"""More numbers than so many that only one run has are counted and not shown."""

_Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]


def difference_markdown(found: Diff) -> str:
    """What differs: the verdict, settings, hypotheses, then numbers that changed."""
    return _parts(found, f"## {found.before} → {found.after}", table, escaped)


def difference_text(found: Diff) -> str:
    """The same for people at a terminal: texts as they are, columns that line up."""
    return _parts(found, f"{found.before} -> {found.after}", _aligned, printable)


def _parts(found: Diff, title: str, table: _Table, shown: Callable[[str], str]) -> str:
    parts = [
        title,
        _sameness(found),
        "\n".join(f"- {shown(line)}" for line in found.settings),
        table(
            ["hypothesis", "before", "after"],
            [(v.name, v.before or NONE, v.after or NONE) for v in found.verdicts],
        ),
        _numbers(found, table),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _aligned(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty without rows."""
    lines = [[printable(cell) for cell in row] for row in (header, *rows)]
    if len(lines) == 1:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _sameness(found: Diff) -> str:
    plan = "The same plan" if found.same_plan else "Different plans (targets, times or magnitudes)"
    asked = "the same hypotheses" if found.same_hypotheses else "different hypotheses"
    return f"{plan}, {asked}."


def _numbers(found: Diff, table: _Table) -> str:
    changed = [n for n in found.numbers if n.before != n.after]
    lonely = _lonely(found.numbers)
    if len(lonely) > LONELY_MAX:
        changed = [n for n in changed if n not in lonely]
    rows = [(_name(n), _value(n, n.before), _value(n, n.after), _clear(n)) for n in changed]
    same = sum(n.before == n.after for n in found.numbers)
    told = table(["median of trials", "before", "after", "beyond chance"], rows)
    few = rows and found.trials < 2
    parts = (
        told,
        _summed_up(lonely) if len(lonely) > LONELY_MAX else "",
        f"{plural(same, 'number')} {'is' if same == 1 else 'are'} equal." if same else "",
        "Of a single trial only shares tell what is beyond chance; run with --trials."
        if few
        else "",
    )
    return "\n\n".join(part for part in parts if part)


def _lonely(numbers: Sequence[NumberChange]) -> list[NumberChange]:
    """Those of hypotheses and client groups of which the other run has no number at all."""
    before = {_whose(n) for n in numbers if n.before is not None}
    after = {_whose(n) for n in numbers if n.after is not None}
    return [n for n in numbers if _whose(n) not in before & after]


def _whose(number: NumberChange) -> str:
    return number.name if number.kind else number.name.partition("/")[0]


def _summed_up(lonely: Sequence[NumberChange]) -> str:
    """`20 numbers are in one run only: before lb and 2 hypotheses, after web.`"""
    sides = []
    for side in ("before", "after"):
        own = [n for n in lonely if getattr(n, side) is not None]
        groups = dict.fromkeys(_whose(n) for n in own if not n.kind)
        asked = sum(bool(n.kind) for n in own)
        names = [*groups, *([plural(asked, "hypothesis", "hypotheses")] if asked else [])]
        if names:
            sides.append(f"{side} {printable(', '.join(names))}")
    return f"{plural(len(lonely), 'number')} are in one run only: {'; '.join(sides)}."


def _name(change: NumberChange) -> str:
    return change.name.removeprefix("verdict/") if change.kind else change.name


def _value(change: NumberChange, value: float | None) -> str:
    if change.kind and value is not None:
        return verdict_value(change.kind, value)
    return measure(change.name, value)


def _clear(change: NumberChange) -> str:
    if change.before is None or change.after is None:
        return "in one run only"
    return "yes" if change.is_clear else "cannot be told"
