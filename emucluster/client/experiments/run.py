"""Runs experiments: each in turn, in clusters of their own or in one that runs already."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path

from emucluster.client.cluster import Session, connect
from emucluster.client.experiments.interrupts import Interrupts, held_off
from emucluster.client.experiments.jobs import Job, Outcome, in_cluster
from emucluster.client.experiments.place import own_cluster
from emucluster.client.experiments.recovery import recover
from emucluster.client.experiments.run_lock import run_lock
from emucluster.client.experiments.series import Series
from emucluster.client.experiments.watching import Unwatched, Watcher
from emucluster.core.errors import EmuclusterError, NotRunning
from emucluster.experiment.spec import Cluster as ClusterSpec
from emucluster.report import write as write_report
from emucluster.report.files import EXPERIMENT, workplace


def run(
    jobs: Sequence[Job], *, cluster: str | None = None, watcher: Watcher | None = None
) -> Generator[Outcome, None, None]:
    """Run experiments and yield what each came to, its files written. The watcher is told before
    they are.

    Those whose `cluster` is equal share one, one after the other. Ctrl-C (or SIGTERM) ends the
    run, but neither the lifting of faults nor the removal of clusters. Close the iterator, or use
    it up.

    Args:
        jobs: checked, see `jobs.check`.
        cluster: a running cluster to use instead of starting one; for one run at a time.

    Raises UsageError for what does not fit the cluster, ClusterError for one that does not start,
    ClusterBusy for one in which another run is under way, NotPutBack for one in which a run was
    killed that cannot be undone, ReportNotWritten.
    """
    watcher = watcher or Unwatched()
    with Interrupts():
        if cluster is not None:
            with connect(cluster) as session, _held(session, jobs, watcher) as lock:
                status = session.status()
                for job in [in_cluster(job, status) for job in jobs]:
                    yield _run_one(session, job, watcher, guarded=lock)
            return
        for spec, alike in by_cluster(jobs):
            with own_cluster(spec, _names(alike), watcher.step) as session:
                for job in alike:
                    yield _run_one(session, job, watcher, guarded=None)


def _held(
    session: Session, jobs: Sequence[Job], watcher: Watcher
) -> contextlib.AbstractContextManager[int]:
    """The lock on a cluster that is as it was before a run that was killed in it."""
    return run_lock(session.record, _names(jobs), recover=partial(recover, session, watcher.step))


def _names(jobs: Sequence[Job]) -> str:
    return ", ".join(f'"{job.source.experiment.name}"' for job in jobs)


def by_cluster(jobs: Sequence[Job]) -> list[tuple[ClusterSpec, list[Job]]]:
    """Jobs that can share a cluster, in the order of the first of each."""
    found: list[tuple[ClusterSpec, list[Job]]] = []
    for job in jobs:
        spec = job.source.experiment.cluster
        alike = next((jobs for known, jobs in found if known == spec), None)
        if alike is None:
            found.append((spec, [job]))
        else:
            alike.append(job)
    return found


def _run_one(session: Session, job: Job, watcher: Watcher, *, guarded: int | None) -> Outcome:
    watcher.step(f"running {job.source.experiment.name}")
    if job.directory is None:
        return _carried_out(Series(session, job, watcher, guarded=guarded), watcher, None)
    with workplace(job.directory) as work:
        (work / EXPERIMENT).write_text(job.source.text, encoding="utf-8")
        series = Series(session, job, watcher, guarded=guarded, notes=work)
        return _carried_out(series, watcher, work)


def _carried_out(series: Series, watcher: Watcher, work: Path | None) -> Outcome:
    """What it came to: told first, for a disk may be full, and then written."""
    try:
        series.carry_out()
    except EmuclusterError as error:
        if gone := series.gone:
            raise NotRunning(gone) from error
        raise
    finally:
        # What has been run is kept, also when Ctrl-C ended the rest.
        outcome = series.outcome()
        if outcome is not None:
            with held_off():
                try:
                    watcher.judged(outcome)
                finally:
                    _write(outcome, watcher, work)
    assert outcome is not None, "a series that came to its end has a trial"
    return outcome


def _write(outcome: Outcome, watcher: Watcher, work: Path | None) -> None:
    directory = outcome.job.directory
    if directory is not None:
        watcher.step("writing the report")
        write_report(directory, outcome.result, outcome.recordings, along=work)
