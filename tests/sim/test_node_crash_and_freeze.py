"""A node that crashes answers with resets; one that freezes accepts and says nothing."""

from __future__ import annotations

import pytest

from emucluster.sim.runtime import SimRuntime
from tests.contract.observe import (
    NODES,
    calls,
    client_node,
    healthy,
    node_is_ready,
    other_node,
    pod_on,
    ready_pods,
    results,
)
from tests.sim.cluster import web_cluster


@pytest.fixture
def runtime() -> SimRuntime:
    return web_cluster()


def test_a_crash_resets_connections_and_refuses_new_ones_at_once(runtime: SimRuntime) -> None:
    held = runtime.open("service/web-nodeport", node="node-2")
    assert held.call().ok
    runtime.inject("crash", "node/node-2")
    lost = held.call()
    assert (lost.result, lost.latency_s < 0.01) == ("reset", True)
    fresh = runtime.connect("service/web-nodeport", node="node-2")
    assert (fresh.result, fresh.latency_s < 0.01) == ("refused", True)


def test_a_crash_takes_a_target_out_after_three_checks_without_time_outs(
    runtime: SimRuntime,
) -> None:
    runtime.inject("crash", "node/node-2")
    began_s = runtime.now_s()
    out_s = runtime.wait_until(
        lambda: "node-2" not in healthy(runtime), timeout_s=60.0, what="target out"
    )
    assert 20.0 < out_s - began_s <= 30.0  # each check fails at once


def test_a_call_that_a_crashed_node_carried_is_told_at_once(runtime: SimRuntime) -> None:
    slow = "apiVersion: v1\nkind: Pod\nmetadata: {name: slow, labels: {app: slow}}\nspec:\n" + (
        "  nodeName: node-2\n  containers: [{name: echo, image: emucluster/echo, "
        "ports: [{containerPort: 50051}], env: [{name: EMU_SLOW_S, value: '3'}]}]\n"
    )
    runtime.apply(slow)
    runtime.wait_until(lambda: ready_pods(runtime, "slow") == 1, timeout_s=10.0, what="ready")
    assert runtime.connect("pod/slow", source="node/node-1").latency_s == pytest.approx(3, abs=0.1)
    runtime.loop.call_later(1.0, lambda: runtime.inject("crash", "node/node-2"))
    lost = runtime.connect("pod/slow", source="node/node-1")
    assert (lost.result, round(lost.latency_s, 1)) == ("reset", 1.0)


def test_a_crashed_node_boots_and_its_pods_have_one_restart_more(runtime: SimRuntime) -> None:
    runtime.inject("crash", "node/node-2", 10.0)
    runtime.sleep(40.0)
    assert node_is_ready(runtime, "node-2")
    assert pod_on(runtime, "node-2").status.container_statuses[0].restart_count == 1
    assert results(calls(runtime, "service/web-nodeport", 6, node="node-2")) == {"ok": 6}


def test_a_deleted_node_stays_gone_with_its_pods_until_its_kubelet_starts_anew(
    runtime: SimRuntime,
) -> None:
    pods = ready_pods(runtime)
    runtime.delete("Node", "node-2", "")
    runtime.sleep(120.0)
    assert runtime.get("Node", "node-2", "") is None
    assert {pod.spec.node_name for pod in runtime.list("Pod")} == {"node-1", "node-3"}
    assert ready_pods(runtime) == pods  # elsewhere
    runtime.inject("crash", "node/node-2", 5.0)
    runtime.sleep(30.0)
    assert node_is_ready(runtime, "node-2")


def test_a_frozen_node_keeps_its_tcp_target_for_its_kernel_accepts(runtime: SimRuntime) -> None:
    runtime.inject("freeze", "node/node-2")
    runtime.sleep(200.0)
    assert "node-2" in healthy(runtime)
    found = calls(runtime, "service/web-nodeport", 2, node="node-2")
    assert results(found) == {"timeout": 2}
    assert not node_is_ready(runtime, "node-2")


def test_an_http_check_finds_a_frozen_node_out() -> None:
    runtime = web_cluster(cloud="gcp")
    runtime.inject("freeze", "node/node-2")
    runtime.wait_until(lambda: "node-2" not in healthy(runtime), timeout_s=30.0, what="target out")


def test_a_frozen_node_resumes_as_it_was(runtime: SimRuntime) -> None:
    held = runtime.open("service/web-nodeport", node="node-2")
    served_by = held.call().pod
    fault = runtime.inject("freeze", "node/node-2")
    assert held.call(timeout_s=3.0).result == "timeout"
    runtime.clear(fault)
    again = held.call()
    assert (again.result, again.pod) == ("ok", served_by)
    assert pod_on(runtime, "node-2").status.container_statuses[0].restart_count == 0


def test_a_request_that_waits_in_a_frozen_node_is_answered_when_it_resumes(
    runtime: SimRuntime,
) -> None:
    held = runtime.open("service/web-nodeport", node="node-2")
    assert held.call().ok
    runtime.inject("freeze", "node/node-2", 2.0)
    answered = held.call(timeout_s=10.0)
    assert (answered.result, round(answered.latency_s, 1)) == ("ok", 2.0)


def test_a_node_frozen_beyond_its_grace_is_ready_again_after_it_resumes(
    runtime: SimRuntime,
) -> None:
    runtime.inject("freeze", "node/node-2", 100.0)
    runtime.sleep(90.0)
    assert not node_is_ready(runtime, "node-2")
    assert ready_pods(runtime) == 2
    runtime.sleep(40.0)
    assert node_is_ready(runtime, "node-2")
    assert ready_pods(runtime) == 3


def test_a_held_connection_hangs_on_a_silent_node_and_is_reset_when_it_boots(
    runtime: SimRuntime,
) -> None:
    held = runtime.open("service/web-nodeport", node="node-2")
    assert held.call().ok
    fault = runtime.inject("power-off", "node/node-2")
    assert [held.call(timeout_s=2.0).result for _ in range(3)] == ["timeout"] * 3
    runtime.loop.call_later(1.0, lambda: runtime.clear(fault))
    assert held.call(timeout_s=5.0).result == "reset"
    runtime.sleep(30.0)
    assert held.call().ok


def test_data_into_silence_is_given_up_by_the_kernel_after_a_quarter_of_an_hour(
    runtime: SimRuntime,
) -> None:
    """F8: without keepalive nothing else ends the connection."""
    node = other_node(client_node(runtime))
    pod = pod_on(runtime, node).metadata.name
    held = runtime.open(f"pod/{pod}", source="pod/client")
    assert held.call().ok
    runtime.inject("power-off", f"node/{node}")
    began_s = runtime.now_s()
    assert held.call(timeout_s=2000.0).result == "timeout"
    assert runtime.now_s() - began_s == pytest.approx(924.6, abs=0.1)


def test_only_the_target_of_a_fault_is_told(runtime: SimRuntime) -> None:
    """Everyone else learns by sockets and silence: with the control plane frozen, the load
    balancer still ejects the node, and the control plane still believes in it."""
    runtime.inject("freeze", "control-plane")
    runtime.inject("power-off", "node/node-2")
    runtime.sleep(120.0)
    assert healthy(runtime) == set(NODES) - {"node-2"}
    assert node_is_ready(runtime, "node-2")
    assert ready_pods(runtime) == 3
