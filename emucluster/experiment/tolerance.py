"""How much of this machine's own unrest an experiment can bear, given what is judged; pure."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.faults import kinds
from emucluster.experiment import hypothesis_spec as asked
from emucluster.experiment.plan import scale
from emucluster.experiment.rules import fault_name
from emucluster.experiment.spec import Experiment, Fault
from emucluster.experiment.targets import selector

LAG_MAX_S = 0.1
"""A machine that is later (99th percentile) is too slow to tell anything of a cluster."""
LAG_SHARE = 0.5
"""Of the shortest time that is judged: what is later than this would decide by itself."""
LAG_MIN_S = 0.002
"""Timers have a grain of 1 ms: less lag than this cannot be told from none."""


def lag_max_s(experiment: Experiment) -> float:
    """How late event loops, and the beginnings of calls, may be (99th percentile).

    A tenth of a second, and no more than half of the shortest time that decides something: a bound
    on a time that is asked for, as it holds in this run, or the deadline of calls that are judged.
    """
    times_s = [time_s for time_s in _judged_s(experiment) if time_s > 0]
    return max(LAG_MIN_S, min([LAG_MAX_S, *(LAG_SHARE * time_s for time_s in times_s)]))


def _judged_s(experiment: Experiment) -> Iterator[float]:
    divisor = scale(experiment)
    for about in experiment.hypotheses:
        match about:
            case asked.Latency():
                yield float(about.at_most_s)
            case asked.TimeToDetect() | asked.TimeToRecover() | asked.Outage():
                yield about.at_most_s / divisor
            case asked.EndpointsMatch() | asked.GoodputRecovers():
                yield about.within_s / divisor
        group = getattr(about, "group", None)
        if group is not None:
            yield from (
                float(each.deadline_s) for each in experiment.workload if group in ("", each.name)
            )


def delay_of(fault: Fault) -> float | None:
    """The delay of a fault that makes something late, in seconds; None for others."""
    kind = kinds.find(fault.kind, selector(fault.target).kind)
    param = next((p for p in kind.params if p.name == "delay"), None) if kind else None
    if param is None:
        return None
    return float(param.parse(fault.params.get("delay", param.default)))


def unmeasured_faults(experiment: Experiment) -> list[str]:
    """Why a run without a noise floor proves nothing of some of its faults; empty: it does."""
    delays = [
        (fault_name(experiment, index), delay_s)
        for index, fault in enumerate(experiment.faults)
        if (delay_s := delay_of(fault)) is not None
    ]
    return [
        f"{name}: whether {delay_s * 1000:g} ms can be told from this machine's own scatter is not "
        "known: its noise floor could not be measured, too few calls were answered before the run"
        for name, delay_s in delays
    ]
