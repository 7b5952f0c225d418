"""What is more than a machine can hold, or no number at all, is refused at the door."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from emucluster.experiment import bounds
from emucluster.experiment.plan import expand
from emucluster.experiment.plan_error import PlanError
from emucluster.experiment.reading import SpecError, from_tree, read
from emucluster.experiment.rig import refusals
from tests.experiment.build import experiment, topology

MIB = 1024 * 1024


def problem(**fields: Any) -> str:
    """What is wrong with a small experiment whose group or whose other fields are these."""
    group = {"name": "g", "target": "service/web", **fields.pop("group", {})}
    tree = {"name": "a", "phases": {"inject": "20s"}, "workload": [group], **fields}
    with pytest.raises(SpecError) as caught:
        from_tree(tree)
    return str(caught.value).removeprefix("experiment: ")


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"requestBytes": 64 * MIB}, "requestBytes: must be at most 16777216 (16 MiB): every hop"),
        ({"replyBytes": 16 * MIB + 1}, "replyBytes: must be at most 16777216"),
        (
            {
                "requestBytes": 16 * MIB,
                "deadline": "60s",
                "arrival": {"kind": "poisson", "rate": 1},
            },
            "inFlightMax: 60 calls that can be open at once",
        ),
        ({"messages": 10**9}, "messages: must be a whole number <= 10000; got 1000000000"),
        ({"clients": 10**6}, "clients: must be a whole number <= 1000"),
        ({"inFlightMax": 10**9}, "inFlightMax: must be a whole number <= 100000"),
        ({"connection": "pool:9999"}, "connection: must be shared, per-call or pool:N with N from"),
        (
            {"arrival": {"kind": "constant", "rate": 1e300}},
            "arrival.rate: must be a number <= 10000",
        ),
        ({"arrival": {"kind": "constant", "rate": -1}}, "arrival.rate: must be a number > 0"),
        ({"arrival": {"kind": "ramp", "from": 0, "to": 1e9}}, "arrival.to: must be a number <= "),
        (
            {"arrival": {"kind": "closed", "concurrency": 5}, "clients": 2},
            "arrival.concurrency: 5 callers cannot be shared evenly by 2 clients",
        ),
        (
            {"deadline": 1e300},
            "deadline: must be a duration such as 30s, 500ms, 1m30s, or a number",
        ),
        ({"target": "service/web:65536"}, "target: a port is a number from 1 to 65535 or the name"),
        ({"target": "service/web:0"}, "target: a port is a number from 1 to 65535"),
        ({"target": "service/web:-1"}, "target: a port is a number from 1 to 65535"),
        ({"target": "pod/web:Grpc"}, "target: a port is a number from 1 to 65535 or the name"),
        ({"target": f"service/web:{'9' * 400}"}, "target: a port is a number from 1 to 65535"),
        ({"target": "10.0.0.1:99999"}, 'target: a port is a number from 1 to 65535; got "99999"'),
        ({"target": "10.0.0.1:http"}, "target: a port is a number from 1 to 65535; got"),
        ({"keepalive": {"time": 0}}, "keepalive.time: must be at least 1 ms"),
        ({"keepalive": {"time": 1, "timeout": "1us"}}, "keepalive.timeout: must be at least 1 ms"),
        ({"channelOptions": {"keepalive": 1}}, "channelOptions.keepalive: gRPC's names begin"),
        ({"channelOptions": {"grpc.x": 2**31}}, "channelOptions.grpc.x: must be from -2147483647"),
        (
            {"channelOptions": {"grpc.address_http_proxy": "x"}},
            "channelOptions.grpc.address_http_proxy: is set by the load generator",
        ),
        (
            {"lbPolicy": "round_robin", "serviceConfig": {"loadBalancingConfig": []}},
            "lbPolicy: serviceConfig has a loadBalancingConfig",
        ),
        ({"serviceConfig": {"a": float("nan")}}, "serviceConfig.a: must be a finite number"),
        ({"serviceConfig": {"a": [2**64]}}, "serviceConfig.a[0]: must be a whole number from -9"),
    ],
)
def test_a_group_that_is_too_much_is_refused_with_the_field_and_the_bound(
    group: dict[str, Any], words: str
) -> None:
    assert problem(group=group).startswith(f"workload[0].{words}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"phases": {"inject": 1e300}}, "phases.inject: must be a duration such as 30s"),
        ({"phases": {"inject": "25h"}}, "phases.inject: must be a duration"),
        ({"phases": {"inject": -1}}, "phases.inject: must be a duration"),
        ({"phases": {"inject": float("inf")}}, "phases.inject: must be a finite number"),
        ({"seed": 10**30}, "seed: must be a whole number from -9223372036854775807"),
        ({"trials": 10**9}, "trials: must be a whole number <= 10000"),
        ({"name": "x" * 300}, "name: must be text of length <= 100; got 'xxx"),
        (
            {"hypotheses": [{"kind": "availability", "atLeast": 1, "every": "1us"}]},
            "hypotheses[0].every: would cut the 40 s of all phases into more than 10000 stretches",
        ),
        (
            {"hypotheses": [{"kind": "lost-calls", "atMost": 10**40}]},
            "hypotheses[0].atMost: must be a whole number from",
        ),
        ({"hypotheses": [{}] * 501}, "hypotheses: must be a list of length <= 500"),
        ({"faults": [{}] * 501}, "faults: must be a list of length <= 500"),
        ({"manifests": ["a"] * 1001}, "manifests: must be a list of length <= 1000"),
    ],
)
def test_an_experiment_that_is_too_much_is_refused_with_the_field_and_the_bound(
    fields: dict[str, Any], words: str
) -> None:
    assert problem(**fields).startswith(words)


def test_too_many_groups_are_refused() -> None:
    groups = [{"name": f"g{n}", "target": "service/web"} for n in range(101)]
    assert problem(workload=groups).startswith("workload: must be a list of length <= 100")


def test_too_many_connections_are_refused() -> None:
    groups = [
        {"name": "pool", "target": "service/web", "clients": 10, "connection": "pool:500"},
        {"name": "one", "target": "service/web"},
    ]
    assert "workload: could have 5001 connections at once" in problem(workload=groups)
    dear = {"connection": "per-call", "arrival": {"kind": "closed", "concurrency": 6000}}
    assert "workload: could have 6000 connections" in problem(group=dear | {"inFlightMax": 10**4})


def test_what_a_program_nests_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    assert "nested deeper than 64 levels" in problem(group={"serviceConfig": endless})


@pytest.mark.parametrize("value", ["1e999", "-1e999", str(2**64)])
def test_numbers_that_json_does_not_have_are_refused_in_files_too(value: str) -> None:
    text = "name: a\nworkload:\n- name: g\n  target: service/web\n  serviceConfig: {x: [%s]}\n"
    with pytest.raises(SpecError, match=r"e.yaml:5: workload\[0\].serviceConfig.x\[0\]: must be"):
        read(text % value, source="e.yaml")


def test_an_error_does_not_repeat_a_novel() -> None:
    assert len(problem(group={"target": "x" * 10**6})) < 600
    assert len(problem(phases={"inject": "x" * 10**6})) < 600


def test_the_largest_experiment_that_is_allowed_is_allowed() -> None:
    group = {
        "target": "service/web:65535",
        "requestBytes": 16 * MIB,
        "arrival": {"kind": "constant", "rate": 1},
        "clients": 1000,
        "messages": 10_000,
        "deadline": "10s",
    }
    tree = {"name": "x" * 100, "workload": [{"name": "g", **group}], "seed": 2**63 - 1}
    assert from_tree(tree | {"phases": {"inject": "24h"}}).phases.inject_s == 86_400


def test_a_plan_of_too_many_faults_is_refused() -> None:
    trigger = {"every": 1, "times": 1000}
    many = [
        {"kind": "crash", "target": {"kind": "pod", "select": "all"}, "for": 1, "name": f"f{n}"}
        | {"trigger": trigger}
        for n in range(3)
    ]
    with pytest.raises(PlanError, match="more than 10000 faults"):
        expand(experiment(*many), topology(), 0)


# --- what a machine can do ------------------------------------------------------------------------


def refusal(*, cores: float = 2, **fields: Any) -> str:
    group = {"name": "g", "target": "service/web", **fields.pop("group", {})}
    (found,) = refusals(experiment(workload=[group], **fields), cores=cores)
    return found


def test_more_bytes_than_the_cores_copy_are_refused() -> None:
    large = {"requestBytes": 4 * MIB, "arrival": {"kind": "constant", "rate": 9}}
    assert refusal(group=large).startswith("workload: 72 MiB/s of payload")
    assert refusals(experiment(workload=[{"name": "g", "target": "a:1", **large}]), cores=3) == []


def test_streams_and_connections_for_each_call_count_as_the_work_that_they_are() -> None:
    dear = {"clients": 10, "arrival": {"kind": "constant", "rate": 2000}, "connection": "per-call"}
    assert "which cost as much as 8000 unary ones, need more than" in refusal(group=dear)


def test_more_calls_than_are_kept_are_refused_of_all_trials_together() -> None:
    group = {"arrival": {"kind": "constant", "rate": 1000}}
    assert "up to 6,000,000 calls in all trials" in refusal(group=group, trials=150)
    closed = {"arrival": {"kind": "closed"}}
    day = {"baseline": 1, "inject": "24h", "recover": 1, "verify": 1}
    assert "a longer think" in refusal(group=closed, phases=day)


def test_the_reference_lists_the_bounds() -> None:
    text = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text()
    section = re.search(r"\n## Bounds\n(.*?)\n## ", text, re.S)
    assert section is not None
    numbers = re.sub(r"(?<=\d) (?=\d|MiB)", "", section[1])
    for name, value in vars(bounds).items():
        if name.endswith(("_MAX", "_CORE_S")) and name != "WHOLE_MAX":
            told = f"{value // MIB}MiB" if value > MIB and value % MIB == 0 else str(value)
            assert re.search(rf"\b{told}\b", numbers), f"{name}: {told}"
