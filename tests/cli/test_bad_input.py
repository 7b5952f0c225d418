"""Whatever comes in, one line says what is wrong, and the exit code whose fault it is."""

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from emucluster import cli
from emucluster.client import manifests
from emucluster.core.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["call", "web:80", "--timeout", "inf"], "'inf' is not from 0 to 86400 seconds"),
        (["call", "web:80", "--timeout", "1e300"], "'1e300' is not from 0"),
        (["delete", "pod", "a", "--timeout", "nan"], "'nan' is not from 0"),
        (["delete", "pod", "a", "--timeout", "soon"], "'soon' is not a number of seconds"),
        (["call", "[::1]:80"], 'an IPv4 address or a DNS name, not "[::1]"'),
        (["call", "a b:80"], 'an IPv4 address or a DNS name, not "a b"'),
        (["scale", "deployment/web", "--replicas", str(2**31)], "0<=x<=2147483647"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    assert words in capsys.readouterr().err


def piped(data: bytes, arguments: list[str], **environ: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-c", "from emucluster.cli import main; main()", *arguments],
        input=data,
        capture_output=True,
        env={**os.environ, **environ},
        timeout=60,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, "", done.stderr.decode())


def test_a_deep_manifest_does_not_crash_the_command_line() -> None:
    done = piped(b"a: " + b"[" * 100_000, ["apply", "-f", "-"])

    assert done.returncode == 1
    assert done.stderr == "error: STDIN, line 1: error parsing YAML: nested deeper than 64 levels\n"


@pytest.mark.parametrize("data", ["kind: Ü".encode("utf-16"), "kind: Ü".encode("latin-1"), b"\xff"])
def test_standard_input_that_is_not_utf8_is_told(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    with pytest.raises(UsageError, match="STDIN: not a text file"):
        manifests.load_files(["-"])


def test_what_nobody_foresaw_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise LookupError("no\nway")

    monkeypatch.setattr(cli.root, "main", fail)
    monkeypatch.delenv("EMUCLUSTER_DEBUG", raising=False)
    assert cli.run([]) == 1
    assert capsys.readouterr().err == "error: internal error: LookupError: no way\n"

    monkeypatch.setenv("EMUCLUSTER_DEBUG", "1")
    assert cli.run([]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_while_the_command_line_is_imported_is_130(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")

    done = piped(b"", ["--help"], PYTHONPATH=str(tmp_path))

    assert (done.returncode, done.stderr) == (130, "")


def test_a_wrong_deadline_for_ray_is_told_before_anything_starts() -> None:
    for text in ("abc", "nan", "inf", "0", "-1"):
        done = piped(b"", ["up", "--name", "never"], EMUCLUSTER_RAY_DEADLINE_S=text)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert f"EMUCLUSTER_RAY_DEADLINE_S: must be above 0 and at most 86400 s, got '{text}'" in (
            done.stderr
        )
