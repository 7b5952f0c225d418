"""`env`: what a shell makes of it."""

from __future__ import annotations

import subprocess

import pytest
from click.testing import CliRunner

from emucluster.cli import root
from emucluster.cli.env import exports, unset_line
from emucluster.live.pods.inside import VARIABLES, inside_environment


def shell(script: str) -> str:
    return subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": "/bin:/usr/bin", "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout


def test_a_shell_takes_every_value_as_it_is() -> None:
    values = {"A": "", "B": "two words", "C": 'it\'s $HOME `x` "q"', "D": "a\nb"}
    script = exports(values) + '\nprintf \'%s|\' "$A" "$B" "$C" "$D"'
    assert shell(script) == "|".join([*values.values(), ""])


def test_unset_leaves_nothing_of_what_was_set() -> None:
    variables = inside_environment(
        "127.32.1.2", 15001, "127.16.0.1:1053", "10.96.0.0/12", "127.32.0.0/14"
    )
    after = shell(f"{exports(variables)}\n{unset_line(VARIABLES)}\nenv").splitlines()
    assert {line.partition("=")[0] for line in after}.isdisjoint(variables)


def test_unset_needs_no_cluster() -> None:
    ended = CliRunner().invoke(root, ["--cluster", "no-such", "env", "--unset"])
    assert (ended.exit_code, ended.output) == (0, unset_line(VARIABLES) + "\n")


@pytest.mark.parametrize("arguments", [[], ["pod/a", "--unset"], ["--unset", "-o", "json"]])
def test_a_place_or_unset_but_not_both(arguments: list[str]) -> None:
    ended = CliRunner().invoke(root, ["env", *arguments])
    assert ended.exception is not None
    assert ended.exit_code != 0
