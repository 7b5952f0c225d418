"""From records to results."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from emucluster.experiment.history import CallRecord, History
from emucluster.experiment.hypotheses import judge_all
from emucluster.experiment.measures.availability import availability
from emucluster.experiment.measures.connections import split
from emucluster.experiment.measures.executions import executions
from emucluster.experiment.measures.latency import latency
from emucluster.experiment.measures.outage import outage_of_group, outage_of_service
from emucluster.experiment.measures.rates import goodput
from emucluster.experiment.measures.spread import spread
from emucluster.experiment.plan import Plan, scale
from emucluster.experiment.reading import to_tree
from emucluster.experiment.result import GroupPhase, GroupRun, RunResult, Trial
from emucluster.experiment.rig import Environment, saturation_reasons, unknown_reasons
from emucluster.experiment.spec import Experiment
from emucluster.experiment.stats import Distribution, distribution
from emucluster.experiment.verdict import Overall, overall
from emucluster.experiment.vocabulary import PHASES

RUN = "run"
"""In place of a phase: all of them."""


def trial_result(
    experiment: Experiment,
    plan: Plan,
    history: History,
    environment: Environment,
    *,
    number: int = 0,
    clean: bool | None,
    invalid_reasons: Sequence[str] = (),
) -> Trial:
    """Measure and judge one run.

    Args:
        clean: whether every target was seen without faults; None: nobody looked.
        invalid_reasons: the ledger's and the runner's; those of a saturated machine are added.
    """
    doubts = [*invalid_reasons, *unknown_reasons(experiment, environment, history)]
    limits = saturation_reasons(experiment, environment, history)
    reasons = [*doubts, *limits]
    verdicts = judge_all(
        experiment.hypotheses,
        history,
        divisor=scale(experiment),
        clean=clean,
        unmeasured=environment.noise_unmeasured,
    )
    services = sorted({call.service for call in history.calls if call.service})
    duration_s = history.end_s - history.start_s
    names = [group.name for group in experiment.workload]
    groups = sorted(history.groups, key=lambda name: names.index(name) if name in names else 999)
    outages = [outage_of_service(history, service) for service in services]
    return Trial(
        number=number,
        seed=plan.seed,
        digest=plan.digest,
        phases=history.phases,
        duration_s=duration_s,
        configured_s=duration_s * experiment.cluster.speed,
        groups=tuple(row for group in groups for row in _group_phases(history, group)),
        runs=tuple(_group_run(history, group) for group in groups),
        services=tuple(outage for outage in outages if outage is not None),
        faults=tuple(history.faults),
        verdicts=tuple(verdicts),
        invalid_reasons=tuple(reasons),
        clean=clean,
        overall=overall(verdicts, reasons),
        limited=bool(limits) and not doubts,
    )


def run_result(
    experiment: Experiment,
    trials: Sequence[Trial],
    environment: Environment,
    *,
    seed: int,
    started_s: float = 0.0,
    rerun: str = "",
) -> RunResult:
    """What all trials come to: the worst of them decides."""
    return RunResult(
        name=experiment.name,
        story=experiment.story,
        seed=seed,
        experiment=to_tree(experiment),
        environment=environment,
        trials=tuple(trials),
        overall=overall_of_trials([trial.overall for trial in counted(trials, experiment)]),
        rerun=rerun,
        started_s=started_s,
        distributions=distributions(trials, seed=seed),
    )


def repeats(limited: int, experiment: Experiment) -> int:
    """How many trials are run beyond those asked for, after `limited` of them were so.

    At most half as many again: a machine that is too slow for more is too slow. One trial alone is
    never repeated, for whoever asked for it sees at once what it came to.
    """
    return min(limited, experiment.trials // 2)


def counted(trials: Sequence[Trial], experiment: Experiment) -> Sequence[Trial]:
    """The trials that decide: without those limited by the emulator, if all were repeated."""
    told = [trial for trial in trials if not trial.limited]
    return told if len(told) >= experiment.trials else trials


def overall_of_trials(found: Sequence[Overall]) -> Overall:
    """fail before invalid before unknown before pass: one valid trial that fails has decided."""
    ranked: tuple[Overall, ...] = ("fail", "invalid", "unknown", "pass")
    return next((one for one in ranked if one in found), "unknown")


def distributions(trials: Sequence[Trial], *, seed: int) -> dict[str, Distribution]:
    """Over valid trials: each group's numbers by phase, and each verdict's value."""
    values: dict[str, list[float]] = {}
    for trial in trials:
        if trial.overall == "invalid":
            continue
        for name, value in _numbers(trial):
            if value is not None:
                values.setdefault(name, []).append(value)
    return {
        name: distribution(found, rng=Random(f"{seed}/bootstrap/{name}"))
        for name, found in sorted(values.items())
    }


def _numbers(trial: Trial) -> list[tuple[str, float | None]]:
    found: list[tuple[str, float | None]] = []
    for row in trial.groups:
        where = f"{row.group}/{row.phase}"
        found.append((f"{where}/availability", row.calls.share))
        found.append((f"{where}/lost_calls", row.calls.lost))
        found.append((f"{where}/p50_s", row.latency.p50_s))
        found.append((f"{where}/p99_s", row.latency.p99_s))
    found += [(f"verdict/{verdict.name}", verdict.value) for verdict in trial.verdicts]
    return found


def _group_phases(history: History, group: str) -> list[GroupPhase]:
    calls = history.calls_in(group=group)
    rows = [
        _row(history, group, phase, [c for c in calls if c.phase == phase], span.duration_s)
        for phase in PHASES
        if (span := history.span(phase)) is not None and span.duration_s > 0
    ]
    rows.append(_row(history, group, RUN, calls, history.end_s - history.start_s))
    return rows


def _row(
    history: History, group: str, phase: str, calls: list[CallRecord], duration_s: float
) -> GroupPhase:
    fault_s = history.first_fault_s
    ages = split(calls, fault_s) if fault_s is not None else {"old": [], "new": []}
    return GroupPhase(
        group=group,
        phase=phase,
        rate_per_s=len(calls) / duration_s if duration_s else 0.0,
        calls=availability(calls),
        latency=latency(calls),
        old=availability(ages["old"]) if ages["old"] else None,
        new=availability(ages["new"]) if ages["new"] else None,
    )


def _group_run(history: History, group: str) -> GroupRun:
    calls = history.calls_in(group=group)
    services = {call.service for call in calls}
    pods = {pod for service in services for pod in history.members.pods.get(service, ())}
    return GroupRun(
        group=group,
        spreads=(
            spread(calls, "pods", known=pods),
            spread(calls, "nodes", known=history.members.nodes),
            spread(calls, "zones", known=history.members.zones),
        ),
        executions=executions(calls, history.executions),
        goodput=goodput(history, group=group),
        outage=outage_of_group(history, group),
    )
