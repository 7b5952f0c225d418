"""`--cluster` before a command and after it, and other ways to name a cluster."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from emucluster.cli import COMMANDS, WITHOUT_CLUSTER, root, run, which
from emucluster.client import instances, start
from emucluster.client.options import StartOptions
from emucluster.core.errors import ClusterError


@pytest.fixture(autouse=True)
def _no_clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMUCLUSTER", raising=False)
    monkeypatch.setattr(instances, "base_directories", lambda: [tmp_path / "none"])


LINES = (
    "get pods",
    "apply -f {manifest}",
    "delete pod a",
    "scale deployment/web --replicas 1",
    "logs a",
    "call service/web",
    "trace service/web",
    "fault inject crash node/node-1",
    "fault list",
    "fault clear --all",
    "env pod/a",
    "status",
    "metrics",
    "kubeconfig",
    "down",
    "run",
)


@pytest.mark.parametrize("line", LINES)
def test_the_cluster_is_named_before_the_command_or_after_it(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "a.yaml"
    manifest.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    words = line.format(manifest=manifest).split()
    if words[0] == "run":
        words += [_an_experiment(), "--out", str(tmp_path / "out")]
    expected = 2 if words[0] == "run" else 1
    for arguments in (["--cluster", "nu", *words], [*words, "--cluster", "nu"]):
        assert run(arguments) == expected
        assert 'no cluster "nu" is running' in capsys.readouterr().err


def _an_experiment() -> str:
    from emucluster.client.experiments.source import shipped

    return next(found.experiment.name for found in shipped())


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for below, each in command.commands.items():
            yield from leaves(each, f"{name} {below}")


def all_commands() -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(ctx, name)
        assert command is not None
        yield from leaves(command, name)


def test_every_command_about_a_cluster_takes_the_option_once_and_no_other_does() -> None:
    counts = {
        name: sum("--cluster" in param.opts for param in command.params)
        for name, command in [*all_commands(), *all_commands()]
    }
    assert counts == {name: int(name not in WITHOUT_CLUSTER) for name in counts}
    assert set(counts) >= WITHOUT_CLUSTER


def test_help_and_completion_tell_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fault", "list", "--help"]) == 0
    assert f"--cluster NAME {which.HELP}" in " ".join(capsys.readouterr().out.split())
    program = "from emucluster.cli import main; main()"
    environment = {"_EMUCLUSTER_COMPLETE": "bash_complete", "COMP_WORDS": "emucluster get --cl"}
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "COMP_CWORD": "2"},
        capture_output=True,
        text=True,
    )
    assert shown.stdout == "plain,--cluster\n"


def test_completion_knows_the_names_of_clusters(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for name in ("one", "other"):
        (tmp_path / "none" / name).mkdir()
    option = which.ClusterOption()
    found = option.shell_complete(click.Context(root), "on")
    assert [each.value for each in found] == ["one"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cluster", "a", "get", "pods", "--cluster", "b"],
        ["get", "pods", "--cluster", "a", "--cluster", "b"],
        ["--cluster", "a", "--cluster", "b", "status"],
        ["fault", "--cluster", "a", "list", "--cluster", "b"],
        ["kubeconfig", "b", "--cluster", "a"],
        ["--cluster", "a", "down", "b"],
        ["up", "--cluster", "a", "--name", "b"],
        ["--cluster", "a", "up", "--name", "b"],
        ["--cluster", "a", "run", "x.yaml", "--cluster", "b"],
    ],
)
def test_two_different_names_are_one_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err == ('error: two clusters are named, "a" and "b": name one\n')


@pytest.mark.parametrize(
    "arguments",
    [["--cluster", "a", "kubeconfig", "a", "--cluster", "a"], ["kubeconfig", "a"]],
)
def test_the_same_name_twice_is_none_too_many_and_beats_the_environment(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMUCLUSTER", "other")
    assert run(arguments) == 1
    assert 'no cluster "a" is running' in capsys.readouterr().err


def test_down_takes_all_clusters_or_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down", "--all", "--cluster", "a"]) == 2
    assert "NAME and --all exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["up"], "of-the-environment"),
        (["up", "--cluster", "nu"], "nu"),
        (["up", "--name", "nu"], "nu"),
        (["--cluster", "nu", "up"], "nu"),
        (["up", "-f", "{file}"], "of-the-file"),
        (["up", "-f", "{file}", "--name", "nu"], "nu"),
        (["--cluster", "nu", "up", "-f", "{file}"], "nu"),
    ],
)
def test_up_names_the_new_cluster(
    arguments: list[str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("name: of-the-file\n")
    asked: list[StartOptions] = []

    def refuse(options: StartOptions, **_others: Any) -> None:
        asked.append(options)
        raise ClusterError("no machine")

    monkeypatch.setattr(start, "start_cluster", refuse)
    monkeypatch.setenv("EMUCLUSTER", "of-the-environment")
    assert run([word.format(file=file) for word in arguments]) == 1
    assert "no machine" in capsys.readouterr().err
    assert [options.name for options in asked] == [name]
