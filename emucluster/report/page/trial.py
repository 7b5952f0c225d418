"""One trial, as the page tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from emucluster.experiment.history import CallRecord, FaultRecord
from emucluster.experiment.measures.connections import age
from emucluster.experiment.measures.executions import Executions
from emucluster.experiment.measures.rates import Goodput
from emucluster.experiment.measures.spread import Spread
from emucluster.experiment.result import GroupPhase, RunResult, Trial
from emucluster.experiment.topology import natural
from emucluster.experiment.verdict import EVIDENCE_MAX
from emucluster.report.page.axis import Axis, axis_of
from emucluster.report.page.budgets import Budget, budgets
from emucluster.report.page.charts import chart_data, merged, phases
from emucluster.report.page.clients import clients_of, topology_of
from emucluster.report.page.lanes import LanesView, lanes_view
from emucluster.report.page.recovery import RecoveryView, recoveries
from emucluster.report.page.topology import Picture, picture
from emucluster.report.recording import Recording
from emucluster.report.words import NONE, count, from_peers, interval, percent, rate, seconds

SPREAD_SHOWN, SPREAD_MAX = 12, 100
"""Bars of one spread that are shown, and that are drawn at all."""


class CallView(Struct, frozen=True, kw_only=True):
    """A call that decided something."""

    id: str
    group: str
    client: int
    at: str
    phase: str
    outcome: str
    status: str
    took: str
    connection: str
    error: str


class SpreadBar(Struct, frozen=True, kw_only=True):
    """`width` in per cent of the one with most calls."""

    name: str
    calls: str
    width: float


class SpreadView(Struct, frozen=True, kw_only=True):
    """Answered calls of a group over pods, nodes or zones."""

    group: str
    across: str
    members: int
    jain: str
    bars: tuple[SpreadBar, ...]
    folded: tuple[SpreadBar, ...]
    left_out: int


class FaultView(Struct, frozen=True, kw_only=True):
    """What became of one planned fault; times in seconds since the trial began."""

    record: FaultRecord
    peers: str
    planned: str
    asked: str
    acknowledged: str
    observed: str
    ended: str
    clean: str
    gone: str


class TrialView(Struct, frozen=True, kw_only=True):
    """Everything that the page shows of a trial."""

    trial: Trial
    axis: Axis
    charts: dict[str, Any]
    faults: tuple[FaultView, ...]
    shades: tuple[dict[str, Any], ...]
    phases: tuple[dict[str, Any], ...]
    rows: tuple[tuple[str, ...], ...]
    recoveries: tuple[RecoveryView, ...]
    lanes: LanesView
    budgets: tuple[Budget, ...]
    spreads: tuple[SpreadView, ...]
    executions: tuple[tuple[str, Executions], ...]
    goodputs: tuple[tuple[str, Goodput, str], ...]
    picture: Picture
    evidence: dict[str, CallView]


def trial_view(result: RunResult, trial: Trial, recording: Recording) -> TrialView:
    """Put a trial's measures and records into the shape of the page."""
    history = recording.history
    axis = axis_of(trial, history)
    topology = recording.topology or topology_of(history)
    return TrialView(
        trial=trial,
        axis=axis,
        charts=chart_data(history, axis, [run.group for run in trial.runs]),
        faults=tuple(_fault(fault, axis) for fault in trial.faults),
        shades=tuple(_placed(merged(history.faults, axis), axis)),
        phases=tuple(_placed(phases(trial.phases, axis), axis)),
        rows=tuple(_row(row) for row in trial.groups),
        recoveries=tuple(recoveries(trial, axis)),
        lanes=lanes_view(history, axis),
        budgets=tuple(budgets(trial)),
        spreads=tuple(_spread(run.group, s) for run in trial.runs for s in run.spreads),
        executions=tuple((run.group, run.executions) for run in trial.runs),
        goodputs=tuple(
            (run.group, run.goodput, goodput(run.goodput, bool(trial.faults))) for run in trial.runs
        ),
        picture=picture(topology, clients_of(result.experiment, topology), trial.faults),
        evidence=_evidence(trial, history.calls, history.first_fault_s, axis),
    )


def _placed(stretches: Sequence[dict[str, Any]], axis: Axis) -> list[dict[str, Any]]:
    """With their places in per cent."""
    return [
        {
            **stretch,
            "left": axis.at(axis.start_s + stretch["from"]),
            "width": axis.width(axis.start_s + stretch["from"], axis.start_s + stretch["to"]),
        }
        for stretch in stretches
    ]


def _fault(fault: FaultRecord, axis: Axis) -> FaultView:
    def at(at_s: float | None) -> str:
        return NONE if at_s is None else f"{axis.since(at_s):.2f}"

    return FaultView(
        record=fault,
        peers=from_peers(fault.peers),
        planned=at(fault.planned_s),
        asked=at(fault.asked_s),
        acknowledged=at(fault.acknowledged_s),
        observed=at(fault.observed_s),
        ended=at(fault.ended_s),
        clean=at(fault.clean_s),
        gone=at(fault.gone_s),
    )


def _row(row: GroupPhase) -> tuple[str, ...]:
    """A line of the table of phases, in the order of its columns."""
    calls, taken = row.calls, row.latency
    return (
        row.group,
        row.phase,
        rate(row.rate_per_s),
        count(calls.total),
        count(calls.ok),
        count(calls.failed),
        count(calls.unknown),
        percent(calls.share),
        interval(calls.interval) if calls.total else NONE,
        seconds(taken.p50_s),
        seconds(taken.p90_s),
        seconds(taken.p99_s),
        seconds(taken.max_s),
        f"{count(row.old.lost)} of {count(row.old.total)}" if row.old else NONE,
        f"{count(row.new.lost)} of {count(row.new.total)}" if row.new else NONE,
    )


def _spread(group: str, found: Spread) -> SpreadView:
    most = max(found.counts.values(), default=0)
    names = sorted(found.counts, key=natural)
    spaces = {name.rpartition("/")[0] for name in names}
    bars = [
        SpreadBar(
            name=name.rpartition("/")[2] if len(spaces) == 1 else name,
            calls=count(found.counts[name]),
            width=round(100 * found.counts[name] / most, 1) if most else 0.0,
        )
        for name in names[:SPREAD_MAX]
    ]
    return SpreadView(
        group=group,
        across=found.across,
        members=found.members,
        jain=NONE if found.jain is None else f"{found.jain:.3f}",
        bars=tuple(bars[:SPREAD_SHOWN]),
        folded=tuple(bars[SPREAD_SHOWN:]),
        left_out=max(0, len(names) - SPREAD_MAX),
    )


def goodput(found: Goodput, was_broken: bool) -> str:
    """Whether successful calls a second came back, in a sentence.

    Args:
        was_broken: whether there were faults; without, it is told how the run ended.
    """
    usual = f"baseline {rate(found.baseline_per_s)}, at the end {rate(found.after_per_s)}"
    match found.state:
        case "recovered" if not was_broken:
            return f"as in the baseline ({usual})"
        case "metastable" if not was_broken:
            return f"below the baseline, though nothing was broken ({usual})"
        case "recovered" if not found.recovered_after_s:
            return f"back when the last fault ended ({usual})"
        case "recovered":
            return f"back {seconds(found.recovered_after_s)} after the last fault ({usual})"
        case "metastable":
            return f"metastable: the fault is gone, the goodput did not come back ({usual})"
        case "no-load":
            return "no calls were due after the last fault"
        case _:
            return "cannot be told: no baseline to compare with"


def _evidence(
    trial: Trial, calls: Sequence[CallRecord], fault_s: float | None, axis: Axis
) -> dict[str, CallView]:
    """The calls that verdicts name, by their ids."""
    wanted = {i for v in trial.verdicts for i in v.evidence.calls[:EVIDENCE_MAX]}
    return {call.id: _call(call, fault_s, axis) for call in calls if call.id in wanted}


def _call(call: CallRecord, fault_s: float | None, axis: Axis) -> CallView:
    if not call.connection:
        connection = "none came about"
    elif fault_s is None:
        connection = call.connection
    else:
        connection = f"{call.connection} ({age(call, fault_s)})"
    return CallView(
        id=call.id,
        group=call.group,
        client=call.client,
        at=f"{axis.since(call.intended_s):.3f} s",
        phase=call.phase,
        outcome=call.outcome,
        status=call.status,
        took="still open" if call.latency_s is None else seconds(call.latency_s),
        connection=connection,
        error=call.error,
    )
