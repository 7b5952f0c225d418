"""A run's directory: its files, written whole or not at all, and read again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct, field

from emucluster.core.errors import EmuclusterError
from emucluster.experiment.history import History, Members
from emucluster.experiment.plan import Plan
from emucluster.experiment.result import RunResult, Trial, UnreadableResult, from_json, to_json
from emucluster.experiment.topology import Topology
from emucluster.report.careful import NotReadable, check_table, open_file, read_json
from emucluster.report.files import (
    JUNIT,
    PAGE,
    RESULTS,
    SUMMARY,
    TABLES,
    TRIALS,
    staged,
    why_unfinished,
)
from emucluster.report.junit import junit
from emucluster.report.markdown import markdown
from emucluster.report.page import Page
from emucluster.report.recording import Recording
from emucluster.report.tables import TRIAL, check_columns, from_table, schema, to_table

_MISFITS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class NotARun(EmuclusterError):
    """A directory does not hold what `emucluster run` writes."""


class _TrialExtras(Struct, frozen=True, kw_only=True):
    """What is kept of a trial beside results.json and the tables."""

    number: int
    members: Members = field(default_factory=Members)
    plan: Plan | None = None
    topology: Topology | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A run as its directory holds it."""

    directory: Path
    result: RunResult

    def recordings(self) -> Iterator[Recording]:
        """The records of each trial, read one trial at a time.

        Raises NotARun for files that are missing or hold something else.
        """
        with _understood(self.directory):
            extras = _extras(read_json(self.directory / TRIALS))
            by_number = {one.number: one for one in extras}
            for trial in self.result.trials:
                if trial.number not in by_number:
                    raise NotReadable(f"{TRIALS}: nothing of trial {trial.number + 1}")
                yield self._recording(trial, by_number[trial.number])

    def _recording(self, trial: Trial, extras: _TrialExtras) -> Recording:
        records = {name: self._rows(name, trial.number) for name in TABLES}
        history = History(
            phases=trial.phases,
            faults=trial.faults,
            members=extras.members,
            **records,
        )
        return Recording(history=history, plan=extras.plan, topology=extras.topology)

    def _rows(self, name: str, trial: int) -> list[Any]:
        path = self.directory / f"{name}.parquet"
        with open_file(path) as file:
            with pq.ParquetFile(file) as parquet:
                check_table(parquet, path.name)
                check_columns(parquet.schema_arrow, TABLES[name], path.name)
            table = pq.read_table(file, filters=[(TRIAL, "=", trial)])
        return from_table(table, TABLES[name])


def _extras(data: bytes) -> list[_TrialExtras]:
    try:
        return msgspec.json.decode(data, type=list[_TrialExtras])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotReadable(f"{TRIALS}: {error}") from None
    except RecursionError:
        raise NotReadable(f"{TRIALS}: nested too deeply") from None


def write(
    directory: Path,
    result: RunResult,
    recordings: Iterable[Recording],
    *,
    along: Path | None = None,
) -> None:
    """Write all files of a run.

    Args:
        directory: made where it is missing; files of an earlier run in it are replaced.
        along: where the run wrote what it writes while it is under way; moved into `directory`.
        recordings: of every trial, in the order of `result.trials`; they are gone through once,
            so a generator keeps only one trial in memory.

    Raises ReportNotWritten when the disk is full or the directory cannot be written to; no file
    has changed then. Raises ValueError when there are not as many recordings as trials.
    """
    with staged(directory, result=result, along=along) as staging, contextlib.ExitStack() as opened:
        tables = {
            name: opened.enter_context(
                pq.ParquetWriter(staging / f"{name}.parquet", schema(kind), compression="zstd")
            )
            for name, kind in TABLES.items()
        }
        page = Page(result)
        extras: list[_TrialExtras] = []
        for trial, recording in zip(result.trials, recordings, strict=True):
            history = recording.history
            for name, kind in TABLES.items():
                rows = getattr(history, name)
                tables[name].write_table(to_table(rows, kind, trial=trial.number))
            extras.append(
                _TrialExtras(
                    number=trial.number,
                    members=history.members,
                    plan=recording.plan,
                    topology=recording.topology,
                )
            )
            page.add(trial, recording)
        _write_readable(staging, _readable(result, page))
        (staging / TRIALS).write_bytes(msgspec.json.encode(extras) + b"\n")
        (staging / RESULTS).write_bytes(to_json(result))


def rewrite(directory: Path) -> RunResult:
    """Make report.html, summary.md and junit.xml anew from the other files of a run.

    Raises NotARun or ReportNotWritten.
    """
    saved = read(directory)
    with _understood(directory):
        page = Page(saved.result)
        for trial, recording in zip(saved.result.trials, saved.recordings(), strict=True):
            page.add(trial, recording)
        texts = _readable(saved.result, page)
    with staged(directory, result=saved.result) as staging:
        _write_readable(staging, texts)
    return saved.result


def read(directory: Path) -> Saved:
    """A run that was written. Raises NotARun, naming the file that is missing or wrong."""
    with _understood(directory):
        return Saved(directory, from_json(read_json(directory / RESULTS)))


def _readable(result: RunResult, page: Page) -> dict[str, bytes]:
    return {
        PAGE: page.html().encode(),
        SUMMARY: markdown(result).encode(),
        JUNIT: junit(result),
    }


def _write_readable(staging: Path, texts: Mapping[str, bytes]) -> None:
    for name, text in texts.items():
        (staging / name).write_bytes(text)


@contextlib.contextmanager
def _understood(directory: Path) -> Iterator[None]:
    """What goes wrong in reading, and in making sense of what was read, as NotARun."""
    try:
        yield
    except NotARun:
        raise
    except FileNotFoundError as error:
        missing = Path(str(error.filename or directory)).name
        if missing == RESULTS and (unfinished := why_unfinished(directory)):
            raise NotARun(f"{directory}: no {missing} in it: {unfinished}") from None
        raise NotARun(f"{directory}: not the directory of a run: no {missing} in it") from None
    except (NotReadable, UnreadableResult, pa.ArrowException) as error:
        raise NotARun(f"{directory}: {error}") from None
    except OSError as error:
        why = error.strerror or error
        raise NotARun(f"{directory}: not the directory of a run: {why}") from None
    except _MISFITS as error:
        # Types are as they should be, and yet no run can have written this.
        text = f"{type(error).__name__}: {error}"
        raise NotARun(f"{directory}: its files do not fit together ({text})") from error
