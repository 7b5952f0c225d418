"""All trials of one experiment in one cluster, each from the same state."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from emucluster.client.cluster import Session
from emucluster.client.experiments.bystander import namespaces_of
from emucluster.client.experiments.environment import environment_of, local_cores
from emucluster.client.experiments.guard import Guard
from emucluster.client.experiments.jobs import Job, Outcome, check_replay
from emucluster.client.experiments.journal import Journal
from emucluster.client.experiments.place import READY_S, Placed, TargetStates, wait_settled
from emucluster.client.experiments.setting import Carried, Setting
from emucluster.client.experiments.topology import read_topology
from emucluster.client.experiments.trial import INTERRUPTED, TrialRun
from emucluster.client.experiments.trials import refused, worst_environment
from emucluster.client.experiments.undo import UndoLog
from emucluster.client.experiments.watching import Watcher
from emucluster.client.lab import Status
from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.core.faults.kinds import KINDS
from emucluster.experiment.assembly import repeats, run_result
from emucluster.experiment.plan import Plan, expand, trial_seed
from emucluster.experiment.plan_error import PlanError
from emucluster.experiment.result import Trial
from emucluster.experiment.rig import Environment, refusals
from emucluster.experiment.rules import unknown_service
from emucluster.experiment.topology import Topology
from emucluster.live.clock import wall_s
from emucluster.report import Recording
from emucluster.report.files import JOURNAL, UNDO

FAULTS_NAMED = 5
LEFT_NAMED = 8


class Series:
    """Runs the trials of one experiment.

    Before each of them the cluster is whole again: pods ready, load balancers of the same opinion
    as before the first, and everything where it was; if controllers put it elsewhere meanwhile, the
    manifests are applied anew.

    Args:
        guarded: the cluster lives on if this process is killed, and is to be put back then; the
            descriptor of the lock on it. None: it ends with this process.
        notes: an empty directory for journal and undo log; None: with the cluster, and removed.
    """

    def __init__(
        self,
        session: Session,
        job: Job,
        watcher: Watcher,
        *,
        guarded: int | None,
        notes: Path | None = None,
    ) -> None:
        self._session = session
        self._notes = notes
        self._guarded = guarded
        self._job = job
        self._watcher = watcher
        self._experiment = job.source.experiment
        self._run = f"run{secrets.token_hex(4)}"
        self._started_s = wall_s()
        self._trials: list[Trial] = []
        self._recordings: list[Recording] = []
        self._environments: list[Environment] = []
        self._targets: TargetStates | None = None
        self._topology: Topology | None = None

    def carry_out(self) -> None:
        """Run all trials, or those until one breaks off.

        Raises UsageError for a plan or workload that does not fit the cluster and for one in which
        faults are in force, NotReady for manifests that do not come up, Unreachable.
        """
        status = self._session.status()
        self._check_whole(status)
        self._environment = environment_of(status, cores=local_cores())
        with contextlib.ExitStack() as held:
            directory = self._notes or held.enter_context(self._own_notes())
            journal, undo_log = Journal(directory / JOURNAL), UndoLog(directory / UNDO)
            held.callback(journal.close)
            held.callback(undo_log.close)
            if self._guarded is not None:
                guard = Guard(directory, status.name, lock=self._guarded, leaves=self._leaves)
                held.enter_context(guard)
            placed = held.enter_context(
                Placed(self._session, self._job.source.objects, undo_log, self._watcher.step)
            )
            while len(self._trials) < self._wanted:
                if self._trial(len(self._trials), placed, journal, undo_log):
                    break

    @property
    def _leaves(self) -> str:
        """What somebody finds in the cluster who finds the run killed."""
        operations = {kind.name for kind in KINDS if kind.is_operation}
        kinds = dict.fromkeys(fault.kind for fault in self._experiment.faults)
        named = [
            *(kind for kind in kinds if kind in operations),
            *(f"{obj.kind.lower()}/{obj.metadata.name}" for obj in self._job.source.objects),
        ]
        more = len(named) - LEFT_NAMED
        return ", ".join(named[:LEFT_NAMED]) + (f" and {more} more" if more > 0 else "")

    @property
    def _wanted(self) -> int:
        """How many trials, with those that repeat one that the emulator limited."""
        limited = sum(trial.limited for trial in self._trials)
        return self._experiment.trials + repeats(limited, self._experiment)

    def _check_whole(self, status: Status) -> None:
        """Nothing is broken before the run breaks it."""
        found = [fault for fault in status.faults if fault.state == "in force"]
        if found:
            named = ", ".join(f"{f.id} ({f.kind} on {f.target})" for f in found[:FAULTS_NAMED])
            raise UsageError(
                f'{self._job.source.label}: cluster "{status.name}" has faults in force that are '
                f"not this run's: {named}; `emucluster fault clear --all` ends them"
            )

    @contextlib.contextmanager
    def _own_notes(self) -> Iterator[Path]:
        directory = Path(self._session.record.directory) / self._run
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    @property
    def gone(self) -> str:
        """Why there is no cluster any more; empty: there is."""
        return self._session.gone

    def outcome(self) -> Outcome | None:
        """What has been run by now comes to; None: nothing has."""
        if not self._trials:
            return None
        directory = self._job.directory
        result = run_result(
            self._experiment,
            self._trials,
            worst_environment(self._environments),
            seed=self._experiment.seed,
            started_s=self._started_s,
            rerun=f"emucluster replay {directory}" if directory is not None else "",
        )
        return Outcome(self._job, result, self._recordings)

    # --- one trial -------------------------------------------------------------------------------

    def _trial(self, number: int, placed: Placed, journal: Journal, undo_log: UndoLog) -> str:
        """Why no further trial is to be run; empty: it may.

        Raises what `carry_out` does, and KeyboardInterrupt once what came of it is kept.
        """
        try:
            return self._carried_out(number, placed, journal, undo_log)
        except KeyboardInterrupt:
            if len(self._trials) == number and self._topology is not None:
                plan = self._plan(number, self._topology)
                self._keep(self._unbegun(plan, self._topology, number, INTERRUPTED))
            raise

    def _carried_out(self, number: int, placed: Placed, journal: Journal, undo_log: UndoLog) -> str:
        first, reason = self._topology is None, ""
        try:
            topology = self._settled(placed)
        except EmuclusterError as error:
            if first:
                raise
            assert self._topology is not None
            topology, reason = self._topology, self._session.gone or f"not begun: {error}"
        plan = self._plan(number, topology)
        if reason:
            self._keep(self._unbegun(plan, topology, number, reason))
            return self._session.gone
        check_replay(self._job, number, plan, topology)
        self._check_questions(topology)
        setting = Setting(
            session=self._session,
            experiment=self._experiment,
            topology=topology,
            plan=plan,
            environment=self._environment,
            journal=journal,
            undo_log=undo_log,
            watcher=self._watcher,
            run=f"{self._run}-{number}",
            number=number,
            trials=self._wanted,
            namespaces=namespaces_of(self._experiment, self._job.source.objects, plan),
            noise=first,
            refuse=self._refuse,
        )
        trial = TrialRun(setting)
        try:
            trial.carry_out()
        except UsageError:
            raise  # it does not fit: that is no result
        except Exception as error:
            if trial.result is None:
                reason = self._session.gone or f"not begun: {_said(error)}"
                self._keep(self._unbegun(plan, topology, number, reason))
            if not isinstance(error, EmuclusterError):
                raise
        finally:
            # Also where somebody interrupted it: what has been run is kept.
            if trial.result is not None:
                self._keep(trial.result)
        return reason or trial.broke_off

    def _unbegun(self, plan: Plan, topology: Topology, number: int, reason: str) -> Carried:
        trial, recording = refused(
            self._experiment,
            plan,
            topology,
            self._environment,
            number=number,
            at_s=wall_s(),
            reason=reason,
        )
        return Carried(trial, recording, self._environment)

    def _keep(self, found: Carried) -> None:
        self._environment = replace(
            self._environment,
            noise_floor_s=found.environment.noise_floor_s,
            noise_unmeasured=found.environment.noise_unmeasured,
        )
        self._trials.append(found.trial)
        self._recordings.append(found.recording)
        self._environments.append(found.environment)
        self._watcher.ended(found.trial, self._wanted)

    def _settled(self, placed: Placed) -> Topology:
        """Wait until it is as before the first trial. Raises NotReady."""
        self._watcher.step("waiting until everything is ready")
        held = wait_settled(self._session, timeout_s=READY_S, targets=self._targets)
        topology = read_topology(self._session)
        if self._topology is None:
            self._targets, self._topology = held, topology
            return topology
        if topology.canonical() != self._topology.canonical():
            self._watcher.step("applying the manifests anew: pods are not where they were")
            placed.again()
            # Load balancers are new ones then, and so are their opinions.
            wait_settled(self._session, timeout_s=READY_S, targets=self._targets)
            topology = read_topology(self._session)
        return topology

    def _plan(self, number: int, topology: Topology) -> Plan:
        seed = trial_seed(self._experiment.seed, number)
        try:
            return expand(self._experiment, topology, seed)
        except PlanError as error:
            raise UsageError(f"{self._job.source.label}: {error}") from None

    def _check_questions(self, topology: Topology) -> None:
        problem = unknown_service(self._experiment, topology)
        if problem is not None:
            raise UsageError(f"{self._job.source.label}: {problem.path}: {problem.text}")

    def _refuse(self, noise_floor_s: float | None) -> None:
        cores = self._environment.cores
        found = refusals(self._experiment, cores=cores, noise_floor_s=noise_floor_s)
        if found:
            raise UsageError(f"{self._job.source.label}: {found[0]}")


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, EmuclusterError) else f"{type(error).__name__}: {error}"
