"""What Services do while pods, nodes and load balancers come and go."""

from __future__ import annotations

from collections import Counter

import pytest

from emucluster.core.objects import Event, Pod, Service
from emucluster.sim.runtime import SimRuntime
from tests.contract.observe import (
    NODES,
    WEB,
    calls,
    healthy,
    node_is_ready,
    pod_on,
    pods,
    ready_addresses,
    ready_pods,
    results,
    spread,
)
from tests.sim.cluster import web_cluster

LOCAL = WEB.replace("type: LoadBalancer\n", "type: LoadBalancer\n  externalTrafficPolicy: Local\n")
TWO_LOCAL = LOCAL.replace("replicas: 3", "replicas: 2")


def test_a_pod_deleted_under_load_is_missed_for_no_longer_than_news_of_it_travel() -> None:
    """F1: the race of SIGTERM against the removal of the endpoint loses few calls, if any."""
    runtime = web_cluster()
    load = runtime.load("service/web-nodeport", rate_per_s=100.0, node="node-1", timeout_s=1.0)
    runtime.sleep(2.0)
    gone = pod_on(runtime, "node-2")
    deleted_s = runtime.now_s()
    runtime.delete("pod", gone.metadata.name)
    runtime.wait_until(
        lambda: ready_pods(runtime) == 3 and runtime.get("pod", gone.metadata.name) is None,
        timeout_s=60.0,
        what="replaced",
    )
    runtime.sleep(2.0)
    load.stop()
    runtime.sleep(2.0)
    assert all(each.began_s - deleted_s < 1.0 for each in load.failed())
    assert len(load.records) > 300
    after = Counter(r.outcome.pod for r in load.records[-90:])
    assert gone.metadata.name not in after
    assert sorted(after.values()) == [30, 30, 30]


def test_a_replacement_has_another_name_and_another_address() -> None:
    runtime = web_cluster()
    before = {(pod.metadata.name, pod.status.pod_ip) for pod in pods(runtime)}
    service = runtime.get("service", "web")
    assert isinstance(service, Service)
    for name, _ in before:
        runtime.delete("pod", name)
    runtime.wait_until(
        lambda: ready_pods(runtime) == 3, timeout_s=60.0, what="three others are ready"
    )
    after = {(pod.metadata.name, pod.status.pod_ip) for pod in pods(runtime)}
    assert not {ip for _, ip in before} & {ip for _, ip in after}
    same = runtime.get("service", "web")
    assert isinstance(same, Service)
    assert same.spec.cluster_ip == service.spec.cluster_ip


def test_under_policy_local_only_nodes_with_a_pod_are_in_service() -> None:
    runtime = SimRuntime()
    runtime.sleep(1.0)
    runtime.apply(TWO_LOCAL)
    runtime.wait_until(lambda: ready_pods(runtime) == 2, timeout_s=60.0, what="ready")
    runtime.sleep(60.0)
    hosts = {pod.spec.node_name for pod in pods(runtime)}
    assert healthy(runtime) == hosts
    (without,) = set(NODES) - hosts
    found = calls(runtime, "service/web-lb", 2, node=without)
    assert results(found) == {"timeout": 2}
    found = calls(runtime, "service/web-lb", 20)
    assert results(found) == {"ok": 20}
    assert all(each.source_seen == "127.224.0.1" for each in found)


def test_under_policy_local_a_target_leaves_when_its_last_pod_ends() -> None:
    """F6: between the pod's end and two failed checks, connections are dropped."""
    runtime = web_cluster(LOCAL)
    runtime.scale("deployment", "web", 2)
    runtime.wait_until(lambda: len(ready_addresses(runtime)) == 2, timeout_s=30.0, what="scaled")
    scaled_s = runtime.now_s()
    runtime.wait_until(lambda: len(healthy(runtime)) == 2, timeout_s=60.0, what="target out")
    assert 10.0 <= runtime.now_s() - scaled_s <= 20.5
    assert healthy(runtime) == {pod.spec.node_name for pod in pods(runtime)}


def test_without_any_endpoint_connections_are_refused_whatever_the_policy() -> None:
    runtime = web_cluster(LOCAL)
    runtime.scale("deployment", "web", 0)
    runtime.wait_until(
        lambda: not runtime.list("pod") or len(runtime.list("pod")) == 1,
        timeout_s=60.0,
        what="no pods",
    )
    runtime.sleep(1.0)
    assert results(calls(runtime, "service/web-lb", 2, node="node-1")) == {"refused": 2}
    assert results(calls(runtime, "service/web-nodeport", 2, node="node-1")) == {"refused": 2}
    assert results(calls(runtime, "service/web", 2, source="pod/client")) == {"refused": 2}


@pytest.mark.parametrize(
    ("preset", "least_s", "most_s"),
    [
        # checks that fail x interval, the last one's time-out, and up to an interval before
        ("aws-nlb", 30.0, 40.0),
        ("aws-clb", 55.0, 66.0),
        ("gcp", 17.0, 25.1),
        ("azure", 10.0, 15.1),
        ("haproxy", 5.0, 7.1),  # connect lasts as long as the interval, which follows it
        ("envoy", 3.0, 5.1),
    ],
)
def test_each_preset_ejects_a_silent_node_in_its_own_time(
    preset: str, least_s: float, most_s: float
) -> None:
    runtime = web_cluster(cloud=preset)
    runtime.connect("service/web-lb")  # until it has had traffic, envoy checks once a minute
    runtime.sleep(61.0)
    runtime.inject("power-off", "node/node-2")
    began_s = runtime.now_s()
    out_s = runtime.wait_until(
        lambda: "node-2" not in healthy(runtime), timeout_s=120.0, what="target out"
    )
    assert least_s <= out_s - began_s <= most_s


@pytest.mark.parametrize(("preset", "end"), [("aws-nlb", "reset"), ("gcp", None)])
def test_flows_of_an_ejected_target_are_reset_or_stay_as_the_preset_says(
    preset: str, end: str | None
) -> None:
    runtime = web_cluster(cloud=preset)
    for _ in range(30):
        assert runtime.open("service/web-lb").call().ok
    (balancer,) = runtime.cloud.balancers.values()
    held = list(balancer.host.flows.values())
    runtime.inject("power-off", "node/node-2")
    runtime.wait_until(lambda: "node-2" not in healthy(runtime), timeout_s=60.0, what="target out")
    runtime.sleep(1.0)
    assert {flow.end for flow in held if flow.hops[2].name == "node-2"} == {end}
    assert {flow.end for flow in held if flow.hops[2].name != "node-2"} == {None}


def test_an_idle_flow_through_a_load_balancer_is_reset_at_its_next_packet() -> None:
    """F23: 350 s on an NLB."""
    runtime = web_cluster()
    held = runtime.open("service/web-lb")
    assert held.call().ok
    runtime.sleep(340.0)
    assert held.call().ok
    runtime.sleep(351.0)
    assert held.call().result == "reset"
    assert held.call().ok


def test_a_crashed_load_balancer_refuses_and_knows_no_target_when_it_is_back() -> None:
    runtime = web_cluster()
    fault = runtime.inject("crash", "lb/web-lb")
    assert runtime.connect("service/web-lb").result == "refused"
    runtime.clear(fault)
    assert set(runtime.lb_targets("web-lb").values()) == {"initial"}
    runtime.wait_until(lambda: healthy(runtime) == set(NODES), timeout_s=30.0, what="healthy")
    assert runtime.connect("service/web-lb").ok


def test_without_a_cloud_the_address_stays_pending_and_an_event_says_why() -> None:
    runtime = web_cluster(cloud=None)
    runtime.sleep(600.0)
    service = runtime.get("service", "web-lb")
    assert isinstance(service, Service)
    assert service.status.load_balancer.ingress == ()
    denied = runtime.connect("service/web-lb")
    assert (denied.result, "pending" in denied.reason) == ("denied", True)
    assert runtime.connect("service/web-lb", node="node-1").ok
    reasons = {e.reason for e in runtime.list("event") if isinstance(e, Event)}
    assert "NoLoadBalancerProvider" in reasons


def test_with_all_zones_down_nobody_is_evicted_and_their_return_has_a_fresh_grace() -> None:
    runtime = web_cluster()
    before = {pod.metadata.uid for pod in pods(runtime)}
    faults = [runtime.inject("power-off", f"node/{name}") for name in NODES]
    runtime.sleep(1800.0)
    assert not any(node_is_ready(runtime, name) for name in NODES)
    assert ready_addresses(runtime) == set()
    taints = {
        taint.effect
        for node in runtime.list("node")
        for taint in node.spec.taints  # type: ignore[attr-defined]
    }
    assert "NoExecute" not in taints
    for fault in faults:
        runtime.clear(fault)
    runtime.sleep(60.0)
    assert all(node_is_ready(runtime, name) for name in NODES)
    assert {pod.metadata.uid for pod in pods(runtime)} == before
    assert spread(calls(runtime, "service/web-lb", 9)).total() == 9


def test_a_pod_that_crashes_restarts_and_one_that_freezes_fails_its_probe() -> None:
    runtime = web_cluster()
    crashed, frozen = pod_on(runtime, "node-1"), pod_on(runtime, "node-2")
    runtime.inject("crash", f"pod/{crashed.metadata.name}")
    runtime.inject("freeze", f"pod/{frozen.metadata.name}")
    assert runtime.connect(f"pod/{frozen.metadata.name}", source="pod/client").result == "timeout"
    runtime.sleep(30.0)
    again = runtime.get("pod", crashed.metadata.name)
    assert isinstance(again, Pod)
    assert again.status.container_statuses[0].restart_count == 1
    assert frozen.status.pod_ip not in ready_addresses(runtime)
    assert crashed.status.pod_ip in ready_addresses(runtime)


def test_an_image_that_no_node_has_backs_off() -> None:
    runtime = web_cluster(cloud=None)
    runtime.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: db}\n"
        "spec: {containers: [{name: db, image: 'postgres:16'}]}\n"
    )
    runtime.sleep(5.0)
    pod = runtime.get("pod", "db")
    assert isinstance(pod, Pod)
    waiting = pod.status.container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.reason == "ImagePullBackOff"
