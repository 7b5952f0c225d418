"""What the page tells of the whole run: hypotheses, distributions over trials, circumstances."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from emucluster.experiment.result import RunResult
from emucluster.experiment.rig import Environment
from emucluster.experiment.stats import Distribution
from emucluster.experiment.verdict import Verdict
from emucluster.report.headline import Asked, asked, over
from emucluster.report.page.axis import Axis
from emucluster.report.page.recovery import both_clocks
from emucluster.report.page.trial import CallView, TrialView
from emucluster.report.words import NONE, measure, plural, seconds, verdict_value

CALLS_MAX = 10
"""Calls shown as evidence of one hypothesis; results.json has the ids of more."""


class HypothesisView(Struct, frozen=True, kw_only=True):
    """A hypothesis over all trials, with the evidence of the trial that decided."""

    asked: Asked
    over: str
    answers: str
    numbers: tuple[tuple[str, str], ...]
    calls: tuple[CallView, ...]
    stretches: tuple[str, ...]


class DistributionView(Struct, frozen=True, kw_only=True):
    """One number over trials. Places are in per cent between the lowest and highest value."""

    name: str
    median: str
    confidence: str
    extremes: str
    trials: int
    low: float
    width: float
    middle: float
    dots: tuple[float, ...]
    is_main: bool


def hypotheses(result: RunResult, trials: Mapping[int, TrialView]) -> list[HypothesisView]:
    """In the experiment's order."""
    return [
        _hypothesis(one, len(result.trials), trials.get(one.trial)) for one in asked(result.trials)
    ]


def _hypothesis(one: Asked, trials: int, view: TrialView | None) -> HypothesisView:
    verdict = one.verdict
    known = view.evidence if view is not None else {}
    axis = view.axis if view is not None else Axis(start_s=0.0, end_s=0.0)
    answers = ", ".join(f"{answer} {number}" for answer, number in one.answers.items())
    return HypothesisView(
        asked=one,
        over=over(verdict),
        answers=f"{answers} of {plural(trials, 'trial')}" if trials > 1 else "",
        numbers=tuple(
            (name.replace("_", " "), NONE if value is None else f"{value:.6g}")
            for name, value in verdict.evidence.numbers.items()
        ),
        calls=tuple(known[i] for i in verdict.evidence.calls if i in known)[:CALLS_MAX],
        stretches=_stretches(verdict, axis),
    )


def _stretches(verdict: Verdict, axis: Axis) -> tuple[str, ...]:
    return tuple(
        f"{axis.since(s.start_s):.2f} s to {axis.since(s.end_s):.2f} s"
        f"{f': {s.what}' if s.what else ''}"
        f"{f' ({s.value:.4g})' if s.value is not None else ''}"
        for s in verdict.evidence.stretches
    )


def distributions(result: RunResult) -> list[DistributionView]:
    """Numbers of several trials; those of verdicts and of whole runs first."""
    if len(result.trials) < 2:
        return []
    kinds = {v.name: v.kind for _, v in result.verdicts}
    found = [_distribution(name, d, kinds) for name, d in result.distributions.items()]
    return sorted(found, key=lambda view: not view.is_main)


def _distribution(name: str, found: Distribution, kinds: Mapping[str, str]) -> DistributionView:
    kind = kinds.get(name.removeprefix("verdict/"), "") if name.startswith("verdict/") else ""

    def told(value: float) -> str:
        return verdict_value(kind, value) if kind else measure(name, value)

    axis = Axis(start_s=found.low, end_s=found.high)
    is_flat = found.high <= found.low

    def place(value: float) -> float:
        return 50.0 if is_flat else axis.at(value)

    low, high = place(found.confidence.low), place(found.confidence.high)
    return DistributionView(
        name=name.removeprefix("verdict/"),
        median=told(found.median),
        confidence=f"{told(found.confidence.low)} to {told(found.confidence.high)}",
        extremes=f"{told(found.low)} to {told(found.high)}",
        trials=len(found.values),
        low=low,
        width=round(high - low, 3),
        middle=place(found.median),
        dots=tuple(place(value) for value in found.values),
        is_main=name.startswith("verdict/"),
    )


def circumstances(result: RunResult) -> list[tuple[str, str]]:
    """How far the numbers can be trusted, as pairs of what and how."""
    where = result.environment
    lag = sorted(where.loop_lag_p99_s.items(), key=lambda item: -item[1])
    versions = ", ".join(f"{name} {version}" for name, version in sorted(where.versions.items()))
    return [
        ("started", _when(result.started_s)),
        ("seed", str(result.seed)),
        ("speed", f"{where.speed:g} (configured time runs so many times faster)"),
        ("cloud", where.cloud or NONE),
        ("packing", where.packing or NONE),
        ("hosts, cores", f"{where.hosts}, {where.cores:g}"),
        ("load generators", str(where.generators)),
        ("network faults by", where.failure_mode or NONE),
        ("data path", where.data_path or NONE),
        (
            "noise floor",
            _noise(where),
        ),
        (
            "event loop lag, p99",
            ", ".join(f"{name} {seconds(lag_s)}" for name, lag_s in lag[:6]) or "not measured",
        ),
        (
            "processor, busiest second",
            "not measured" if where.cpu_share is None else f"{where.cpu_share:.0%} of all cores",
        ),
        ("versions", versions or NONE),
    ]


def clocks(view: TrialView) -> str:
    """How long a trial took, on both clocks."""
    trial = view.trial
    speed = trial.configured_s / trial.duration_s if trial.duration_s else 1.0
    return both_clocks(trial.duration_s, speed)


def _when(started_s: float) -> str:
    if not started_s:
        return NONE
    return datetime.fromtimestamp(started_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _noise(where: Environment) -> str:
    """And of which groups it is not known."""
    unmeasured = ", ".join(where.noise_unmeasured)
    if where.noise_floor_s is None:
        return "not measured: too few calls were answered before the run"
    told = f"{seconds(where.noise_floor_s)} (scatter of the median latency without faults)"
    return f"{told}; not measured of {unmeasured}" if unmeasured else told
