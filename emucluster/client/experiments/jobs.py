"""What is to be run, checked before anything starts, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path

from msgspec.structs import replace

from emucluster.client.experiments.environment import local_cores
from emucluster.client.experiments.fitting import fitted, options
from emucluster.client.experiments.foreseen import check_foreseen
from emucluster.client.experiments.service_configs import check_service_configs
from emucluster.client.experiments.source import Source
from emucluster.client.lab import Status
from emucluster.core.errors import UsageError
from emucluster.core.objects.codec import to_tree
from emucluster.experiment.bounds import WHOLE_MAX
from emucluster.experiment.plan import Plan
from emucluster.experiment.result import RunResult
from emucluster.experiment.rig import refusals
from emucluster.experiment.topology import Topology
from emucluster.report import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What takes the place of the file's own; None: as the file has it."""

    seed: int | None = None
    trials: int | None = None
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The plan that a trial of a replay must have, and the topology that it was made for."""

    digest: str
    topology: Topology | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One experiment to run.

    Attributes:
        directory: where its files go; it exists. None: it writes none.
        replayed: for each trial the plan that it must have; empty: any.
    """

    source: Source
    directory: Path | None
    replayed: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one experiment came to."""

    job: Job
    result: RunResult
    recordings: Sequence[Recording] = field(repr=False)


class ReplayDiffers(UsageError):
    """The plan is not the one that was recorded."""


def overridden(source: Source, overrides: Overrides) -> Source:
    """The experiment as it will be run: manifests are in it, not beside it. Raises UsageError."""
    experiment, stated = source.experiment, source.stated
    cluster = experiment.cluster
    if overrides.speed is not None:
        if not 1 <= overrides.speed <= 1000:
            raise UsageError(f"--speed: must be from 1 to 1000, got {overrides.speed:g}")
        cluster, stated = replace(cluster, speed=overrides.speed), stated | {"speed"}
    if overrides.trials is not None and not 1 <= overrides.trials <= 10_000:
        raise UsageError(f"--trials: must be from 1 to 10000, got {overrides.trials}")
    if overrides.seed is not None and abs(overrides.seed) > WHOLE_MAX:
        raise UsageError(f"--seed: must be from -{WHOLE_MAX} to {WHOLE_MAX}")
    experiment = replace(
        experiment,
        cluster=cluster,
        manifests=[to_tree(obj) for obj in source.objects],
        seed=experiment.seed if overrides.seed is None else overrides.seed,
        trials=overrides.trials or experiment.trials,
    )
    return changed(source, experiment=experiment, stated=stated)


def check(source: Source, *, own_cluster: bool) -> None:
    """What can be found wrong before anything starts. Raises UsageError naming the file.

    Args:
        own_cluster: it will run in a cluster that holds nothing but its manifests.
    """
    try:
        options(source.experiment.cluster)
    except UsageError as error:
        raise UsageError(f"{source.label}: cluster.{error}") from None
    if own_cluster or not source.experiment.scaled or "speed" in source.stated:
        check_rig(source)
    check_service_configs(source.label, source.experiment)
    if own_cluster:
        check_foreseen(source.label, source.experiment, source.objects)


def check_rig(source: Source) -> None:
    """Raise UsageError for what would measure the rig, or not fit into it."""
    refused = refusals(source.experiment, cores=local_cores())
    if refused:
        raise UsageError(f"{source.label}: {refused[0]}")


def in_cluster(job: Job, status: Status) -> Job:
    """The job as it will be run in this cluster. Raises UsageError for one that it does not fit."""
    source = job.source
    cluster = fitted(source.label, source.experiment.cluster, source.stated, status)
    here = changed(source, experiment=replace(source.experiment, cluster=cluster))
    check_rig(here)
    return changed(job, source=here)


def check_replay(job: Job, number: int, plan: Plan, topology: Topology) -> None:
    """Raise ReplayDiffers, saying in what, unless this is the plan that was recorded."""
    if number >= len(job.replayed) or job.replayed[number].digest == plan.digest:
        return
    recorded = job.replayed[number]
    raise ReplayDiffers(
        f"{job.source.label}: trial {number + 1} has the plan {plan.digest[:12]}, and recorded was "
        f"{recorded.digest[:12]}: {_difference(recorded.topology, topology)}"
    )


def _difference(before: Topology | None, now: Topology) -> str:
    if before is None:
        return "the topology that it was made for is not known"
    old, new = before.canonical(), now.canonical()
    for part in old:
        if old[part] != new[part]:
            return f"the {part} differ: {_first(old[part], new[part])}"
    return "the topology is the same; another version of emucluster made it"


def _first(old: object, new: object) -> str:
    """The first of a list that the other does not have."""
    assert isinstance(old, list)
    assert isinstance(new, list)
    gone = [item for item in old if item not in new][:1]
    come = [item for item in new if item not in old][:1]
    return " ".join(
        [*(f"{item} was recorded" for item in gone), *(f"{item} is now" for item in come)]
    )
