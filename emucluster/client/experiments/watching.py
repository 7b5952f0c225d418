"""What a run tells while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from emucluster.client.experiments.jobs import Outcome
from emucluster.client.experiments.load import GroupProgress
from emucluster.experiment.plan import PlanEntry
from emucluster.experiment.result import Trial
from emucluster.experiment.vocabulary import Phase
from emucluster.report.words import from_peers


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A trial as it is now.

    Attributes:
        trial: counted from 0, of `trials`.
        phase: None before the first.
        left_s: of the phase; `run_left_s`: of all phases.
        faults: in force or asked for, as `fault_words` has it.
        believed_out: subjects, and the kinds of observers that hold them to be out.
    """

    experiment: str
    trial: int
    trials: int
    phase: Phase | None
    left_s: float
    run_left_s: float
    groups: Mapping[str, GroupProgress] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    believed_out: Mapping[str, frozenset[str]] = field(default_factory=dict)


def fault_words(entry: PlanEntry) -> str:
    """`power-off on node/node-2`, `latency on node/node-2 from node/node-1`."""
    return " ".join(filter(None, (entry.kind, "on", entry.target, from_peers(entry.peers))))


class Watcher(Protocol):
    """Somebody who is told how a run goes; called from the thread that runs it."""

    def step(self, text: str) -> None:
        """What begins now, in words."""
        ...

    def moment(self, now: Moment) -> None:
        """A few times a second, while a trial runs."""
        ...

    def ended(self, trial: Trial, trials: int) -> None:
        """A trial was judged."""
        ...

    def judged(self, outcome: Outcome) -> None:
        """What an experiment came to, before its files are written."""
        ...


class Unwatched:
    """Tells nobody."""

    def step(self, text: str) -> None:
        pass

    def moment(self, now: Moment) -> None:
        pass

    def ended(self, trial: Trial, trials: int) -> None:
        pass

    def judged(self, outcome: Outcome) -> None:
        pass
