"""A run's directory: written whole, or not at all, and read again."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emucluster import report
from emucluster.experiment.plan import expand
from emucluster.report import directory as files
from tests.experiment.build import call, executed, experiment, fault, history, steady, topology
from tests.experiment.test_result import POWER_OFF, half_lost

FILES = {
    "report.html",
    "summary.md",
    "junit.xml",
    "results.json",
    "calls.parquet",
    "executions.parquet",
    "truths.parquet",
    "beliefs.parquet",
    "trials.json",
}


def recording() -> report.Recording:
    records = history(
        [*steady(), call(3.05, "unknown", taken_s=None, error="<&>\0")],
        faults=[fault()],
        executions=executed("users-1"),
    )
    plan = expand(experiment(POWER_OFF), topology(), 0)
    return report.Recording(history=records, plan=plan, topology=topology())


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_run_s_directory_holds_all_files_and_nothing_else(tmp_path: Path) -> None:
    report.write(tmp_path / "new" / "run", half_lost(), [recording()])
    assert names(tmp_path / "new" / "run") == FILES


def test_what_was_written_is_read_again_trial_by_trial(tmp_path: Path) -> None:
    result = half_lost(trials=2)
    written = [recording(), report.Recording(history=history(steady(rate_per_s=5)))]
    report.write(tmp_path, result, iter(written))
    saved = report.read(tmp_path)
    assert saved.result == result
    for trial, before, after in zip(result.trials, written, saved.recordings(), strict=True):
        assert after.plan == before.plan
        assert after.topology == before.topology
        # Phases and faults are those of the result, of which there is one copy only.
        assert (after.history.phases, after.history.faults) == (trial.phases, trial.faults)
        for name in ("calls", "executions", "truths", "beliefs"):
            assert list(getattr(after.history, name)) == list(getattr(before.history, name))
        assert after.history.members == before.history.members


def test_the_calls_of_all_trials_are_one_table_with_a_column_for_the_trial(tmp_path: Path) -> None:
    report.write(tmp_path, half_lost(trials=2), [recording(), recording()])
    table = pq.read_table(tmp_path / "calls.parquet")
    assert table.column("trial").to_pylist() == [0] * 401 + [1] * 401
    assert {"intended_s", "outcome", "connection_opened_s", "phase"} <= set(table.column_names)


def test_every_column_of_the_tables_says_what_it_means(tmp_path: Path) -> None:
    report.write(tmp_path, half_lost(), [recording()])
    for name in ("calls", "executions", "truths", "beliefs"):
        for column in pq.read_schema(tmp_path / f"{name}.parquet"):
            assert column.metadata[b"description"], f"{name}.{column.name}"
    found = pq.read_schema(tmp_path / "calls.parquet").field("intended_s").metadata
    assert b"when it was due" in found[b"description"]


def test_the_report_is_made_anew_from_the_directory_alone(tmp_path: Path) -> None:
    report.write(tmp_path, half_lost(), [recording()])
    made = {name: (tmp_path / name).read_bytes() for name in FILES}
    for name in ("report.html", "summary.md", "junit.xml"):
        (tmp_path / name).unlink()
    report.rewrite(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == made


def test_as_many_recordings_as_trials_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        report.write(tmp_path, half_lost(trials=2), [recording()])
    assert names(tmp_path) == set()


def test_a_full_disk_leaves_what_was_there_and_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.write(tmp_path, half_lost(), [recording()])
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def full(_result: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "junit", full)
    with pytest.raises(report.ReportNotWritten, match="No space left on device") as error:
        report.write(tmp_path, half_lost(trials=1, story="another"), [recording()])
    assert str(tmp_path) in str(error.value)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".writing-999999999").mkdir()
    (tmp_path / ".writing-999999999" / "calls.parquet").write_bytes(b"half")
    report.write(tmp_path, half_lost(), [recording()])
    assert names(tmp_path) == FILES


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(report.ReportNotWritten, match="file/run"):
        report.write(tmp_path / "file" / "run", half_lost(), [recording()])


def test_what_is_no_run_is_refused_with_the_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(report.NotARun, match=r"no results\.json"):
        report.read(tmp_path)
    report.write(tmp_path, half_lost(), [recording()])
    (tmp_path / "beliefs.parquet").unlink()
    with pytest.raises(report.NotARun, match=r"no beliefs\.parquet"):
        report.rewrite(tmp_path)


@pytest.mark.parametrize("name", ["calls.parquet", "trials.json", "results.json"])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    report.write(tmp_path, half_lost(), [recording()])
    (tmp_path / name).write_bytes(b"PAR1 nonsense")
    with pytest.raises(report.NotARun, match=str(tmp_path)):
        report.rewrite(tmp_path)
