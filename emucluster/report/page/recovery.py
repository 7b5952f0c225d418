"""Detection and recovery, phase by phase: a row of marks and a table."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from emucluster.experiment.measures.outage import OutagePhases
from emucluster.experiment.result import Trial
from emucluster.report.notes import noticing
from emucluster.report.page.axis import Axis
from emucluster.report.words import NONE, percent, seconds

MARK_WIDTH = 2.6
"""In per cent of the row: marks nearer to each other than this go one below the other."""


class Mark(Struct, frozen=True, kw_only=True):
    """A numbered mark; `row` counts from 0 downwards."""

    number: int
    place: float
    row: int
    title: str


class Step(Struct, frozen=True, kw_only=True):
    """A phase in words: at which second of the run, and how long after the fault that its name
    begins with, else after the first one."""

    number: int
    name: str
    at: str
    after: str
    configured: str


class RecoveryView(Struct, frozen=True, kw_only=True):
    """What one Service or client group went through.

    Attributes:
        outage: left and width of the stretch from the first to the last lost call, in per cent.
        rows: how many rows the marks take.
        has_several: there are several faults, so that steps name the one that they come of.
    """

    scope: str
    kind: str
    steps: tuple[Step, ...]
    marks: tuple[Mark, ...]
    rows: int
    facts: tuple[tuple[str, str], ...]
    outage: tuple[float, float] | None
    has_several: bool = False


def recoveries(trial: Trial, axis: Axis) -> list[RecoveryView]:
    """Of every Service, then of every client group."""
    speed = trial.configured_s / trial.duration_s if trial.duration_s > 0 else 1.0
    services = [("Service", outage) for outage in trial.services]
    groups = [("clients", run.outage) for run in trial.runs if run.outage is not None]
    return [_recovery(kind, outage, axis, speed) for kind, outage in (*services, *groups)]


def _steps(outage: OutagePhases) -> list[tuple[str, float | None, float]]:
    """Name, time, and the time that it is counted from."""
    several = len(outage.faults) > 1
    about = f"{outage.about}: " if several and outage.about else ""
    first_s = outage.injected_s
    about_s = first_s if outage.about_s is None else outage.about_s
    noticed = f"noticed by {outage.noticed_by}" if outage.noticed_by else "noticed by anybody"
    return [
        (f"{outage.faults[0]} injected" if several else "injected", first_s, first_s),
        ("first call lost", outage.first_error_s, first_s),
        (f"{about}{noticed}", outage.noticed_s, about_s),
        (f"{about}endpoint out", outage.endpoint_out_s, about_s),
        (f"{about}last kube-proxy updated", outage.proxies_updated_s, about_s),
        (f"{about}load balancer's target out", outage.balancer_out_s, about_s),
        ("last call lost", outage.last_error_s, first_s),
        (f"{about}capacity back", outage.capacity_back_s, about_s),
    ]


def _recovery(kind: str, outage: OutagePhases, axis: Axis, speed: float) -> RecoveryView:
    steps = _steps(outage)
    marks = _marks([(name, at_s) for name, at_s, _ in steps], axis)
    told = _told(outage)
    first_s, last_s = outage.first_error_s, outage.last_error_s
    return RecoveryView(
        scope=outage.scope,
        kind=kind,
        steps=tuple(
            _step(number, name, at_s, since_s, axis, speed)
            for number, (name, at_s, since_s) in enumerate(steps, start=1)
        ),
        marks=marks,
        has_several=len(outage.faults) > 1,
        rows=max((mark.row for mark in marks), default=0) + 1,
        facts=(*_facts(outage, speed), *((("faults", told),) if told else ())),
        outage=None
        if first_s is None or last_s is None
        else (axis.at(first_s), max(0.2, axis.width(first_s, last_s))),
    )


def _told(outage: OutagePhases) -> str:
    """What the steps leave out: of several faults each, and that nobody noticed the only one."""
    is_told = len(outage.faults) == 1 and outage.noticed_s is not None
    return "" if is_told else noticing(outage)


def _facts(outage: OutagePhases, speed: float) -> tuple[tuple[str, str], ...]:
    calls = outage.calls
    return (
        ("lost after the injection", f"{calls.lost} of {calls.total} calls"),
        ("failed, unknown", f"{calls.failed}, {calls.unknown}"),
        ("available", percent(calls.share)),
        ("first to last lost call", both_clocks(outage.error_span_s, speed)),
        ("longest without a success", both_clocks(outage.dark_s, speed)),
    )


def both_clocks(real_s: float, speed: float) -> str:
    """As it passed, and in the cluster's own configured seconds where those differ."""
    if speed == 1 or real_s == 0:
        return seconds(real_s)
    return f"{seconds(real_s)} (configured {seconds(real_s * speed)})"


def _step(
    number: int, name: str, at_s: float | None, since_s: float, axis: Axis, speed: float
) -> Step:
    if at_s is None:
        return Step(number=number, name=name, at="not seen", after=NONE, configured=NONE)
    after_s = at_s - since_s
    return Step(
        number=number,
        name=name,
        at=f"{axis.since(at_s):.2f} s",
        after=f"{after_s:+.2f} s" if after_s else "0 s",
        configured=f"{after_s * speed:+.1f} s" if after_s else "0 s",
    )


def _marks(steps: Sequence[tuple[str, float | None]], axis: Axis) -> tuple[Mark, ...]:
    """Each in the first row where it does not cover another."""
    ends: list[float] = []
    found: list[Mark] = []
    known = [(n, name, at_s) for n, (name, at_s) in enumerate(steps, start=1) if at_s is not None]
    for number, name, at_s in sorted(known, key=lambda step: step[2]):
        place = axis.at(at_s)
        row = next((i for i, end in enumerate(ends) if place >= end), len(ends))
        ends[row : row + 1] = [place + MARK_WIDTH]
        title = f"{name}: {axis.since(at_s):.2f} s"
        found.append(Mark(number=number, place=place, row=row, title=title))
    return tuple(found)
