"""What can hardly be decided, for nothing is asked or too few calls will come: told beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.experiment import hypothesis_spec as asked
from emucluster.experiment.judging.calls import FEW_CALLS, calls_for_quantile, calls_for_share
from emucluster.experiment.offered_load import due_until
from emucluster.experiment.plan import scale
from emucluster.experiment.spec import ClientGroup, Closed, Experiment
from emucluster.experiment.vocabulary import PHASES


def warnings(experiment: Experiment) -> list[str]:
    """`hypotheses[1]: about 50 calls come in verify; 100 are needed to tell`, for each such one.

    Only of open loops, whose calls do not depend on the answers. What fails does so clearly enough
    with fewer.
    """
    return list(_warnings(experiment))


def _warnings(experiment: Experiment) -> Iterator[str]:
    if not experiment.hypotheses:
        yield "hypotheses: nothing is asked; the run measures, and its verdict will be unknown"
    for index, about in enumerate(experiment.hypotheses):
        needed = _needed(about)
        if needed is None:
            continue
        assert not isinstance(about, asked.NoFaultLeft)
        coming = _coming(experiment, about)
        if coming is not None and coming < needed:
            every_s = getattr(about, "every_s", None)
            where = ", ".join(about.over) if every_s is None else f"every {every_s:g} s"
            yield (
                f"hypotheses[{index}]: about {coming:.0f} calls come in {where}; "
                f"{needed} are needed to tell"
            )


def _needed(about: asked.Hypothesis) -> int | None:
    """Calls that the judge wants; None: it asks for none, or counts something else."""
    match about:
        case asked.Availability():
            return about.min_calls or calls_for_share(float(about.at_least))
        case asked.Latency():
            return about.min_calls or calls_for_quantile(float(about.quantile))
        case asked.LostCalls(connections="any") | asked.Outage():
            return about.min_calls or FEW_CALLS
        case _:
            return None


def _coming(experiment: Experiment, about: asked.Hypothesis) -> float | None:
    """Calls that will be due in what is asked about, or in its richest stretch; None: not known."""
    name = getattr(about, "group", "")
    groups = [group for group in experiment.workload if name in ("", group.name)]
    if any(isinstance(group.arrival, Closed) for group in groups):
        return None
    ends, run_s = _phases(experiment)
    spans = [ends[phase] for phase in getattr(about, "over", ())]
    every_s = getattr(about, "every_s", None)
    if every_s is not None:
        spans = [stretch for span in spans for stretch in _stretches(*span, every_s)]
    due = [sum(_due(group, *span, run_s) for group in groups) for span in spans]
    return None if not due else sum(due) if every_s is None else max(due)


def _phases(experiment: Experiment) -> tuple[dict[str, tuple[float, float]], float]:
    """From when to when each phase is planned, and how long all take together."""
    spans: dict[str, tuple[float, float]] = {}
    at_s = 0.0
    for phase in PHASES:
        end_s = at_s + getattr(experiment.phases, f"{phase}_s") / scale(experiment)
        spans[phase] = at_s, end_s
        at_s = end_s
    return spans, at_s


def _stretches(start_s: float, end_s: float, every_s: float) -> list[tuple[float, float]]:
    count = int((end_s - start_s) / every_s + 1e-9)
    return [(start_s + n * every_s, start_s + (n + 1) * every_s) for n in range(count)]


def _due(group: ClientGroup, start_s: float, end_s: float, run_s: float) -> float:
    return due_until(group, end_s, run_s=run_s) - due_until(group, start_s, run_s=run_s)
