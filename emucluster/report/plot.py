"""Calls a second over time as a small picture of characters."""

from __future__ import annotations

import math
from bisect import bisect_right

import plotext
from rich.text import Text

from emucluster.experiment.history import History
from emucluster.experiment.measures.rates import Rates, edges, rates_between
from emucluster.report.words import shown

HEIGHT = 12
LABEL = 6
FRAME = LABEL + 2
"""Columns that are not the plot's own: labels and a line on either side."""

CALLS_PER_BIN = 10
"""So many on average, or the picture shows chance and no rate, but for at least `BINS_MIN` bins."""
BINS_MIN = 10
FAULTS_MAX = 4
OUTCOMES = ("ok", "unknown", "failed")
MARKS = {"ok": "█", "unknown": "▒", "failed": "░"}
ASCII_MARKS = {"ok": "#", "unknown": "?", "failed": "x"}
STYLES = {"ok": "blue", "unknown": "yellow", "failed": "red"}
_FRAME = str.maketrans("┌┐└┘│─┬┴├┤┼", "++++|-+++++")


def rate_plot(history: History, *, width: int, is_ascii: bool) -> Text | None:
    """Outcomes of all groups, stacked, with the faults above; None where there is nothing to draw.

    Outcomes differ by their characters, so that colour only helps. Bins are as many columns wide as
    hold some calls, and begin with phases and faults.
    """
    columns = width - FRAME
    if not history.phases or not history.calls or columns < 10:
        return None
    duration_s = history.end_s - history.start_s
    if duration_s <= 0:
        return None
    found = _by_column(history, columns)
    marks = ASCII_MARKS if is_ascii else MARKS
    text = Text()
    for line in fault_lines(history, columns, is_ascii=is_ascii):
        text.append(f"{' ' * (LABEL + 1)}{line}\n", style="bold")
    for row in _rows(found, duration_s, width, marks):
        text.append_text(_coloured(row.translate(_FRAME) if is_ascii else row, marks))
    legend = "   ".join(f"{marks[outcome]} {outcome}" for outcome in OUTCOMES)
    text.append(f"{' ' * (LABEL + 1)}{legend}   calls/s over seconds since the start", "dim")
    return text


def _by_column(history: History, columns: int) -> list[Rates]:
    """What each column shows: the rates of the bin in which its middle is."""
    start_s, end_s = history.start_s, history.end_s
    column_s = (end_s - start_s) / columns
    calls = history.calls_in()
    bin_columns = math.ceil(CALLS_PER_BIN * columns / max(1, len(calls)))
    width_s = column_s * min(bin_columns, max(1, columns // BINS_MIN))
    at_s = edges(start_s, end_s, width_s=width_s, moments=moments(history))
    found = rates_between(calls, at_s)
    middles = (start_s + (column + 0.5) * column_s for column in range(columns))
    return [found[min(len(found), bisect_right(at_s, middle_s)) - 1] for middle_s in middles]


def moments(history: History) -> list[float]:
    """When phases and faults began and faults ended."""
    found = [span.start_s for span in history.phases]
    found += [at_s for f in history.faults if (at_s := f.in_force_from_s) is not None]
    found += [f.ended_s for f in history.faults if f.in_force_from_s and f.ended_s is not None]
    return found


def _rows(found: list[Rates], duration_s: float, width: int, marks: dict[str, str]) -> list[str]:
    """The rows of the plot, without colours. What lies above is drawn first, and covered below."""
    columns = width - FRAME
    heights = [0.0] * len(found)
    stack: list[tuple[str, list[float]]] = []
    for outcome in OUTCOMES:
        added = [getattr(rates, outcome) for rates in found]
        heights = [height + more for height, more in zip(heights, added, strict=True)]
        stack.append((outcome, heights))
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear()
    figure.plot_size(width, HEIGHT)
    figure.theme("colorless")
    for outcome, tops in reversed(stack):
        signal = figure.signal(list(range(len(found))), tops, marker=marks[outcome])
        signal.fillx()
        figure.draw(signal)
    top, step = _round_up(max(heights, default=1.0))
    levels = [i * step for i in range(round(top / step) + 1)]
    figure.ruler("y").lim(0, top)
    figure.ruler("y").ticks(levels, [f"{level:g}"[:LABEL].rjust(LABEL) for level in levels])
    _, step_s = _round_up(duration_s)
    times_s = [i * step_s for i in range(int(duration_s / step_s + 1e-9) + 1)]
    figure.ruler("x").lim(0, columns - 1)
    places = [at_s / duration_s * (columns - 1) for at_s in times_s]
    figure.ruler("x").ticks(places, [f"{at_s:g}" for at_s in times_s])
    rows: list[str] = figure.build().string(colorless=True).splitlines()
    return [row.rstrip() for row in rows if row.strip()]


def _round_up(value: float) -> tuple[float, float]:
    """A round number that is not smaller, and the step that divides it into at most six."""
    value = value if value > 0 else 1.0
    power = 10.0 ** math.floor(math.log10(value / 6))
    step = next(digit * power for digit in (1, 2, 5, 10, 20) if value <= digit * power * 6)
    return math.ceil(value / step - 1e-9) * step, step


def _coloured(row: str, marks: dict[str, str]) -> Text:
    """A row with its line's end; only what stands within the frame is a mark."""
    text = Text(f"{row}\n")
    for outcome, mark in marks.items():
        for column, char in enumerate(row):
            if char == mark and column > LABEL:
                text.stylize(STYLES[outcome], column, column + 1)
    return text


def fault_lines(history: History, width: int, *, is_ascii: bool) -> list[str]:
    """A line for each fault that took effect, from its start to its end, its name within."""
    spans: dict[str, tuple[float, float]] = {}
    for fault in history.faults:
        start_s = fault.in_force_from_s
        if start_s is not None:
            end_s = history.end_s if fault.ended_s is None else fault.ended_s
            low_s, high_s = spans.get(fault.fault, (start_s, end_s))
            spans[fault.fault] = (min(low_s, start_s), max(high_s, end_s))
    drawn = [(shown(name, is_ascii), span) for name, span in spans.items()][:FAULTS_MAX]
    lines = [_fault_line(name, *span, history, width, is_ascii) for name, span in drawn]
    more = len(spans) - len(drawn)
    return [*lines, f"and {more} more faults"] if more else lines


def _fault_line(
    name: str, start_s: float, end_s: float, history: History, width: int, is_ascii: bool
) -> str:
    duration_s = history.end_s - history.start_s

    def column(at_s: float) -> int:
        return min(width - 1, max(0, round((at_s - history.start_s) / duration_s * width)))

    left = column(start_s)
    right = max(column(end_s), left + 1)
    fill = "=" if is_ascii else "━"
    label = f" {name} "
    if len(label) + 2 <= right - left:
        return " " * left + label.center(right - left, fill)
    beside = fill * (right - left) + label
    if left + len(beside) <= width:
        return " " * left + beside.rstrip()
    return f"{label[: max(0, left)].rjust(left)}{fill * (right - left)}"[:width]
