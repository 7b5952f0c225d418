"""One trial: load through all phases, faults by their plan, and what was seen of it all."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack

from msgspec.structs import replace

from emucluster.client.api import ApiClient
from emucluster.client.experiments.bystander import Bystander
from emucluster.client.experiments.driver import FaultDriver
from emucluster.client.experiments.hands import LabHands
from emucluster.client.experiments.interrupts import held_off
from emucluster.client.experiments.journal import Opening
from emucluster.client.experiments.load import Load
from emucluster.client.experiments.observer import Observer
from emucluster.client.experiments.operations import Operations
from emucluster.client.experiments.rig_sampler import RigSampler
from emucluster.client.experiments.rollback import TICK_S, roll_back
from emucluster.client.experiments.setting import Carried, Setting
from emucluster.client.experiments.sightings import lingering, sightings
from emucluster.client.experiments.topology import members_of
from emucluster.client.experiments.watching import Moment, fault_words
from emucluster.core.errors import EmuclusterError, NotRunning
from emucluster.experiment.assembly import trial_result
from emucluster.experiment.history import CallRecord, Execution, History, PhaseSpan
from emucluster.experiment.ledger import Ledger
from emucluster.experiment.plan import PlannedPhase
from emucluster.live.load.clock import LoadClock
from emucluster.report import Recording

TELL_S = 0.25
DRAIN_MAX_S = 15.0
AHEAD_S = 0.5
"""Generators are told so long before the first call is due."""
INTERRUPTED = "the run was interrupted before its end, by Ctrl-C or SIGTERM"

log = logging.getLogger(__name__)


class TrialRun:
    """Carries out one trial. Whatever happens, its faults are lifted when `carry_out` ends.

    Attributes:
        result: None before a call was due.
        broke_off: why it ended before its time, and proves nothing; empty: it did not.
    """

    def __init__(self, setting: Setting) -> None:
        self._at = setting
        # The date, and no step of it from now on: a run keeps its times, and rolls back in time.
        self._clock = LoadClock().now_s
        self.result: Carried | None = None
        self.broke_off = ""
        self._held = ExitStack()
        self._calls: list[CallRecord] = []
        self._executions: list[Execution] = []
        self._ended_before: dict[str, int] = {}
        self._left: list[str] = []
        self._doubts: list[str] = []

    def carry_out(self) -> None:
        """Raises what keeps it from beginning, UsageError for a workload that does not fit the
        cluster, and KeyboardInterrupt; of what has begun there is a `result` then too."""
        with self._held:
            self._prepare()
            self._start()
            try:
                self._drive()
            except KeyboardInterrupt:
                self.broke_off = INTERRUPTED
            except Exception as error:
                self.broke_off = self._why(error)
            self._ended_s = self._clock()
            with held_off():
                self._left = self._roll_back()
                self._collect()
                self.result = self._judged()
        if self.broke_off == INTERRUPTED:
            raise KeyboardInterrupt

    def _why(self, error: Exception) -> str:
        """What happened in the midst of it, in a line."""
        if gone := self._at.session.gone:
            return gone
        if not isinstance(error, EmuclusterError | OSError):
            log.exception("a trial broke off")
            return f"the run broke off: {type(error).__name__}: {error}"
        return f"the run broke off: {error}"

    # --- before ----------------------------------------------------------------------------------

    def _prepare(self) -> None:
        at, session = self._at, self._at.session
        at.watcher.step("starting load generators")
        self._load = self._held.enter_context(
            Load(
                session,
                at.experiment.workload,
                run=at.run,
                seed=at.plan.seed,
                duration_s=at.plan.duration_s,
            )
        )
        self._environment = at.environment
        if at.noise:
            at.watcher.step("measuring the noise floor")
            noise = self._load.noise_floor()
            self._environment = replace(
                at.environment, noise_floor_s=noise.floor_s, noise_unmeasured=noise.unmeasured
            )
            at.refuse(noise.floor_s)
        self._observer = self._held.enter_context(Observer(session.lab))
        self._rig = self._held.enter_context(RigSampler(session.lab, cores=at.environment.cores))
        self._nodes = {f"{pod.namespace}/{pod.name}": pod.node for pod in at.topology.pods}
        self._hands = LabHands(session.lab, run=at.run, nodes=self._nodes)
        other = ApiClient(session.record.api, session.record.token)
        self._held.callback(other.close)
        self._operations = Operations(
            session.api, other, session.lab, at.undo_log, run=at.run, clock=self._clock
        )
        self._held.callback(self._operations.close)

    def _start(self) -> None:
        at = self._at
        self._bystander = Bystander(at.session, at.plan, run=at.run, namespaces=at.namespaces)
        self._start_s = self._load.start(self._clock() + AHEAD_S)
        ledger = Ledger(at.plan, start_s=self._start_s)
        at.journal.write(
            [
                Opening(
                    run=at.run,
                    cluster=at.session.name,
                    start_s=self._start_s,
                    plan=at.plan,
                )
            ]
        )
        self._driver = FaultDriver(
            ledger, self._hands, self._operations, at.journal, clock=self._clock
        )

    # --- through the phases ----------------------------------------------------------------------

    def _drive(self) -> None:
        end_s = self._start_s + self._at.plan.duration_s
        told_s = 0.0
        while (now_s := self._clock()) < end_s:
            self._pull_triggers(now_s)
            self._driver.step()
            if now_s >= told_s + TELL_S:
                told_s = now_s
                if gone := self._at.session.gone:
                    raise NotRunning(gone)
                self._at.watcher.moment(self._moment(now_s))
            wake_s = self._driver.ledger.next_wake_s()
            until_s = min(end_s, now_s + TICK_S, max(now_s, wake_s or end_s))
            time.sleep(max(0.001, until_s - now_s))
        self._load.stop(self._drain_s())

    def _pull_triggers(self, now_s: float) -> None:
        """Entries wait for calls that end within the inject phase."""
        waiting = self._driver.ledger.waiting()
        if not waiting or now_s < self._start_s + self._at.plan.phase("inject").start_s:
            return
        for entry in waiting:
            trigger = entry.trigger
            assert trigger is not None, "an entry without a start has a trigger"
            ended = self._load.ended(trigger.group)
            before = self._ended_before.setdefault(trigger.group, ended)
            if ended - before >= trigger.after:
                self._driver.trigger(entry.id)

    def _drain_s(self) -> float:
        deadlines = [float(group.deadline_s) for group in self._at.experiment.workload]
        return min(DRAIN_MAX_S, max(deadlines) + 0.5)

    def _moment(self, now_s: float) -> Moment:
        at = self._at
        run_s = now_s - self._start_s
        phase = next((p for p in at.plan.phases if p.start_s <= run_s < p.end_s), None)
        return Moment(
            experiment=at.experiment.name,
            trial=at.number,
            trials=at.trials,
            phase=phase.phase if phase is not None else None,
            left_s=phase.end_s - run_s if phase is not None else 0.0,
            run_left_s=at.plan.duration_s - run_s,
            groups=self._load.progress(),
            faults=tuple(fault_words(entry) for entry in self._driver.ledger.in_force()),
            believed_out={
                subject: frozenset(by) for subject, by in self._observer.believed_out().items()
            },
        )

    # --- after -----------------------------------------------------------------------------------

    def _roll_back(self) -> list[str]:
        """Lift everything, and see that it is lifted."""
        targets = [entry.target for entry in self._at.plan.entries if not entry.is_operation]
        session = self._at.session
        return roll_back(
            self._driver,
            left=lambda: self._hands.left(targets),
            gone=lambda: session.gone,
            clock=self._clock,
            waits=not self.broke_off,
        )

    def _collect(self) -> None:
        """What was recorded, as far as there is still somebody to ask."""
        if self.broke_off:
            self._load.stop(0.0)
        self._calls = self._load.records()
        self._rig.stop()
        self._observer.stop()
        if not self._at.session.gone:
            self._doubts = [*self._executed(), *self._bystander.disturbances()]
        ledger = self._driver.ledger
        for seen in sightings(
            self._at.run,
            ledger.plan.entries,
            ledger.records(),
            self._calls,
            self._observer.beliefs(),
        ):
            self._driver.hear(seen)
        self._driver.finish()

    def _executed(self) -> list[str]:
        """Ask pods what they remember; why that is not known, empty if it is."""
        try:
            self._executions = self._load.executions()
        except EmuclusterError as error:
            return [f"what pods executed is not known: {error}"]
        return []

    def _judged(self) -> Carried:
        at, ledger = self._at, self._driver.ledger
        health = self._load.health()
        history = History(
            phases=tuple(self._span(phase) for phase in at.plan.phases),
            calls=self._calls,
            faults=ledger.records(),
            beliefs=self._observer.beliefs(),
            truths=self._observer.truths(),
            executions=self._executions,
            members=members_of(at.topology),
        )
        environment = replace(
            self._environment,
            clock_step_s=self._rig.clock_step_s,
            loop_lag_p99_s={**self._rig.loop_lag_p99_s, **health.lag_p99_s},
            cpu_share=self._rig.cpu_share,
            generators=health.generators,
        )
        trial = trial_result(
            at.experiment,
            at.plan,
            history,
            environment,
            number=at.number,
            clean=None if at.session.gone else not self._left,
            invalid_reasons=[self.broke_off]
            if at.session.gone
            else [
                *filter(None, [self.broke_off]),
                *self._doubts,
                *ledger.invalid_reasons(nodes=self._nodes),
                *lingering(at.run, at.plan.entries, ledger.records(), self._calls),
                *health.invalid_reasons,
                *_of_records(self._calls, self._observer.gaps),
                *self._left,
            ],
        )
        recording = Recording(history=history, plan=at.plan, topology=at.topology)
        return Carried(trial, recording, environment)

    def _span(self, phase: PlannedPhase) -> PhaseSpan:
        """A phase as it was: one that the run did not come to lasts no time."""
        end_s = self._ended_s if self.broke_off else float("inf")
        return PhaseSpan(
            phase=phase.phase,
            start_s=min(end_s, self._start_s + phase.start_s),
            end_s=min(end_s, self._start_s + phase.end_s),
        )


def _of_records(calls: Sequence[CallRecord], gaps: int) -> list[str]:
    """Why the records do not tell everything."""
    found = [] if calls else ["not one call was recorded"]
    if gaps:
        found.append(f"what the cluster believed is not known throughout: told anew {gaps} times")
    return found
