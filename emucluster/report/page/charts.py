"""What the charts of rate and latency show: bins, faults and phases, small enough to inline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from emucluster.experiment.history import CallRecord, FaultRecord, History, PhaseSpan
from emucluster.experiment.measures.rates import bins_between, edges, rates_between
from emucluster.report.page.axis import Axis

BINS_MAX = 160
CALLS_PER_BIN = 40
"""So many on average, so that a p99 is not the latency of a single call, where load allows it."""
BINS_MIN = 40


def chart_data(history: History, axis: Axis, order: Sequence[str]) -> dict[str, Any]:
    """Of all client groups, as `page.js` reads it; times are seconds since the trial began.

    Args:
        order: of the groups; others come after them.
    """
    by_group: dict[str, list[CallRecord]] = {}
    for call in history.calls:
        by_group.setdefault(call.group, []).append(call)
    names = [*(name for name in order if name in by_group), *sorted(by_group.keys() - set(order))]
    began = moments(history)
    groups = [_group(name, by_group[name], axis, began) for name in names]
    return {
        "end": round(axis.duration_s, 3),
        "groups": [group for group in groups if group is not None],
        "faults": merged(history.faults, axis),
        "phases": phases(history.phases, axis),
    }


def phases(spans: Sequence[PhaseSpan], axis: Axis) -> list[dict[str, Any]]:
    """Phases that took time."""
    return [
        {"name": s.phase, "from": _since(axis, s.start_s), "to": _since(axis, s.end_s)}
        for s in spans
        if s.duration_s > 0
    ]


def merged(faults: Sequence[FaultRecord], axis: Axis) -> list[dict[str, Any]]:
    """When each fault was in force on anybody; one that hits many is shaded once."""
    found: dict[str, list[tuple[float, float]]] = {}
    for fault in sorted(faults, key=lambda f: f.in_force_from_s or 0.0):
        start_s = fault.in_force_from_s
        if start_s is None:
            continue
        end_s = axis.end_s if fault.ended_s is None else max(start_s, fault.ended_s)
        own = found.setdefault(fault.fault, [])
        if own and start_s <= own[-1][1]:
            own[-1] = (own[-1][0], max(own[-1][1], end_s))
        else:
            own.append((start_s, end_s))
    return [
        {"name": name, "from": _since(axis, start_s), "to": _since(axis, end_s)}
        for name, stretches in found.items()
        for start_s, end_s in stretches
    ]


def moments(history: History) -> list[float]:
    """When faults began, at which bins begin: what a fault does is not drawn before it."""
    first: dict[str, float] = {}
    for fault in history.faults:
        if (at_s := fault.in_force_from_s) is not None:
            first[fault.fault] = min(at_s, first.get(fault.fault, at_s))
    return list(first.values())


def _group(
    name: str, calls: Sequence[CallRecord], axis: Axis, began: Iterable[float]
) -> dict[str, Any] | None:
    if axis.duration_s <= 0:
        return None
    number = min(BINS_MAX, max(BINS_MIN, len(calls) // CALLS_PER_BIN))
    at_s = edges(axis.start_s, axis.end_s, width_s=axis.duration_s / number, moments=began)
    found, shown = bins_between(calls, at_s), rates_between(calls, at_s)
    return {
        "name": name,
        "edges": [_since(axis, edge_s) for edge_s in at_s],
        "ok": [_rounded(rates.ok) for rates in shown],
        "failed": [_rounded(rates.failed) for rates in shown],
        "unknown": [_rounded(rates.unknown) for rates in shown],
        "p50": [_rounded(b.p50_s) for b in found],
        "p99": [_rounded(b.p99_s) for b in found],
    }


def _since(axis: Axis, at_s: float) -> float:
    return round(min(axis.duration_s, max(0.0, axis.since(at_s))), 4)


def _rounded(value: float | None) -> float | None:
    """Three digits are more than a chart can show."""
    return None if value is None else float(f"{value:.3g}")
