"""The end of `emucluster run` in a terminal: the verdict and why, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from emucluster.experiment.result import RunResult, Trial
from emucluster.report.files import PAGE
from emucluster.report.headline import asked, decisive, headline, over, trial_of
from emucluster.report.notes import notes
from emucluster.report.plot import rate_plot
from emucluster.report.recording import Recording
from emucluster.report.words import count, percent, seconds, shown

WIDTH_MAX = 100
GROUPS_IN_FULL = 2
STYLES = {
    "pass": "bold green",
    "fail": "bold red",
    "unknown": "bold yellow",
    "invalid": "bold magenta",
}


def summary(result: RunResult, recordings: Sequence[Recording] = ()) -> RenderableType:
    """What a person wants to see when a run has ended; at most 100 columns wide.

    Without UTF-8 it uses ASCII, without colour outcomes differ by characters. Texts of users are
    shown as they are: control characters and markup in them do nothing.

    Args:
        recordings: of all trials; the one that decided is plotted. Without, there is no plot.
    """
    return _Summary(result, recordings)


def whereabouts(result: RunResult, directory: Path) -> RenderableType:
    """Where the report is, and how the run is run again; for when it has been written."""
    return _Whereabouts(result, directory)


class _Summary:
    """Knows only when it is printed how wide it may be, and which characters there are."""

    def __init__(self, result: RunResult, recordings: Sequence[Recording]) -> None:
        self._result = result
        self._recordings = recordings

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        is_ascii = options.ascii_only
        width = min(WIDTH_MAX, options.max_width)
        head = headline(self._result)
        verdict = Text()
        verdict.append(f" {head.overall.upper()} ", style=f"{STYLES[head.overall]} reverse")
        verdict.append(f" {shown(self._result.name, is_ascii)}", style="bold")
        yield verdict
        yield _Narrow(Text(shown(f"{head.tally} {head.why}".lstrip(), is_ascii)), width)
        trial = decisive(self._result)
        hypotheses, groups = self._hypotheses(is_ascii), _groups(trial, is_ascii)
        if hypotheses.row_count:
            yield ""
            yield _Narrow(hypotheses, width)
        trials = len(self._result.trials)
        told = [] if trial is None else notes(trial)
        if trial is not None and trials > 1:
            told = [f"{trial_of(trial.number, trials).capitalize()}:", *told]
        if told:
            yield ""
        for line in told:
            yield _Narrow(Text(shown(line, is_ascii)), width)
        if groups.row_count:
            yield ""
            yield _Narrow(groups, width)
        plot = self._plot(trial, width, is_ascii)
        if plot is not None:
            yield ""
            yield plot

    def _hypotheses(self, is_ascii: bool) -> Table:
        table = _table("", "hypothesis", "phases", "found")
        invalid = self._result.overall == "invalid"
        for one in asked(self._result.trials):
            verdict = one.verdict
            table.add_row(
                Text(one.answer, style="dim" if invalid else STYLES[one.answer]),
                Text(shown(verdict.name, is_ascii)),
                Text(over(verdict)),
                Text(shown(verdict.found, is_ascii)),
            )
            if one.over_trials:
                table.add_row("", "", "", Text(shown(one.over_trials, is_ascii), style="dim"))
        return table

    def _plot(self, trial: Trial | None, width: int, is_ascii: bool) -> Text | None:
        numbered = zip(self._result.trials, self._recordings, strict=False)
        found = next(
            (r for t, r in numbered if trial is not None and t.number == trial.number), None
        )
        if found is None:
            return None
        return rate_plot(found.history, width=width, is_ascii=is_ascii)


class _Whereabouts:
    def __init__(self, result: RunResult, directory: Path) -> None:
        self._result = result
        self._directory = directory

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        is_ascii = options.ascii_only
        path = shown(str(self._directory / PAGE), is_ascii)
        yield ""
        yield Text(f"report  {path}")
        if self._result.rerun:
            yield Text(f"again   {shown(self._result.rerun, is_ascii)}")


def _groups(trial: Trial | None, is_ascii: bool) -> Table:
    """All phases of few groups; of many, those in which something was broken, and the whole."""
    table = _table("clients", "phase")
    for column in ("calls", "failed", "unknown", "available", "p50", "p99"):
        table.add_column(column, justify="right", no_wrap=True)
    rows = trial.groups if trial is not None else ()
    if len({row.group for row in rows}) > GROUPS_IN_FULL:
        rows = tuple(row for row in rows if row.phase in ("inject", "run"))
    for row in rows:
        cells = (
            row.group,
            "whole run" if row.phase == "run" else row.phase,
            count(row.calls.total),
            count(row.calls.failed),
            count(row.calls.unknown),
            percent(row.calls.share),
            seconds(row.latency.p50_s),
            seconds(row.latency.p99_s),
        )
        style = "bold" if row.phase == "run" else ""
        table.add_row(*(Text(shown(cell, is_ascii)) for cell in cells), style=style)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold", min_width=min(9, len(column)))
    return table


class _Narrow:
    """Something that is printed as if there were only so many columns."""

    def __init__(self, inner: RenderableType, width: int) -> None:
        self._inner = inner
        self._width = width

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        lines = console.render_lines(
            self._inner,
            options.update(width=self._width, no_wrap=False, overflow="fold"),
            pad=False,
        )
        for line in lines:
            yield Segments([*line, Segment.line()])
