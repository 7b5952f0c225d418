"""Pods inside their node's process, in a place without a cloud that stands echo in for images."""

from __future__ import annotations

import pytest

import emucluster as emu
from emucluster.core.errors import NoRoute
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.watching import (
    entries,
    events,
    nodes,
    ok,
    pid_of,
    pod_on,
    pods,
    ready_pod,
    restarts,
    service,
    until,
)

pytestmark = pytest.mark.live


def test_t12_without_a_cloud_a_load_balancer_service_gets_none(small: emu.Cluster) -> None:
    balanced = service(small, "web-lb")
    assert balanced.status.load_balancer is None or not balanced.status.load_balancer.ingress
    said = until(lambda: events(small, "Service", "web-lb"), "an Event says why")
    assert any("cloud" in (event.message or "") for event in said), said
    with small.client() as outside:
        with pytest.raises(NoRoute, match="<pending>"):
            outside.call("service/web-lb")
        calls = ok(outside.run("service/web-lb", emu.Plan(count=4), node="node-2"))
        assert entries(calls) == {"node-2": 4}, "its node port is there all the same"
    assert not [m for m in small.machines() if m.kind == "load-balancer"]


def test_pods_answer_with_the_process_of_their_node(small: emu.Cluster) -> None:
    with small.client("pod/client") as client:
        calls = ok(client.run("service/web", emu.Plan(count=6)))
    assert {call.pod for call in calls} == {p.metadata.name for p in pods(small)}
    assert {call.node for call in calls} == set(nodes(small))
    assert {(call.node, call.pid) for call in calls} == {
        (name, pid_of(small, name)) for name in nodes(small)
    }


def test_a_crashed_pod_leaves_its_neighbours_alone(small: emu.Cluster) -> None:
    busy = next(n for n in nodes(small) if len([p for p in pods(small) if on(p) == n]) > 1)
    struck, spared = [p.metadata.name for p in pods(small) if on(p) == busy][:2]
    before = {name: restarts(small, name) for name in (struck, spared)}
    with (
        small.client("pod/client") as client,
        client.channel(f"pod/{struck}") as hit,
        client.channel(f"pod/{spared}") as safe,
    ):
        calls = [
            echo_pb2_grpc.EchoStub(channel).Call.future(echo_pb2.EchoRequest(delay_s=1), timeout=30)
            for channel in (hit, safe)
        ]
        for channel in (hit, safe):
            echo_pb2_grpc.EchoStub(channel).Call(echo_pb2.EchoRequest(), timeout=10)
        small.inject("crash", f"pod/{struck}")
        assert calls[0].exception(timeout=30) is not None
        assert calls[1].result(timeout=30).pod == spared
        until(lambda: restarts(small, struck) == before[struck] + 1, "it is restarted")
    assert restarts(small, spared) == before[spared]
    small.clear_faults()
    small.wait_ready()


def test_a_node_that_loses_power_takes_the_pods_inside_it_along(small: emu.Cluster) -> None:
    struck = pod_on(small, "node-2").metadata.name
    counted, pid = restarts(small, struck), pid_of(small, "node-2")
    small.inject("power-off", "node/node-2")
    with small.client() as outside:
        dead = outside.attempt("service/web-nodeport", node="node-2", timeout_s=1)
        assert dead.status == "DEADLINE_EXCEEDED"
    small.clear_faults()
    until(lambda: restarts(small, struck) == counted + 1, "its pods restarted")
    small.wait_ready()
    assert pid_of(small, "node-2") == pid, "the machine's process never went away"


def test_an_image_from_elsewhere_comes_up_as_echo_and_says_so(small: emu.Cluster) -> None:
    small.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "foreign"},
            "spec": {
                "containers": [
                    {
                        "name": "shop",
                        "image": "registry.example/shop:2.1",
                        "ports": [{"containerPort": 9000}, {"containerPort": 9001}],
                    }
                ]
            },
        }
    )
    ready_pod(small, "foreign")
    with small.client("pod/client") as client:
        for port in (9000, 9001):
            assert ok(client.run(f"pod/foreign:{port}", emu.Plan()))[0].pod == "foreign"
    told = until(
        lambda: [e.message for e in events(small, "Pod", "foreign") if "echo" in (e.message or "")],
        "an Event names the stand-in",
    )
    assert any("registry.example/shop:2.1" in (text or "") for text in told)
    small.delete("pod/foreign", grace_period_s=1)


def on(pod: object) -> str:
    return str(pod.spec.node_name)  # type: ignore[attr-defined]
