"""The files of a run's directory, and how those of a new run take the place of an older one's.

A directory never holds files of two runs: `results.json`, by which a run is known, goes first when
others are replaced and comes last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from emucluster.core.errors import EmuclusterError
from emucluster.experiment.history import BeliefRecord, CallRecord, Execution, TruthRecord
from emucluster.experiment.result import RunResult

RESULTS, TRIALS = "results.json", "trials.json"
PAGE, SUMMARY, JUNIT = "report.html", "summary.md", "junit.xml"
TABLES: dict[str, type[Struct]] = {
    "calls": CallRecord,
    "executions": Execution,
    "truths": TruthRecord,
    "beliefs": BeliefRecord,
}
"""Field of a history -> what its rows are; each is a file, `calls.parquet` and so on."""
EXPERIMENT, JOURNAL, UNDO = "experiment.yaml", "journal.jsonl", "undo.jsonl"
"""What a run writes while it is under way."""
WORK = ".running"
"""Where it writes them."""
NAMES = frozenset(
    [RESULTS, TRIALS, PAGE, SUMMARY, JUNIT, EXPERIMENT, JOURNAL, UNDO]
    + [f"{name}.parquet" for name in TABLES]
)

_STAGING = ".writing-"


class ReportNotWritten(EmuclusterError):
    """The files could not be written; those that were there before are as they were.

    Attributes:
        result: what they would have told.
    """

    def __init__(self, message: str, result: RunResult | None = None) -> None:
        super().__init__(message)
        self.result = result


class Occupied(EmuclusterError):
    """A directory holds what is no run's, or another run is under way in it."""


def check_free(directory: Path) -> None:
    """Raise Occupied unless a run may write there: it is missing, empty, or an older run's.

    Names that begin with a dot are nobody's concern. Raises OSError for what cannot be looked at.
    """
    if not directory.exists():
        return
    shown = sorted(name for name in os.listdir(directory) if not name.startswith("."))
    foreign = shown if RESULTS not in shown else [name for name in shown if name not in NAMES]
    if foreign:
        raise Occupied(
            f"{directory}: holds {foreign[0]}, which is no run's; name a directory that is new, "
            "empty or an older run's"
        )
    if (directory / WORK).is_dir():
        with _locked(directory):
            pass


@contextlib.contextmanager
def workplace(directory: Path) -> Iterator[Path]:
    """Where a run that goes into `directory` writes while it is under way; removed at the end.

    What a run that was killed left there is removed too. Raises Occupied where another run is
    under way, OSError where it cannot be written.
    """
    work = directory / WORK
    work.mkdir(parents=True, exist_ok=True)
    with _locked(directory):
        try:
            for left in work.iterdir():
                left.unlink()
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def why_unfinished(directory: Path) -> str:
    """Why a directory has no results, from the workplace in it; empty: there is none."""
    work = directory / WORK
    try:
        with _locked(directory):
            left = sorted(path.name for path in work.iterdir())
    except Occupied:
        return "its run is under way"
    except OSError:
        return ""
    kept = f"; {work} has what it wrote until then: {', '.join(left)}" if left else ""
    return f"its run was killed before its end{kept}"


@contextlib.contextmanager
def staged(directory: Path, *, result: RunResult, along: Path | None = None) -> Iterator[Path]:
    """A directory whose files take their places in `directory` when the block ends well.

    It lies within `directory`, so that renaming cannot fail for lack of space.

    Args:
        result: for the error.
        along: where other files are that belong to the same run. With them it is a whole run: of
            an older one nothing stays.
    """
    staging = directory / f"{_STAGING}{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(directory)
        staging.mkdir()
        yield staging
        for path in along.iterdir() if along is not None else ():
            path.replace(staging / path.name)
        if (staging / RESULTS).exists():
            for name in [RESULTS, *sorted(NAMES - {RESULTS})]:
                (directory / name).unlink(missing_ok=True)
        for path in sorted(staging.iterdir(), key=lambda path: path.name == RESULTS):
            path.replace(directory / path.name)
    except OSError as error:
        raise ReportNotWritten(
            f"cannot write the report to {directory}: {error.strerror or error}", result
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the workplace; whoever is killed lets it go."""
    descriptor = os.open(directory / WORK, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(f"{directory}: another run is under way in it") from None
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(directory: Path) -> None:
    """Away with what a writer left that was killed."""
    for left in directory.glob(f"{_STAGING}*"):
        pid = left.name.removeprefix(_STAGING)
        if not pid.isdigit() or not Path("/proc", pid).exists() or int(pid) == os.getpid():
            shutil.rmtree(left, ignore_errors=True)
