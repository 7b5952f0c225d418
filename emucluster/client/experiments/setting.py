"""What a trial takes place in, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emucluster.client.cluster import Session
from emucluster.client.experiments.journal import Journal
from emucluster.client.experiments.undo import UndoLog
from emucluster.client.experiments.watching import Watcher
from emucluster.experiment.plan import Plan
from emucluster.experiment.result import Trial
from emucluster.experiment.rig import Environment
from emucluster.experiment.spec import Experiment
from emucluster.experiment.topology import Topology
from emucluster.report import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a trial takes place in.

    Attributes:
        run: begins the ids of this trial's faults and calls; unique.
        namespaces: in which nobody else is to change anything meanwhile.
        noise: whether to measure the noise floor before; the environment gets it.
        refuse: called with the noise floor in seconds; raises what forbids the run.
    """

    session: Session
    experiment: Experiment
    topology: Topology
    plan: Plan
    environment: Environment
    journal: Journal
    undo_log: UndoLog
    watcher: Watcher
    run: str
    number: int
    trials: int
    namespaces: Sequence[str] = ()
    noise: bool = False
    refuse: Callable[[float | None], None] = lambda _floor_s: None


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of a trial, and where and how it took place."""

    trial: Trial
    recording: Recording
    environment: Environment
