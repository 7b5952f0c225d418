"""Arguments and output of `fault`."""

import json

import pytest

from emucluster.cli import run
from emucluster.cli.fault import read_params, rows, told
from emucluster.client.lab import Fault
from emucluster.core.faults import parse_target
from emucluster.core.faults.kinds import KINDS, held_at, names

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
        ("inject drain node/node-1", "is an operation; `emucluster run` does it"),
        ("inject slow node/node-1 --param dealy=1", 'no parameter "dealy"; it has: delay, jitter'),
        ("inject slow node/node-1 --param delay", '--param "delay": must be NAME=VALUE'),
        ("inject slow node/node-1 --param delay=soon", "--param delay: must be a duration"),
        ("inject freeze node/node-1 --peer node/node-2", "is no fault of a link"),
        ("inject latency node/node-1", "name at least one, a target or outside"),
        ("inject loss node/node-1 --from outside --param direction=to", "inject it at the peer"),
        ("inject loss node/node-1 --peer dns/node-1", 'peer "dns/node-1": must be'),
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
    none = ["<none>", "<none>"]
    assert rows([FAULT, endless], 110.0)[1:] == [
        ["f-1", "power-off", "node/node-2", *none, "10s", "in 20s", "kernel filter"],
        ["f-2", "crash", "pod/web-1", *none, "70s", "when cleared", "process"],
    ]


def test_a_link_is_shown_with_its_peers_and_parameters() -> None:
    params = {"delay": 0.2, "jitter": 0.0, "distribution": "uniform", "direction": "to"}
    peers = ("outside", "node/node-2")
    made = Fault("f-3", "latency", "node/node-1", 0.0, 30.0, "imitated", "in force", params, peers)
    assert told(made, 30.0) == (
        "fault f-3: latency on node/node-1 from outside, node/node-2 in force (imitated) for 30 s"
    )
    [_, shown] = rows([made], 10.0)
    assert shown[3:5] == ["outside,node/node-2", "delay=0.2s,jitter=0s,distribution=uniform"]


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("slow", "delay=200ms", 0.2),
        ("slow", "delay=0.2", 0.2),
        ("cpu-hog", "share=50%", 0.5),
        ("flap", "as=freeze", "freeze"),
    ],
)
def test_parameters_are_read_as_their_kind_takes_them(kind: str, given: str, value: object) -> None:
    name = given.partition("=")[0]
    assert read_params(kind, parse_target("node/node-1"), [given]) == {name: value}


def test_the_catalogue_lists_every_kind_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fault", "kinds", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(k["kind"], tuple(k["targets"])) for k in listed] == [
        (k.name, k.targets) for k in KINDS
    ]
    assert run(["fault", "kinds"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert [line[0] for line in lines if line[0] in names()] == [k.name for k in KINDS]


def test_the_help_names_every_kind_that_a_target_can_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(["fault", "--help"])
    shown = {line.split()[0].partition("/")[0]: line for line in shown_lines(capsys)}
    for target in ("node", "pod", "lb", "kube-proxy", "dns", "control-plane"):
        own = [kind.name for kind in held_at(target) if not kind.is_link]
        assert sorted(shown[target].split(None, 1)[1].split(", ")) == sorted(own)


def shown_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
