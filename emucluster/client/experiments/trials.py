"""Trials that could not be run, and what several come to together; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from emucluster.experiment.assembly import trial_result
from emucluster.experiment.history import History, PhaseSpan
from emucluster.experiment.plan import Plan
from emucluster.experiment.result import Trial
from emucluster.experiment.rig import Environment
from emucluster.experiment.spec import Experiment
from emucluster.experiment.topology import Topology
from emucluster.report import Recording


def refused(
    experiment: Experiment,
    plan: Plan,
    topology: Topology,
    environment: Environment,
    *,
    number: int,
    at_s: float,
    reason: str,
) -> tuple[Trial, Recording]:
    """A trial that was not begun, and proves nothing."""
    history = History(
        phases=tuple(
            PhaseSpan(phase=p.phase, start_s=at_s + p.start_s, end_s=at_s + p.end_s)
            for p in plan.phases
        )
    )
    trial = trial_result(
        experiment,
        plan,
        history,
        environment,
        number=number,
        clean=None,
        invalid_reasons=[reason],
    )
    return trial, Recording(history=history, plan=plan, topology=topology)


def worst_environment(found: Sequence[Environment]) -> Environment:
    """Of all trials: the latest event loops, the busiest second, the largest scatter and step."""
    first = found[0]
    shares = [one.cpu_share for one in found if one.cpu_share is not None]
    floors = [one.noise_floor_s for one in found if one.noise_floor_s is not None]
    unmeasured = {name for one in found for name in one.noise_unmeasured}
    return replace(
        first,
        noise_unmeasured=tuple(sorted(unmeasured)),
        clock_step_s=_largest([one.clock_step_s for one in found]),
        noise_floor_s=max(floors, default=None),
        loop_lag_p99_s=_largest([one.loop_lag_p99_s for one in found]),
        cpu_share=max(shares, default=None),
        generators=max(one.generators for one in found),
    )


def _largest(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for one in found for name in one}
    return {name: max(one.get(name, 0.0) for one in found) for name in sorted(names)}
