"""Arguments of apply, get, delete, scale and logs: wrong ones are told before anything is done."""

from pathlib import Path

import pytest

from emucluster.cli import run
from emucluster.cli.objects import parse_what
from emucluster.core.errors import NotFound, UsageError


def names(*words: str) -> list[tuple[str, str | None]]:
    return [(row.kind, name) for row, name in parse_what(words)]


def test_what_to_get_is_said_in_kubectls_ways() -> None:
    assert names("po,svc") == [("Pod", None), ("Service", None)]
    assert names("deployments.apps") == [("Deployment", None)]
    assert names("pod", "a", "b") == [("Pod", "a"), ("Pod", "b")]
    assert names("svc/a", "deploy/b") == [("Service", "a"), ("Deployment", "b")]
    assert [kind for kind, _ in names("all")] == ["Pod", "Service", "Deployment", "ReplicaSet"]


@pytest.mark.parametrize("words", [("pod/a", "b"), ("pod/", "x"), ("a/b/c",), (",",)])
def test_forms_cannot_be_mixed(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        parse_what(words)


def test_a_kind_that_is_not_served_is_named() -> None:
    with pytest.raises(NotFound, match='the server doesn\'t have a resource type "gateways"'):
        parse_what(["gateways"])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("apply", "must specify -f"),
        ("apply -f none.yaml", 'the path "none.yaml" does not exist'),
        ("get", "Missing argument"),
        ("get pods -o table", "'table' is not one of"),
        ("get pod/a -A", "a name cannot be combined"),
        ("delete", "delete needs"),
        ("delete pods", "no name, label selector, or --all"),
        ("delete pod a --grace-period=-1", "is not in the range"),
        ("scale deployment/web", "--replicas"),
        ("scale deployment/web --replicas=-1", "is not in the range"),
    ],
)
def test_wrong_usage_exits_with_2_and_one_error(
    line: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert why in printed.err


def test_a_manifest_with_an_unknown_field_fails_before_a_cluster_is_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicass: 3}\n"
    )
    assert run(["apply", "-f", str(file)]) == 1
    assert 'strict decoding error: unknown field "spec.replicass"' in capsys.readouterr().err


@pytest.mark.parametrize("line", ["get pods", "call service/web", "fault list", "env pod/a"])
def test_without_a_cluster_each_command_says_so_and_exits_with_1(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--cluster", "no-such-cluster", *line.split()]) == 1
    assert 'no cluster "no-such-cluster" is running' in capsys.readouterr().err
