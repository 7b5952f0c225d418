"""An hour of a node's silence: who notices what, when, and what comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emucluster.core.objects import Node
from emucluster.sim.runtime import SimRuntime
from tests.contract.observe import (
    NODES,
    calls,
    healthy,
    is_ready,
    node_is_ready,
    pod_on,
    pods,
    ready_addresses,
    ready_pods,
    results,
)
from tests.sim.cluster import web_cluster


class Silence:
    """The cluster, the silent node, and what it had; seconds count from the loss of power."""

    def __init__(self, runtime: SimRuntime) -> None:
        self.runtime = runtime
        self.node = "node-2"
        self.others = [name for name in NODES if name != self.node]
        self.pod = pod_on(runtime, self.node)
        self.address = runtime.nodes[self.node].address
        self.fault = runtime.inject("power-off", f"node/{self.node}")
        self.began_s = runtime.now_s()

    def seconds_until(self, condition: Callable[[], bool], what: str) -> float:
        at_s = self.runtime.wait_until(condition, timeout_s=400.0, what=what)
        return at_s - self.began_s

    def is_unready(self) -> bool:
        return not node_is_ready(self.runtime, self.node)

    def endpoint_is_gone(self) -> bool:
        return self.pod.status.pod_ip not in ready_addresses(self.runtime)

    def is_evicted(self) -> bool:
        pod = self.runtime.get("pod", self.pod.metadata.name)
        return pod is None or pod.metadata.deletion_timestamp is not None


@pytest.fixture
def silence() -> Silence:
    return Silence(web_cluster())


def test_an_hour_of_silence_is_a_matter_of_some_thousand_events(silence: Silence) -> None:
    before = silence.runtime.loop.events
    silence.runtime.sleep(3600.0)
    assert silence.runtime.now_s() == silence.began_s + 3600.0
    assert 1_000 < silence.runtime.loop.events - before < 30_000


def test_the_node_is_not_ready_once_the_grace_of_its_lease_is_over(silence: Silence) -> None:
    silence.seconds_until(silence.is_unready, "NotReady")
    renewals = [
        at_s
        for at_s, what in silence.runtime.history
        if f"Lease kube-node-lease/{silence.node} " in what
    ]
    assert max(renewals) <= silence.began_s
    # 50 s of grace, judged every 5 s.
    assert 50.0 < silence.runtime.now_s() - max(renewals) <= 55.0
    node = silence.runtime.get("node", silence.node)
    assert isinstance(node, Node)
    ready = next(each for each in node.status.conditions if each.type == "Ready")
    assert (ready.status, ready.reason) == ("Unknown", "NodeStatusUnknown")


def test_its_pods_are_not_ready_with_it_and_their_endpoints_go_at_once(silence: Silence) -> None:
    unready_s = silence.seconds_until(silence.is_unready, "NotReady")
    assert silence.seconds_until(lambda: ready_pods(silence.runtime) == 2, "pods") == unready_s
    gone_s = silence.seconds_until(silence.endpoint_is_gone, "endpoint gone")
    assert gone_s - unready_s <= 2.0


def test_its_node_port_is_silent_at_once_and_stays_so(silence: Silence) -> None:
    for _ in range(4):
        found = calls(silence.runtime, "service/web-nodeport", 3, node=silence.node)
        assert results(found) == {"timeout": 3}
        silence.runtime.sleep(600.0)


def test_healthy_nodes_send_a_third_of_connections_to_it_until_the_lease_has_run(
    silence: Silence,
) -> None:
    for node in silence.others:
        found = calls(silence.runtime, "service/web-nodeport", 9, node=node)
        assert results(found) == {"ok": 6, "timeout": 3}
    silence.seconds_until(silence.endpoint_is_gone, "endpoint gone")
    silence.runtime.sleep(1.0)
    for node in silence.others:
        found = calls(silence.runtime, "service/web-nodeport", 9, node=node)
        assert results(found) == {"ok": 9}


def test_the_load_balancer_notices_by_its_own_checks_before_the_control_plane(
    silence: Silence,
) -> None:
    out_s = silence.seconds_until(
        lambda: healthy(silence.runtime) == set(silence.others), "target out"
    )
    assert 30.0 <= out_s <= 40.0  # three checks of 10 s, and up to one interval before the first
    assert node_is_ready(silence.runtime, silence.node)


def test_behind_a_clean_load_balancer_calls_still_reach_dead_pods(silence: Silence) -> None:
    silence.seconds_until(lambda: silence.node not in healthy(silence.runtime), "target out")
    found = calls(silence.runtime, "service/web-lb", 12)
    assert results(found) == {"ok": 8, "timeout": 4}
    silence.seconds_until(silence.endpoint_is_gone, "endpoint gone")
    silence.runtime.sleep(1.0)
    assert results(calls(silence.runtime, "service/web-lb", 12)) == {"ok": 12}


def test_its_pods_are_evicted_five_minutes_after_it_was_not_ready(silence: Silence) -> None:
    unready_s = silence.seconds_until(silence.is_unready, "NotReady")
    evicted_s = silence.seconds_until(silence.is_evicted, "evicted")
    assert evicted_s - unready_s == pytest.approx(300.0, abs=1.0)
    replaced_s = silence.seconds_until(lambda: ready_pods(silence.runtime) == 3, "replaced")
    assert replaced_s - evicted_s < 10.0
    assert all(pod.spec.node_name in silence.others for pod in pods(silence.runtime))


def test_an_evicted_pod_stays_terminating_until_its_node_is_back(silence: Silence) -> None:
    silence.runtime.sleep(3600.0)
    name = silence.pod.metadata.name
    left = silence.runtime.get("pod", name)
    assert left is not None
    assert left.metadata.deletion_timestamp is not None
    silence.runtime.clear(silence.fault)
    silence.runtime.sleep(5.0)
    assert silence.runtime.get("pod", name) is None


def test_it_rejoins_under_its_name_and_address_without_taints(silence: Silence) -> None:
    silence.runtime.sleep(3600.0)
    before = silence.runtime.get("node", silence.node)
    assert isinstance(before, Node)
    assert {taint.key for taint in before.spec.taints} == {"node.kubernetes.io/unreachable"}
    silence.runtime.clear(silence.fault)
    silence.runtime.sleep(5.0)
    after = silence.runtime.get("node", silence.node)
    assert isinstance(after, Node)
    assert is_ready(after)
    assert after.spec.taints == ()
    assert after.metadata.uid == before.metadata.uid
    assert silence.address in {each.address for each in after.status.addresses}


def test_its_target_is_healthy_again_after_three_checks(silence: Silence) -> None:
    silence.runtime.sleep(3600.0)
    assert silence.node not in healthy(silence.runtime)
    silence.runtime.clear(silence.fault)
    back_s = silence.runtime.now_s()
    healthy_s = silence.runtime.wait_until(
        lambda: silence.node in healthy(silence.runtime), timeout_s=60.0, what="target healthy"
    )
    assert 19.0 < healthy_s - back_s < 31.0  # one may be under way when the power comes back
    assert results(calls(silence.runtime, "service/web-nodeport", 6, node=silence.node)) == {
        "ok": 6
    }


def test_pods_do_not_survive_it_and_run_again_at_their_address(silence: Silence) -> None:
    silence.runtime.sleep(100.0)
    silence.runtime.clear(silence.fault)
    silence.runtime.wait_until(
        lambda: ready_pods(silence.runtime) == 3, timeout_s=30.0, what="pods ready again"
    )
    again = pod_on(silence.runtime, silence.node)
    assert again.metadata.uid == silence.pod.metadata.uid
    assert again.status.pod_ip == silence.pod.status.pod_ip
    assert again.status.container_statuses[0].restart_count == 1
    assert again.status.container_statuses[0].last_state.terminated is not None


def test_a_silence_shorter_than_the_grace_is_noticed_by_nobody_but_its_clients() -> None:
    runtime = web_cluster()
    before = {pod.metadata.name for pod in pods(runtime)}
    runtime.inject("power-off", "node/node-2", 20.0)
    runtime.sleep(19.0)
    assert results(calls(runtime, "service/web-nodeport", 1, node="node-2")) == {"timeout": 1}
    assert node_is_ready(runtime, "node-2")
    runtime.sleep(60.0)
    assert node_is_ready(runtime, "node-2")
    assert {pod.metadata.name for pod in pods(runtime)} == before
    assert ready_pods(runtime) == 3
    assert healthy(runtime) == set(NODES)
