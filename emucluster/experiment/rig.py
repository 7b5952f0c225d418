"""Whether the emulator, not the emulated cluster, was or would be what is measured."""

from __future__ import annotations

from msgspec import Struct, field

from emucluster.experiment import kinds
from emucluster.experiment.history import History
from emucluster.experiment.rules import fault_name
from emucluster.experiment.spec import Experiment
from emucluster.experiment.stats import quantile
from emucluster.experiment.targets import selector

CALLS_PER_CORE_S = 3000.0
"""What one generator does on one core."""

LOOP_LAG_MAX_S = 0.1
CPU_SHARE_MAX = 0.95
START_LAG_MAX_S = 0.1
"""Beyond these (99th percentiles) the machine was too slow to tell anything of the cluster."""

NOT_STARTED = "NOT_STARTED"


class Environment(Struct, frozen=True, kw_only=True):
    """Where and how a run took place.

    Attributes:
        versions: of emucluster, Python, grpc, ray, kernel ...
        cores: that the processes may use, of all hosts together.
        failure_mode: `kernel filter` or `imitated`.
        data_path: in words, what a call passes through.
        noise_floor_s: the median latency's own scatter without faults; None: not measured.
        loop_lag_p99_s: by the name of a process; cpu_share: of all cores, the highest second.
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
    loop_lag_p99_s: dict[str, float] = field(default_factory=dict)
    cpu_share: float | None = None
    generators: int = 0


def refusals(
    experiment: Experiment, *, cores: float, noise_floor_s: float | None = None
) -> list[str]:
    """Why an experiment would measure the rig; empty if it would not. Ask before the run."""
    found: list[str] = []
    rate_per_s = sum(group.rate_per_s_max or 0.0 for group in experiment.workload)
    if rate_per_s > cores * CALLS_PER_CORE_S:
        found.append(
            f"workload: {rate_per_s:g} calls/s need more than the {cores:g} cores there are "
            f"({CALLS_PER_CORE_S:g} calls/s each, and the cluster wants some)"
        )
    for index, fault in enumerate(experiment.faults):
        target = selector(fault.target)
        kind = kinds.find(fault.kind, target.kind)
        name = fault_name(experiment, index)
        if fault.kind == "cpu-hog" and experiment.cluster.packing != "pod":
            found.append(
                f'fault "{name}": cpu-hog with packing {experiment.cluster.packing} would slow the '
                "process that all of a node's pods share, not the node; use packing pod"
            )
        delay = next((p for p in kind.params if p.name == "delay"), None) if kind else None
        if delay is not None and noise_floor_s is not None:
            delay_s = delay.parse(fault.params.get("delay", delay.default))
            if delay_s < 2 * noise_floor_s:
                found.append(
                    f'fault "{name}": {delay_s * 1000:g} ms cannot be told from this machine\'s '
                    f"own scatter of {noise_floor_s * 1000:.3g} ms"
                )
    return found


def saturation_reasons(environment: Environment, history: History) -> list[str]:
    """Why a run's limit was the emulator; empty if it was not. Ask after the run."""
    found = [
        f"event loop of {name} was late by {lag_s * 1000:.0f} ms (p99); at most "
        f"{LOOP_LAG_MAX_S * 1000:.0f} ms tell of the cluster"
        for name, lag_s in sorted(environment.loop_lag_p99_s.items())
        if lag_s > LOOP_LAG_MAX_S
    ]
    if environment.cpu_share is not None and environment.cpu_share > CPU_SHARE_MAX:
        found.append(f"processors were {environment.cpu_share:.0%} busy")
    for group in history.groups:
        late = sorted(
            call.started_s - call.intended_s
            for call in history.calls
            if call.group == group and call.status != NOT_STARTED
        )
        if late and quantile(late, 0.99) > START_LAG_MAX_S:
            found.append(
                f"calls of {group} were begun {quantile(late, 0.99) * 1000:.0f} ms after they "
                f"were due (p99)"
            )
    return found
