"""How `run` shows what goes on: a live table on a terminal, else lines, or nothing but the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from emucluster.client.experiments.jobs import Outcome
from emucluster.client.experiments.watching import Moment
from emucluster.core.printable import printable
from emucluster.experiment.result import Trial
from emucluster.report import summary, whereabouts

LINE_S = 5.0
"""Not on a terminal: how often a trial's state is told."""
_OUT = {"lease": "believed dead", "probe": "not ready", "load-balancer": "out of the LB"}
"""What it means that one of these holds somebody to be out. A load balancer need not be wrong about
a node that lives: with externalTrafficPolicy Local, one without pods is to fail its check."""
_ALSO = {
    "endpoints": "endpoints",
    "proxy": "kube-proxy",
    "dns": "DNS",
    "api": "API",
}
_STYLES = {"pass": "green", "fail": "red", "unknown": "yellow", "invalid": "magenta"}


class View(Protocol):
    """A watcher that also shows where the files of an experiment are.

    Attributes:
        came_to: the experiments that were judged, whether or not their files could be written.
    """

    came_to: list[Outcome]

    def step(self, text: str) -> None: ...

    def moment(self, now: Moment) -> None: ...

    def ended(self, trial: Trial, trials: int) -> None: ...

    def judged(self, outcome: Outcome) -> None: ...

    def written(self, outcome: Outcome) -> None: ...


@contextmanager
def view(quiet: bool) -> Iterator[View]:
    """What fits standard error; outcomes go to standard output."""
    if quiet:
        yield Quiet()
    elif sys.stderr.isatty():
        with LiveView() as shown:
            yield shown
    else:
        yield Lines()


class Output(Console):
    """Whoever reads it may leave, as `head` does: the run goes on, and its exit code tells."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _to_nowhere(self.file)


def _to_nowhere(file: IO[str]) -> None:
    """What is written from now on, and what waits to be, is lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


class Quiet:
    """Nothing but what came of it."""

    def __init__(self) -> None:
        self.came_to: list[Outcome] = []
        self._out = Output()

    def step(self, text: str) -> None:
        pass

    def moment(self, now: Moment) -> None:
        pass

    def ended(self, trial: Trial, trials: int) -> None:
        pass

    def judged(self, outcome: Outcome) -> None:
        self.came_to.append(outcome)
        self._out.print(summary(outcome.result, outcome.recordings))

    def written(self, outcome: Outcome) -> None:
        if outcome.job.directory is not None:
            # Whole lines, however narrow: they are copied.
            told = whereabouts(outcome.result, outcome.job.directory)
            self._out.print(told, soft_wrap=True)


class Lines(Quiet):
    """A log."""

    def __init__(self) -> None:
        super().__init__()
        self._started_s = time.monotonic()
        self._told_s = float("-inf")
        self._state: tuple[object, ...] = ()

    def step(self, text: str) -> None:
        self._line(text)

    def moment(self, now: Moment) -> None:
        """When something changed, a new belief among it, and now and then."""
        state = now.trial, now.phase, now.faults, held_out(now.believed_out)
        if state == self._state and time.monotonic() < self._told_s + LINE_S:
            return
        self._state, self._told_s = state, time.monotonic()
        self._line(" | ".join(words(now)))

    def ended(self, trial: Trial, trials: int) -> None:
        self._line(verdict(trial, trials))

    def _line(self, text: str) -> None:
        elapsed_s = time.monotonic() - self._started_s
        try:
            print(f"[{elapsed_s:6.1f}s] {printable(text)}", file=sys.stderr, flush=True)
        except BrokenPipeError:
            _to_nowhere(sys.stderr)


class LiveView(Quiet):
    """A few lines that change, above them what has been done."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Output(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._step = ""
        self._started_s = time.monotonic()

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def step(self, text: str) -> None:
        elapsed_s = time.monotonic() - self._started_s
        self._live.update(Text(f"[{elapsed_s:5.1f}s] {printable(text)} ...", "dim"))

    def moment(self, now: Moment) -> None:
        self._live.update(board(now))

    def ended(self, trial: Trial, trials: int) -> None:
        self._console.print(Text(printable(verdict(trial, trials)), _STYLES[trial.overall]))

    def judged(self, outcome: Outcome) -> None:
        self._live.update(Text(""))
        super().judged(outcome)

    def written(self, outcome: Outcome) -> None:
        self._live.update(Text(""))
        super().written(outcome)


def board(now: Moment) -> RenderableType:
    """A trial as it is now, for a terminal."""
    title = Text.assemble(
        (printable(now.experiment), "bold"),
        f"  trial {now.trial + 1} of {now.trials}  ",
        (phase_words(now), "bold cyan"),
        f"  {max(0.0, now.run_left_s):.0f} s left in all",
    )
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in ("group", "calls/s", "ok", "failed", "unknown", "p50"):
        table.add_column(column, justify="left" if column == "group" else "right")
    for name, group in now.groups.items():
        table.add_row(
            printable(name),
            str(group.calls),
            Text(str(group.ok), "green"),
            Text(str(group.failed), "red" if group.failed else "dim"),
            Text(str(group.unknown), "yellow" if group.unknown else "dim"),
            "-" if group.p50_s is None else f"{group.p50_s * 1000:.1f} ms",
        )
    faults = printable(", ".join(now.faults)) or "none"
    out = printable("; ".join(held_out(now.believed_out))) or "nobody"
    return Group(
        title,
        table,
        Text.assemble(("faults in force  ", "dim"), (faults, "red" if now.faults else "dim")),
        Text.assemble(("out of use       ", "dim"), (out, "yellow" if now.believed_out else "dim")),
    )


def words(now: Moment) -> list[str]:
    """A trial as it is now, in a line."""
    groups = [
        f"{name} {group.calls}/s, ok {group.ok}, failed {group.failed}, unknown {group.unknown}"
        for name, group in now.groups.items()
    ]
    faults = [f"faults: {', '.join(now.faults)}"] if now.faults else []
    head = f"trial {now.trial + 1}/{now.trials} {phase_words(now)}"
    return [head, *groups, *faults, *held_out(now.believed_out)]


def phase_words(now: Moment) -> str:
    """`baseline, 3 s left`."""
    return f"{now.phase}, {now.left_s:.0f} s left" if now.phase else "about to begin"


def held_out(believed: Mapping[str, frozenset[str]]) -> list[str]:
    """`believed dead: node-2`, `out of the LB: node-2, node-3`, `not ready: web-1 (endpoints)`.

    Pods are told only where a probe or a lease holds them to be out, with who knows of it.
    """
    found = []
    for observer, what in _OUT.items():
        out = [_told(s, by) for s, by in sorted(believed.items()) if observer in by]
        if out:
            found.append(f"{what}: {', '.join(out)}")
    return found


def _told(subject: str, by: frozenset[str]) -> str:
    also = ", ".join(_ALSO.get(one, one) for one in sorted(by - _OUT.keys()))
    name = subject.partition("/")[2]
    return f"{name} ({also})" if also else name


def verdict(trial: Trial, trials: int) -> str:
    """What a trial came to, in a line."""
    reasons = trial.invalid_reasons
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    why = f": {reasons[0]}{more}" if reasons else ""
    return f"trial {trial.number + 1} of {trials}: {trial.overall}{why}"
