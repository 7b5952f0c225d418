"""Arguments and output of `fault`."""

import pytest

from emucluster.cli import run
from emucluster.cli.fault import rows, told
from emucluster.client.lab import Fault

FAULT = Fault("f-1", "power-off", "node/node-2", 100.0, 130.0, "kernel filter", "in force")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("inject power-off pod/web-1", "a pod cannot have it"),
        ("inject explode node/node-1", "no such fault"),
        ("inject crash web-1", "must be node/NAME"),
        ("inject crash node/node-1 --for 0", "--for: must be above 0"),
        ("inject crash pod/web-1 --for 5", "--for: crash of pod/web-1 is over at once"),
        ("inject crash control-plane --for 5", "--for: crash of control-plane is over at once"),
        ("clear", "needs an ID, or --all"),
        ("clear f-1 --all", "needs an ID, or --all"),
    ],
)
def test_what_cannot_be_broken_is_refused_as_wrong_usage(
    arguments: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fault", *arguments.split()]) == 2
    assert why in capsys.readouterr().err


def test_a_crash_that_is_over_at_once_is_not_called_in_force() -> None:
    crash = Fault("crash-14", "crash", "pod/client", 40.0, 40.0, "SIGKILL", "ended")
    assert told(crash, None) == (
        "fault crash-14: crash on pod/client done (SIGKILL); it is restarted by itself"
    )
    assert told(FAULT, 30.0) == (
        "fault f-1: power-off on node/node-2 in force (kernel filter) for 30 s"
    )


def test_faults_are_listed_with_their_age_and_end() -> None:
    endless = Fault("f-2", "crash", "pod/web-1", 40.0, None, "process", "in force")
    assert rows([FAULT, endless], 110.0)[1:] == [
        ["f-1", "power-off", "node/node-2", "10s", "in 20s", "kernel filter"],
        ["f-2", "crash", "pod/web-1", "70s", "when cleared", "process"],
    ]
