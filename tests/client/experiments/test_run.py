"""Files, directories and exit codes of runs, without a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

import emucluster as emu
from emucluster.cli import run as command
from emucluster.cli.experiments import _overview, _worst
from emucluster.client import instances
from emucluster.client.experiments.directory import directories, remove_if_empty
from emucluster.client.experiments.jobs import Job, Outcome
from emucluster.client.experiments.run import by_cluster
from emucluster.client.experiments.source import Source, from_fields
from emucluster.client.experiments.undo import Undo, UndoLog, to_undo
from emucluster.core.errors import UsageError
from emucluster.experiment.hypothesis_spec import NoFaultLeft
from tests.experiment.test_result import half_lost


def source(name: str = "test", **fields: Any) -> Source:
    workload = [{"name": "users", "target": "service/web"}]
    return from_fields({"name": name, "workload": workload, **fields})


def test_experiments_of_equal_clusters_share_one_in_their_order() -> None:
    jobs = [
        Job(source("a", cluster={"nodes": 2}), None),
        Job(source("b"), None),
        Job(source("c", cluster={"nodes": 2}), None),
    ]
    found = by_cluster(jobs)

    names = [[job.source.experiment.name for job in alike] for _, alike in found]
    assert names == [["a", "c"], ["b"]]


def test_runs_get_directories_of_their_own_by_name_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (first,) = directories([source()], None)
    (second,) = directories([source()], None)

    assert first != second
    assert first.parent == Path("emucluster-runs")
    assert first.name.startswith("test-2")


def test_several_experiments_share_out_by_name(tmp_path: Path) -> None:
    found = directories([source("a"), source("b")], tmp_path)

    assert found == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(UsageError, match='"a" is the name of an earlier file too'):
        directories([source("a"), source("a")], tmp_path)


def test_a_run_that_never_began_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (made,) = directories([source()], None)
    remove_if_empty(made)

    assert list(tmp_path.iterdir()) == []


def test_of_several_files_each_is_told_at_the_end_with_its_directory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    jobs = [Job(source(name), tmp_path / name) for name in ("a", "b")]
    result = structs.replace(half_lost(), overall="pass")
    lines = _overview(jobs, [Outcome(jobs[0], result, [])]).splitlines()

    assert lines == [f"pass        a   {tmp_path}/a", "not ended   b"]


def test_of_several_files_a_failed_one_decides_before_an_unknown_one() -> None:
    assert [_worst(codes) for codes in ([], [0, 0], [0, 2], [2, 1, 0])] == [0, 0, 2, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\n", 'the field "workload" is required'),
        ("name: x\nworkload: [{name: u, target: web}]\n", "workload[0].target"),
        ("[", "error"),
    ],
)
def test_a_wrong_file_is_one_error_and_nothing_starts(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)

    assert command(["run", str(file), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.count("error:") == 1
    assert words in told
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_names_the_list_of_those_that_ship(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(["run", "no-such"]) == 2
    assert "`emucluster experiments` lists those" in capsys.readouterr().err
    assert command(["run", "f04-nodeport-clients"]) == 2
    assert "did you mean f04-nodeport-client?" in capsys.readouterr().err


def test_a_file_that_is_no_experiment_s_for_its_size_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "x.yaml").open("wb") as file:
        file.truncate(1 << 40)  # without a block on the disk
    assert command(["run", str(tmp_path / "x.yaml")]) == 2
    assert "x.yaml: larger than 4 MiB" in capsys.readouterr().err


def test_a_directory_that_holds_no_run_cannot_be_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["replay", str(tmp_path)]) == 2
    assert "no results.json in it" in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_no_failed_hypothesis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(instances, "base_directories", lambda: [tmp_path / "none"])
    file = tmp_path / "x.yaml"
    file.write_text("name: x\nworkload: [{name: u, target: service/web}]\n")

    assert command(["run", str(file), "--cluster", "no-such"]) == 2
    assert 'no cluster "no-such" is running' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


def test_manifests_are_found_beside_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.yaml"
    tree = {"name": "x", "manifests": ["no.yaml"], "workload": [{"name": "u", "target": "a:1"}]}
    file.write_text(json.dumps(tree))

    assert command(["run", str(file)]) == 2
    assert f'manifests[0]: the path "{tmp_path}/no.yaml" does not exist' in capsys.readouterr().err


def test_an_experiment_of_python_is_that_of_a_file() -> None:
    fields: dict[str, Any] = {
        "name": "x",
        "workload": [{"name": "users", "target": "service/web", "deadline": "250ms"}],
        "hypotheses": [{"kind": "no-fault-left"}],
    }
    spec = emu.Experiment(**fields).spec

    assert spec.workload[0].deadline_s == 0.25
    typed = emu.Experiment(**{**fields, "hypotheses": [NoFaultLeft()]}).spec
    assert msgspec.to_builtins(typed.hypotheses) == msgspec.to_builtins(spec.hypotheses)
    with pytest.raises(UsageError, match="workload"):
        emu.Experiment(name="x", workload=[])


def test_an_undo_log_tells_what_is_left_the_last_change_first(tmp_path: Path) -> None:
    path = tmp_path / "undo.jsonl"
    log = UndoLog(path)
    for name in ("a", "b", "c"):
        log.write(
            Undo(id=name, kind="apply", object_kind="Service", namespace="", name=name, before=None)
        )
    log.done("b")
    log.close()

    assert [undo.id for undo in to_undo(path)] == ["c", "a"]
