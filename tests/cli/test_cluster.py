"""`up`, `down`, `status`, `doctor` and the command line itself, without a cluster."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emucluster.cli import COMMANDS, SUMMARIES, run
from emucluster.cli.doctor import check_ephemeral_ports, check_node_ports
from emucluster.client import instances
from emucluster.client.sockets_in_use import Listening


@pytest.fixture(autouse=True)
def _no_clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("EMUCLUSTER", raising=False)
    monkeypatch.setattr(instances, "base_directories", lambda: [tmp_path / "none"])
    yield
    assert not (tmp_path / "none").exists()


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0

    shown = capsys.readouterr().out
    assert list(COMMANDS) == list(SUMMARIES)
    for name, summary in SUMMARIES.items():
        assert f"  {name} " in shown
        assert summary[:40] in shown


def test_the_start_of_the_command_line_imports_neither_ray_nor_grpc() -> None:
    program = (
        "import sys\n"
        "from emucluster.cli import run\n"
        "assert run(['--help']) == 0\n"
        "assert run(['up', '--help']) == 0\n"
        "assert run(['down', 'no-such']) == 1\n"
        "heavy = {'ray', 'grpc', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_no_command_imports_ray() -> None:
    program = (
        "import sys\n"
        "from emucluster.cli import COMMANDS, root\n"
        "for name in COMMANDS:\n"
        "    assert root.get_command(None, name) is not None\n"
        "assert 'ray' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize("arguments", [[], ["fault"]])
def test_without_a_command_the_help_is_shown_once_and_is_no_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Usage: ")
    assert shown.count("Usage: ") == 1
    assert "error:" not in shown


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert run([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: emucluster {name}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["up", "--nodes", "many"], "'many' is not a valid integer"),
        (["up", "--nodes", "0"], "nodes: must be a whole number from 1 to 1000"),
        (["up", "--cloud", "ibm"], "'ibm' is not one of"),
        (["up", "--speed", "0.1"], "speed: must be between 1 and 1000"),
        (["up", "--name", "No!"], "cluster name 'No!'"),
        (["up", "--bind", "10.0.0.1"], "bind: only with"),
        (["up", "-f", "/does/not/exist.yaml"], "No such file"),
        (["down", "a", "--all"], "exclude each other"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert "error: " in shown.err
    assert words in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status"], "no cluster is running; start one with `emucluster up`"),
        (["--cluster", "one", "status"], 'no cluster "one" is running'),
        (["down"], "no cluster is running"),
        (["down", "one"], 'no cluster "one" is running'),
    ],
)
def test_what_fails_is_exit_code_1(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(arguments) == 1
    assert capsys.readouterr().err == f"error: {words}\n"


def test_down_all_of_nothing_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down", "--all"]) == 0
    assert capsys.readouterr().out == "No cluster is running.\n"


def test_an_unknown_field_of_the_cluster_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "cluster.yaml").write_text("replicas: 3\n")

    assert run(["up", "-f", str(tmp_path / "cluster.yaml")]) == 2
    assert f'{tmp_path}/cluster.yaml: unknown field "replicas"' in capsys.readouterr().err


def test_the_environment_names_the_cluster(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMUCLUSTER", "mine")
    assert run(["status"]) == 1
    assert 'no cluster "mine" is running' in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("emucluster 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_program(
    capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    assert run(["completion", shell]) == 0
    assert "_EMUCLUSTER_COMPLETE" in capsys.readouterr().out


def test_completion_knows_the_commands() -> None:
    environment = {"_EMUCLUSTER_COMPLETE": "bash_complete", "COMP_WORDS": "emucluster st"}
    program = "from emucluster.cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
    )
    assert shown.stdout == "plain,status\n"


def test_doctor_checks_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor"])

    shown = capsys.readouterr().out
    assert code == int("fail" in [line.split()[0] for line in shown.splitlines()])
    for what in ("system", "limits", "memory", "addresses", "kernel filter", "NodePorts", "Ray"):
        assert what in shown


def test_doctor_warns_of_client_ports_among_nodeports(tmp_path: Path) -> None:
    wide, usual = tmp_path / "wide", tmp_path / "usual"
    wide.write_text("1024\t65535\n")
    usual.write_text("32768\t60999\n")

    assert check_ephemeral_ports(wide).verdict == "warn"
    assert check_ephemeral_ports(usual).verdict == "ok"


def test_doctor_names_who_holds_a_nodeport_on_all_addresses() -> None:
    found = check_node_ports([Listening("0.0.0.0", 30080, 0), Listening("127.0.0.1", 30081, 0)])

    assert found.verdict == "warn"
    assert "port 30080 on all addresses" in found.text
    assert "30081" not in found.text
