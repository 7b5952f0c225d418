"""Whether the emulator, not the emulated cluster, was or would be what is measured."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from emucluster.experiment.bounds import BYTES_PER_CORE_S, CALLS_MAX
from emucluster.experiment.history import History
from emucluster.experiment.offered_load import (
    CALLS_PER_CORE_S,
    call_bytes,
    calls_per_s,
    cost,
    due_until,
    overworked,
)
from emucluster.experiment.plan import scale
from emucluster.experiment.rules import fault_name
from emucluster.experiment.spec import Experiment
from emucluster.experiment.stats import quantile
from emucluster.experiment.tolerance import delay_of, lag_max_s, unmeasured_faults

CPU_SHARE_MAX = 0.95
"""Beyond this the machine was too slow to tell anything of a cluster; for lags see `tolerance`."""
CLOCK_STEP_MAX_S = 0.01
"""What a wall clock may move against the monotonic one: both are slewed alike, more is a step."""

_MIB = 1024 * 1024
NOT_STARTED = "NOT_STARTED"

GENERATOR_TOO_LATE = "the generator came too late"
"""Why a call was never begun that the cluster cannot be blamed for; else it found no slot."""


class Environment(Struct, frozen=True, kw_only=True):
    """Where and how a run took place.

    Attributes:
        versions: of emucluster, Python, grpc, ray, kernel ...
        cores: that the processes may use, of all hosts together.
        hosts: machines that the cluster is on.
        packing: `pod`, a process for each pod, or `node`, pods inside their node's process.
        cloud: whose load balancers.
        speed: by what configured durations are divided.
        failure_mode: `kernel filter` or `imitated`.
        data_path: in words, what a call passes through.
        noise_floor_s: the median latency's own scatter without faults; None: it could not be
            measured.
        noise_unmeasured: client groups of which it could not be measured: too few of their calls
            were answered.
        loop_lag_p99_s: of event loops, by the name of a process.
        clock_step_s: how far the wall clock moved against the monotonic one, by the name of a
            process.
        cpu_share: of all cores; the higher of the cluster's own highest second and of everybody's
            mean over the trial.
        generators: how many processes made the load.
    """

    versions: dict[str, str] = field(default_factory=dict)
    cores: float = 0.0
    hosts: int = 1
    packing: str = ""
    cloud: str = ""
    speed: float = 1.0
    failure_mode: str = ""
    data_path: str = ""
    noise_floor_s: float | None = None
    noise_unmeasured: tuple[str, ...] = ()
    loop_lag_p99_s: dict[str, float] = field(default_factory=dict)
    clock_step_s: dict[str, float] = field(default_factory=dict)
    cpu_share: float | None = None
    generators: int = 0


def refusals(
    experiment: Experiment, *, cores: float, noise_floor_s: float | None = None
) -> list[str]:
    """Why an experiment would measure the rig, or not fit into it; empty if it would do neither.

    Ask before the run.
    """
    found = list(_of_load(experiment, cores))
    for index, fault in enumerate(experiment.faults):
        name = fault_name(experiment, index)
        if fault.kind == "cpu-hog" and experiment.cluster.packing != "pod":
            found.append(
                f'faults[{index}] "{name}": cpu-hog with packing {experiment.cluster.packing} '
                "would slow the process that all of a node's pods share, not the node; use "
                "packing pod"
            )
        delay_s = delay_of(fault)
        if delay_s is not None and noise_floor_s is not None and delay_s < 2 * noise_floor_s:
            found.append(
                f'faults[{index}] "{name}": {delay_s * 1000:g} ms cannot be told from this '
                f"machine's own scatter of {noise_floor_s * 1000:.3g} ms"
            )
    return found


def _of_load(experiment: Experiment, cores: float) -> Iterator[str]:
    groups = experiment.workload
    open_loops = [group for group in groups if group.rate_per_s_max is not None]
    rate_per_s = sum(calls_per_s(group) for group in open_loops)
    weight = sum(calls_per_s(group) * cost(group) for group in open_loops)
    if weight > cores * CALLS_PER_CORE_S:
        dear = "" if weight == rate_per_s else f", which cost as much as {weight:g} unary ones,"
        yield (
            f"workload: {rate_per_s:g} calls/s{dear} need more than the {cores:g} cores there are "
            f"(at most {cores * CALLS_PER_CORE_S:g} unary calls/s in all, {CALLS_PER_CORE_S:g} for "
            "each core, and the cluster wants some)"
        )
    bytes_per_s = sum(calls_per_s(group) * call_bytes(group) for group in open_loops)
    if bytes_per_s > cores * BYTES_PER_CORE_S:
        yield (
            f"workload: {bytes_per_s / _MIB:.0f} MiB/s of payload (rate times requestBytes and "
            f"replyBytes) need more than the {cores:g} cores there are "
            f"({BYTES_PER_CORE_S // _MIB} MiB/s each)"
        )
    # More clients are of no use to what there are too few cores for.
    yield from overworked(groups)
    run_s = sum(msgspec.structs.astuple(experiment.phases)) / scale(experiment)
    calls = experiment.trials * sum(due_until(group, run_s, run_s=run_s) for group in groups)
    if calls > CALLS_MAX:
        yield (
            f"workload: up to {calls:,.0f} calls in all trials, and at most {CALLS_MAX:,} are kept "
            "in memory until the report is written: take lower rates, shorter phases, fewer "
            "trials, or (in a closed loop) a longer think"
        )


def saturation_reasons(
    experiment: Experiment, environment: Environment, history: History
) -> list[str]:
    """Why a run's limit was the emulator; empty if it was not. Ask after the run."""
    lag_s = lag_max_s(experiment)
    found = [
        f"event loop of {name} was late by {late_s * 1000:.3g} ms (p99); given what is judged, at "
        f"most {lag_s * 1000:.3g} ms tell of the cluster"
        for name, late_s in sorted(environment.loop_lag_p99_s.items())
        if late_s > lag_s
    ]
    if environment.cpu_share is not None and environment.cpu_share > CPU_SHARE_MAX:
        found.append(f"processors were {environment.cpu_share:.0%} busy")
    never = sum(call.error == GENERATOR_TOO_LATE for call in history.calls)
    if never:
        found.append(
            f"{never} calls were never begun because their load generator came too late for them; "
            "they count as failed though the cluster never saw them"
        )
    for group in history.groups:
        late = sorted(
            call.started_s - call.intended_s
            for call in history.calls
            if call.group == group and call.status != NOT_STARTED
        )
        if late and quantile(late, 0.99) > lag_s:
            found.append(
                f"calls of {group} were begun {quantile(late, 0.99) * 1000:.3g} ms after they "
                f"were due (p99); given what is judged, at most {lag_s * 1000:.3g} ms tell of the "
                "cluster"
            )
    return found


def unknown_reasons(
    experiment: Experiment, environment: Environment, history: History
) -> list[str]:
    """Why nobody can tell whether what was measured is so; empty if it is. Ask after the run."""
    found: list[str] = []
    if environment.noise_floor_s is None and history.calls:
        found += unmeasured_faults(experiment)
    steps = environment.clock_step_s
    # All processes of a host have one clock: one of them is named.
    name = max(steps, key=lambda each: steps[each], default="")
    if name and steps[name] > CLOCK_STEP_MAX_S:
        found.append(_clock_was_set(name, steps[name]))
    return found


def _clock_was_set(name: str, step_s: float) -> str:
    return (
        f"the wall clock was set during the run: it moved by {_lasting(step_s)} against the "
        f"monotonic clock of {name}, so that no times of it can be compared"
    )


def _lasting(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
