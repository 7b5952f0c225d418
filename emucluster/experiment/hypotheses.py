"""Hypotheses judged against a history: pass, fail or unknown, each with what decided it.

`unknown` is an answer: too few calls to tell, no fault that took effect, nobody who observed. A
bound that is passed although there were few calls is a failure only if chance does not explain it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec.structs import replace

from emucluster.experiment import hypothesis_spec as asked
from emucluster.experiment.history import History
from emucluster.experiment.judging import calls as of_calls
from emucluster.experiment.judging import faults as of_faults
from emucluster.experiment.judging import services as of_services
from emucluster.experiment.judging.context import Context
from emucluster.experiment.verdict import Verdict

_JUDGES: dict[type, Callable[[Any, Context], Verdict]] = {
    asked.Availability: of_calls.availability,
    asked.Latency: of_calls.latency,
    asked.LostCalls: of_calls.lost_calls,
    asked.Outage: of_calls.outage,
    asked.ExecutedTwice: of_calls.executed_twice,
    asked.ExecutedButFailed: of_calls.executed_but_failed,
    asked.TimeToDetect: of_faults.time_to_detect,
    asked.TimeToRecover: of_faults.time_to_recover,
    asked.GoodputRecovers: of_faults.goodput_recovers,
    asked.NoFaultLeft: of_faults.no_fault_left,
    asked.Spread: of_services.spread,
    asked.EndpointsMatch: of_services.endpoints_match,
}


def judge(
    hypothesis: asked.Hypothesis,
    history: History,
    *,
    divisor: float = 1.0,
    clean: bool | None,
    unmeasured: Collection[str] = (),
) -> Verdict:
    """Judge one hypothesis.

    Args:
        divisor: by what bounds on times are divided, `plan.scale(experiment)`.
        clean: whether every target was seen without faults; None: nobody looked.
        unmeasured: client groups whose own scatter, without faults, is not known.
    """
    context = Context(history=history, divisor=divisor, clean=clean)
    verdict = _JUDGES[type(hypothesis)](hypothesis, context)
    if isinstance(hypothesis, asked.Latency) and verdict.answer == "pass":
        hit = sorted(name for name in unmeasured if hypothesis.group in ("", name))
        if hit:
            found = f"{verdict.found}; how much of it is this machine's own scatter is not known"
            return replace(verdict, answer="unknown", found=found)
    return verdict


def judge_all(
    hypotheses: Sequence[asked.Hypothesis],
    history: History,
    *,
    divisor: float = 1.0,
    clean: bool | None,
    unmeasured: Collection[str] = (),
) -> list[Verdict]:
    """Judge them in their order."""
    return [
        judge(one, history, divisor=divisor, clean=clean, unmeasured=unmeasured)
        for one in hypotheses
    ]
