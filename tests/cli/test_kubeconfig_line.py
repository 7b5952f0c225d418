"""The line by which a shell is told of a cluster leaves it alone where none runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emucluster.cli import run

README = Path(__file__).parents[2] / "README.md"
LINE = 'config=$(emucluster kubeconfig) && export KUBECONFIG="$config"'


def test_readme_and_help_show_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kubeconfig", "--help"]) == 0
    for text in (README.read_text(), capsys.readouterr().out):
        assert re.findall(r"^ +(config=.*?\$config\")", text, re.MULTILINE) == [LINE]


@pytest.mark.parametrize("before", ["", "export KUBECONFIG=/of/another; "])
def test_where_no_cluster_runs_it_sets_nothing(before: str, tmp_path: Path) -> None:
    program = tmp_path / "emucluster"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m emucluster "$@"\n')
    program.chmod(0o755)
    environ = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "EMUCLUSTER")}
    done = subprocess.run(
        ["sh", "-c", f'{before}{LINE}; echo "$? ${{KUBECONFIG-unset}}"'],
        env={
            **environ,
            "EMUCLUSTER": "no-such-cluster",
            "PATH": f"{tmp_path}:{environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"1 {'/of/another' if before else 'unset'}\n"
    assert 'no cluster "no-such-cluster" is running' in done.stderr
