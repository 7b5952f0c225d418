"""Directories that no run wrote: one clear error, exit code 2, no hang, nothing changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emucluster import report
from emucluster.cli import run as cli
from emucluster.experiment.history import CallRecord
from emucluster.report import careful
from emucluster.report.tables import schema
from tests.experiment.build import history, steady
from tests.experiment.test_result import half_lost

Harm = Callable[[Path], object]
DEEP = b"[" * 200_000 + b"]" * 200_000
TABLE = "calls.parquet"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run wrote."""
    directory = tmp_path_factory.mktemp("whole")
    report.write(directory, half_lost(), [report.Recording(history=history(steady()))])
    return directory


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy that may be harmed."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def says(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli(arguments) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1, told
    assert len(told) < 1000, told
    return told


def tree(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_bytes())
    return found


def changed(change: Callable[[dict[str, Any]], object]) -> Harm:
    def harm(run: Path) -> None:
        found = tree(run)
        change(found)
        (run / "results.json").write_text(json.dumps(found))

    return harm


def put(name: str, data: bytes) -> Harm:
    return lambda run: (run / name).write_bytes(data)


def instead(name: str, make: Callable[[Path], object]) -> Harm:
    """Something else than a file under its name."""

    def harm(run: Path) -> None:
        (run / name).unlink()
        make(run / name)

    return harm


def huge(path: Path) -> None:
    """Without a block on the disk."""
    with path.open("wb") as file:
        file.truncate(careful.JSON_BYTES_MAX + 1)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


RESULTS: list[tuple[str, Harm, str]] = [
    ("deep", put("results.json", DEEP), "nested too deeply"),
    ("pipe", instead("results.json", os.mkfifo), "results.json: not a regular file"),
    ("directory", instead("results.json", Path.mkdir), "not a regular file"),
    ("device", instead("results.json", lambda p: p.symlink_to("/dev/zero")), "not a regular file"),
    ("loop", instead("results.json", lambda p: p.symlink_to(p)), "Too many levels of symbolic"),
    ("dangling", instead("results.json", lambda p: p.symlink_to("/no")), "no results.json in it"),
    ("huge", instead("results.json", huge), "results.json: larger than 256 MiB"),
    ("not UTF-8", put("results.json", b'{"format": 1, "name": "\xff\xfe"}'), "not a results.json"),
    ("no object", put("results.json", b"[1]"), "results of format None"),
    ("empty", put("results.json", b""), "not a results.json"),
    ("no trials", changed(lambda t: t.update(trials=[])), "it has no trials"),
    ("no phases", changed(lambda t: t["trials"][0].update(phases=[])), "phases: there are none"),
    ("number", changed(lambda t: t["trials"][0].update(number=7)), "numbered from 0"),
    ("era", changed(lambda t: t.update(started_s=1e300)), "before the year 3000"),
    (
        "phase",
        changed(lambda t: t["trials"][0]["phases"][0].update(end_s=-1e9)),
        "one ends before it starts",
    ),
    ("settings", changed(lambda t: t.update(experiment=nested(100))), "nested deeper than 64"),
]
TABLES: list[tuple[str, Harm, str]] = [
    ("deep", put("trials.json", b'[{"number": 0, "x": %s}]' % DEEP), "trials.json: nested too"),
    ("no objects", put("trials.json", b"[1]"), "trials.json: Expected `object`"),
    ("pipe", instead("trials.json", os.mkfifo), "trials.json: not a regular file"),
    ("nothing of it", put("trials.json", b"[]"), "trials.json: nothing of trial 1"),
    ("table pipe", instead(TABLE, os.mkfifo), "calls.parquet: not a regular file"),
    ("table directory", instead(TABLE, Path.mkdir), "not a regular file"),
    ("table nonsense", put(TABLE, b"PAR1" * 100), "run: "),
    ("table empty", put(TABLE, b""), "run: "),
    (
        "no column",
        lambda run: pq.write_table(pa.table({"trial": pa.array([0], pa.int32())}), run / TABLE),
        "calls.parquet: no column group",
    ),
    (
        "texts for numbers",
        lambda run: _cast(run / TABLE, "intended_s", pa.string()),
        "calls.parquet: the column intended_s is string, not double",
    ),
    ("gaps", lambda run: _gaps(run / TABLE), "its files do not fit together"),
    ("not UTF-8", lambda run: _bytes(run / TABLE), "its files do not fit together"),
]


def _cast(path: Path, column: str, kind: pa.DataType) -> None:
    table = pq.read_table(path)
    index = table.column_names.index(column)
    pq.write_table(table.set_column(index, column, table.column(column).cast(kind)), path)


def _gaps(path: Path) -> None:
    """No value where there always is one."""
    columns = schema(CallRecord)
    fields = [column.with_nullable(True) for column in columns]
    row = {column.name: [0 if column.name == "trial" else None] for column in columns}
    pq.write_table(pa.table(row, schema=pa.schema(fields)), path)


def _bytes(path: Path) -> None:
    table = pq.read_table(path)
    raw = pa.array([b"\xff"] * len(table), pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(table.set_column(table.column_names.index("id"), "id", text), path)


def ids(cases: list[tuple[str, Harm, str]]) -> list[str]:
    return [case[0] for case in cases]


@pytest.mark.parametrize(("_name", "harm", "words"), RESULTS, ids=ids(RESULTS))
@pytest.mark.parametrize("command", ["report", "diff", "replay"])
def test_results_that_no_run_wrote_are_one_clear_error(
    command: str,
    _name: str,
    harm: Harm,
    words: str,
    run: Path,
    whole: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    harm(run)
    more = [str(whole)] if command == "diff" else []
    assert words in says([command, str(run), *more], capsys)


@pytest.mark.parametrize(("_name", "harm", "words"), TABLES, ids=ids(TABLES))
@pytest.mark.parametrize("command", ["report", "replay"])
def test_records_that_no_run_wrote_are_one_clear_error(
    command: str,
    _name: str,
    harm: Harm,
    words: str,
    run: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    harm(run)
    before = (run / "report.html").read_bytes()
    assert words in says([command, str(run)], capsys)
    assert (run / "report.html").read_bytes() == before


def test_a_table_that_is_larger_unpacked_than_any_run_s_is_not_unpacked(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(careful, "TABLE_BYTES_MAX", 1000)
    assert "calls.parquet: 400 rows of" in says(["report", str(run)], capsys)


def test_a_replay_opens_no_file_that_a_directory_s_results_name(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(run / "pipe.yaml")
    changed(lambda t: t["experiment"].update(manifests=["pipe.yaml"]))(run)
    assert "names manifests instead of holding them" in says(["replay", str(run)], capsys)


def test_a_replay_of_an_experiment_that_none_can_be_is_one_clear_error(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(lambda t: t["experiment"].update(workload=[]))(run)
    assert "workload: must be a list" in says(["replay", str(run)], capsys)


def test_what_is_linked_to_is_read_and_never_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(tmp_path / "mine.html")
    (tmp_path / "link").symlink_to(run)
    assert cli(["report", str(tmp_path / "link")]) == 0
    assert (tmp_path / "mine.html").read_text() == "mine"
    assert not (run / "report.html").is_symlink()


def test_the_copy_that_was_not_harmed_is_a_run(run: Path) -> None:
    assert cli(["report", str(run)]) == 0
