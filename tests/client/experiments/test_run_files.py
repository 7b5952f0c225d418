"""What a run leaves in its directory, and what it says if it cannot. Its cluster is a stand-in."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import emucluster as emu
from emucluster.cli import run as command
from emucluster.client.experiments import run as runs
from emucluster.client.experiments.jobs import Job, Outcome
from emucluster.report import Recording, ReportNotWritten, read
from emucluster.report import directory as report_directory
from emucluster.report.files import JOURNAL, WORK
from tests.experiment.build import history, steady
from tests.experiment.test_result import half_lost

TEXT = """
name: {name}
workload: [{{name: users, target: '192.0.2.1:80'}}]
hypotheses: [{{kind: no-fault-left}}]
"""


class Series:
    """One trial, judged; `meanwhile` is called where a cluster would be broken."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    completes = True

    def __init__(self, _session: object, job: Job, watcher: object, **more: Any) -> None:
        self._job, self._notes = job, more.get("notes")

    def carry_out(self) -> None:
        if self._notes is not None:
            (self._notes / JOURNAL).write_text("{}\n")
        type(self).meanwhile()

    def outcome(self) -> Outcome | None:
        if not type(self).completes:
            return None
        seed = int(self._job.source.experiment.seed)
        return Outcome(self._job, half_lost(seed=seed), [Recording(history=history(steady()))])


@pytest.fixture(autouse=True)
def series(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Series]:
    @contextmanager
    def own_cluster(*_: object) -> Iterator[None]:
        yield

    class Each(Series):
        pass

    monkeypatch.setattr(runs, "Series", Each)
    monkeypatch.setattr(runs, "own_cluster", own_cluster)
    (tmp_path / "x.yaml").write_text(TEXT.format(name="x"))
    return Each


def run_into(directory: Path, *more: str) -> int:
    file = str(directory.parent / "x.yaml")
    return command(["run", file, "--out", str(directory), "-q", *more])


def raise_(error: BaseException) -> Callable[..., Any]:
    def raising(*_: object) -> None:
        raise error

    return raising


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_report_that_cannot_be_written_does_not_cost_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report_directory, "junit", raise_(FULL))

    assert run_into(tmp_path / "out") == 2
    told = capsys.readouterr()
    assert "FAIL" in told.out
    assert "report.html" not in told.out
    assert told.err == (
        f"error: cannot write the report to {tmp_path}/out: No space left on device\n"
    )
    assert not (tmp_path / "out").exists()


def test_of_several_files_the_one_without_a_report_has_its_verdict_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report_directory, "junit", raise_(FULL))
    (tmp_path / "y.yaml").write_text(TEXT.format(name="y"))
    files = [str(tmp_path / name) for name in ("x.yaml", "y.yaml")]

    assert command(["run", *files, "--out", str(tmp_path / "out"), "-q"]) == 2
    assert capsys.readouterr().out.splitlines()[-2:] == ["fail        x", "not ended   y"]


def test_from_python_the_error_holds_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_directory, "junit", raise_(FULL))

    with pytest.raises(ReportNotWritten) as error:
        emu.Experiment.load(tmp_path / "x.yaml").run(out=tmp_path / "out")
    assert error.value.result is not None
    assert error.value.result.overall == "fail"


def test_a_reader_that_leaves_does_not_cost_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emucluster.cli import run_view

    monkeypatch.setattr(run_view, "summary", raise_(BrokenPipeError()))
    with pytest.raises(BrokenPipeError):
        emu.Experiment.load(tmp_path / "x.yaml").run(out=tmp_path / "out", watcher=run_view.Quiet())
    assert read(tmp_path / "out").result.overall == "fail"


def test_what_nobody_foresaw_is_no_failed_hypothesis(
    series: type[Series], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series.meanwhile, series.completes = raise_(KeyError("gone")), False

    assert run_into(tmp_path / "out") == 2
    assert capsys.readouterr().err == "error: internal error: KeyError: 'gone'\n"


def test_a_run_replaces_an_older_one_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_into(out, "--seed", "1")
    (out / "undo.jsonl").write_text("only the older one had it\n")
    run_into(out, "--seed", "2")

    assert read(out).result.experiment["seed"] == 2
    assert "undo.jsonl" not in contents(out)


@pytest.mark.parametrize("ends", [KeyboardInterrupt(), FULL, ValueError("unforeseen")])
def test_a_run_that_does_not_end_leaves_the_older_one_as_it_was(
    ends: BaseException, series: type[Series], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_into(out)
    before = contents(out)
    series.meanwhile, series.completes = raise_(ends), False

    assert run_into(out, "--seed", "2") in (2, 130)
    assert contents(out) == before


def test_while_it_is_under_way_a_run_writes_beside_the_older_one(
    series: type[Series], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_into(out)
    before, during = contents(out), {}

    def look() -> None:
        during.update({path.name: path.read_bytes() for path in out.iterdir() if path.is_file()})
        assert {path.name for path in (out / WORK).iterdir()} == {"experiment.yaml", JOURNAL}

    series.meanwhile = look
    run_into(out, "--seed", "2")
    assert during == before


def test_a_directory_in_which_a_run_is_under_way_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / WORK).mkdir(parents=True)
    held = os.open(tmp_path / "out" / WORK, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run_into(tmp_path / "out") == 2
    finally:
        os.close(held)
    assert "another run is under way in it" in capsys.readouterr().err


def test_what_a_killed_run_left_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out" / WORK).mkdir(parents=True)
    (tmp_path / "out" / WORK / JOURNAL).write_text("old")

    assert run_into(tmp_path / "out") == 1
    assert (tmp_path / "out" / JOURNAL).read_text() == "{}\n"
    assert not (tmp_path / "out" / WORK).exists()


@pytest.mark.parametrize("names", [["notes.txt"], ["experiment.yaml"], ["results.json", "a.py"]])
def test_a_directory_that_holds_something_else_is_refused(
    names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in names:
        (out / name).write_text("mine")
    before = contents(out)

    assert run_into(out) == 2
    foreign = next(name for name in names if name != "results.json")
    assert f"{out}: holds {foreign}, which is no run's" in capsys.readouterr().err
    assert contents(out) == before


def test_a_name_that_is_not_utf_8_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_into(tmp_path / os.fsdecode(b"\xff")) == 2
    assert "UTF-8" in capsys.readouterr().err
