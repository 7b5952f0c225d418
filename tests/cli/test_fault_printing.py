"""Arguments and output of `fault`."""

import pytest

from emucluster.cli import run
from emucluster.cli.fault import rows
from emucluster.client.lab import Fault

FAULT = Fault("f-1", "power-off", "node/node-2", 100.0, 130.0, "kernel filter", "in force")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("inject power-off pod/web-1", "a pod cannot have it"),
        ("inject explode node/node-1", "no such fault"),
        ("inject crash web-1", "must be node/NAME"),
        ("inject crash node/node-1 --for 0", "--for: must be above 0"),
        ("clear", "needs an ID, or --all"),
        ("clear f-1 --all", "needs an ID, or --all"),
    ],
)
def test_what_cannot_be_broken_is_refused_as_wrong_usage(
    arguments: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fault", *arguments.split()]) == 2
    assert why in capsys.readouterr().err


def test_faults_are_listed_with_their_age_and_end() -> None:
    endless = Fault("f-2", "crash", "pod/web-1", 40.0, None, "process", "in force")
    assert rows([FAULT, endless], 110.0)[1:] == [
        ["f-1", "power-off", "node/node-2", "10s", "in 20s", "kernel filter"],
        ["f-2", "crash", "pod/web-1", "70s", "when cleared", "process"],
    ]
