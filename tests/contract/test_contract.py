"""One suite for both runtimes: what holds on virtual time holds on real machines, and the other
way round. Order and reachability are asserted, never how long something took."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emucluster.core.objects import Node, Service
from emucluster.runtime import ClusterRuntime
from tests.contract.observe import (
    NODES,
    calls,
    client_node,
    healthy,
    node_is_ready,
    other_node,
    pod_on,
    pods,
    ready_addresses,
    ready_pods,
    results,
    spread,
)

WAIT_S = 30.0


@pytest.fixture
def victim(runtime: ClusterRuntime) -> str:
    """A node to be broken: the one after that where the client inside is."""
    return other_node(client_node(runtime))


def wait(runtime: ClusterRuntime, condition: Callable[[], bool], what: str) -> float:
    return runtime.wait_until(condition, timeout_s=WAIT_S, what=what)


def service(runtime: ClusterRuntime, name: str) -> Service:
    found = runtime.get("service", name)
    assert isinstance(found, Service)
    return found


# --- reachability --------------------------------------------------------------------------------


def test_a_cluster_ip_is_reached_from_inside_and_never_from_outside(
    runtime: ClusterRuntime,
) -> None:
    assert runtime.connect("service/web", source="pod/client").ok
    assert runtime.connect("service/web", source="node/node-1").ok
    assert runtime.connect("service/web").result == "denied"
    address = service(runtime, "web").spec.cluster_ip
    assert runtime.connect(f"{address}:80").result == "denied"
    assert runtime.connect(f"{address}:80", source="pod/client").ok


def test_a_cluster_ip_takes_pods_in_turn(runtime: ClusterRuntime) -> None:
    found = spread(calls(runtime, "service/web", 12, source="pod/client"))
    assert sorted(found.values()) == [4, 4, 4]


def test_a_node_port_is_open_on_every_node_and_reaches_all_pods(runtime: ClusterRuntime) -> None:
    for node in NODES:
        found = calls(runtime, "service/web-nodeport", 6, node=node)
        assert sorted(spread(found).values()) == [2, 2, 2], node


def test_a_node_port_service_has_a_cluster_ip_too(runtime: ClusterRuntime) -> None:
    assert runtime.connect("service/web-nodeport", source="pod/client").ok


def test_a_load_balancer_reaches_all_pods_through_its_one_address(
    runtime: ClusterRuntime,
) -> None:
    balancer = service(runtime, "web-lb").status.load_balancer
    assert balancer is not None
    assert len(balancer.ingress) == 1
    found = calls(runtime, "service/web-lb", 24)
    assert results(found) == {"ok": 24}
    assert len(spread(found)) == 3


def test_a_load_balancer_of_another_provider_stays_pending(runtime: ClusterRuntime) -> None:
    runtime.apply(
        "apiVersion: v1\nkind: Service\nmetadata: {name: pending}\nspec:\n"
        "  type: LoadBalancer\n  loadBalancerClass: example.com/other\n"
        "  selector: {app: web}\n  ports: [{port: 80, targetPort: 50051}]\n"
    )
    try:
        assert runtime.connect("service/pending").result == "denied"
        wait(
            runtime,
            lambda: runtime.connect("service/pending", node="node-1", timeout_s=1.0).ok,
            "its nodePort works",
        )
        assert service(runtime, "pending").status.load_balancer.ingress == ()
    finally:
        runtime.delete("service", "pending")


def test_pods_and_headless_services_are_reached_directly_from_inside_only(
    runtime: ClusterRuntime,
) -> None:
    name = pods(runtime)[0].metadata.name
    assert runtime.connect(f"pod/{name}", source="pod/client").pod == name
    assert runtime.connect(f"pod/{name}").result == "denied"
    assert runtime.connect("service/web-headless", source="pod/client").ok
    assert runtime.connect("service/web-headless").result == "denied"


def test_pods_see_their_client_inside_and_the_entry_node_for_clients_outside(
    runtime: ClusterRuntime,
) -> None:
    client = runtime.get("pod", "client")
    inside = runtime.connect("service/web", source="pod/client")
    assert inside.source_seen == client.status.pod_ip  # type: ignore[union-attr]
    node = runtime.get("node", "node-2")
    assert isinstance(node, Node)
    outside = runtime.connect("service/web-nodeport", node="node-2")
    assert outside.source_seen in {each.address for each in node.status.addresses}


def test_a_connection_that_is_held_stays_with_its_pod(runtime: ClusterRuntime) -> None:
    held = runtime.open("service/web", source="pod/client")
    first = held.call()
    assert first.ok
    assert {held.call().pod for _ in range(5)} == {first.pod}
    held.close()


# --- traffic policy ------------------------------------------------------------------------------

SOLO = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: solo}
spec:
  selector: {matchLabels: {app: solo}}
  template:
    metadata: {labels: {app: solo}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: echo, image: emucluster/echo, ports: [{containerPort: 50051}]}
---
apiVersion: v1
kind: Service
metadata: {name: solo}
spec:
  type: NodePort
  externalTrafficPolicy: Local
  selector: {app: solo}
  ports: [{port: 80, targetPort: 50051}]
"""


def test_policy_local_drops_where_no_pod_is_and_refuses_where_none_is_anywhere(
    runtime: ClusterRuntime,
) -> None:
    runtime.apply(SOLO)
    try:
        wait(runtime, lambda: ready_pods(runtime, "solo") == 1, "solo is ready")
        home = pods(runtime, "solo")[0].spec.node_name or ""
        wait(
            runtime,
            lambda: runtime.connect("service/solo", node=home, timeout_s=1.0).ok,
            "its node knows it",
        )
        local = runtime.connect("service/solo", node=home)
        node = runtime.get("node", home)
        assert isinstance(node, Node)
        assert local.source_seen not in {each.address for each in node.status.addresses}
        away = runtime.connect("service/solo", node=other_node(home), timeout_s=1.0)
        assert away.result == "timeout"
        runtime.scale("deployment", "solo", 0)
        wait(
            runtime,
            lambda: all(
                runtime.connect("service/solo", node=each, timeout_s=1.0).result == "refused"
                for each in NODES
            ),
            "refused on every node",
        )
    finally:
        runtime.delete("service", "solo")
        runtime.delete("deployment", "solo")
        wait(runtime, lambda: not pods(runtime, "solo"), "solo is gone")


def test_under_policy_local_a_load_balancer_uses_only_nodes_with_a_pod(
    runtime: ClusterRuntime,
) -> None:
    """Their healthCheckNodePort says so."""
    runtime.apply(SOLO.replace("type: NodePort", "type: LoadBalancer"))
    try:
        wait(runtime, lambda: ready_pods(runtime, "solo") == 1, "solo is ready")
        home = pods(runtime, "solo")[0].spec.node_name or ""
        wait(
            runtime,
            lambda: (
                runtime.lb_targets("solo")
                == {node: "healthy" if node == home else "unhealthy" for node in NODES}
            ),
            "the pod's node alone is in service",
        )
        found = calls(runtime, "service/solo", 8)
        assert results(found) == {"ok": 8}
        assert service(runtime, "solo").spec.health_check_node_port
    finally:
        runtime.delete("service", "solo")
        runtime.delete("deployment", "solo")
        wait(runtime, lambda: runtime.get("service", "solo") is None, "solo is gone")


def test_losing_its_endpoints_a_service_refuses_new_connections_and_keeps_the_old(
    runtime: ClusterRuntime,
) -> None:
    """F2: what was once chosen stays chosen."""
    some = "apiVersion: v1\nkind: Service\nmetadata: {name: some}\nspec:\n" + (
        "  selector: {app: web}\n  ports: [{port: 80, targetPort: 50051}]\n"
    )
    runtime.apply(some)
    try:
        wait(
            runtime,
            lambda: runtime.connect("service/some", source="pod/client", timeout_s=1.0).ok,
            "it has endpoints",
        )
        held = runtime.open("service/some", source="pod/client")
        served_by = held.call().pod
        runtime.apply(some.replace("app: web", "app: nobody"))
        wait(
            runtime,
            lambda: (
                runtime.connect("service/some", source="pod/client", timeout_s=1.0).result
                == "refused"
            ),
            "it has none",
        )
        assert held.call().pod == served_by
        held.close()
    finally:
        runtime.delete("service", "some")


# --- pods that come and go -----------------------------------------------------------------------


def test_a_deleted_pod_is_replaced_by_another_at_another_address(runtime: ClusterRuntime) -> None:
    before, address = pods(runtime)[0], service(runtime, "web").spec.cluster_ip
    runtime.delete("pod", before.metadata.name, grace_period_s=1)

    def replaced() -> bool:
        names = {pod.metadata.name for pod in pods(runtime)}
        return ready_pods(runtime) == 3 and before.metadata.name not in names

    wait(runtime, replaced, "replaced")
    wait(
        runtime,
        lambda: (
            before.metadata.name
            not in spread(calls(runtime, "service/web", 6, source="pod/client"))
        ),
        "no proxy knows the old one",
    )
    assert before.status.pod_ip not in {pod.status.pod_ip for pod in pods(runtime)}
    assert service(runtime, "web").spec.cluster_ip == address
    found = calls(runtime, "service/web", 9, source="pod/client")
    assert sorted(spread(found).values()) == [3, 3, 3]


# --- nodes that fail -----------------------------------------------------------------------------


def test_a_node_that_loses_power_is_missed_noticed_emptied_and_taken_back(
    runtime: ClusterRuntime, victim: str
) -> None:
    others = [name for name in NODES if name != victim]
    pod = pod_on(runtime, victim)
    before = runtime.get("node", victim)
    held = runtime.open("service/web-nodeport", node=victim)
    assert held.call().ok
    fault = runtime.inject("power-off", f"node/{victim}")

    # At once, and for as long as it lasts: silence, on old and new connections.
    assert runtime.connect("service/web-nodeport", node=victim, timeout_s=0.5).result == "timeout"
    assert held.call(timeout_s=0.3).result == "timeout"

    # The load balancer by its own checks, the control plane by the lease: NotReady, then the
    # pods' readiness, then the endpoints, then what the other nodes' proxies choose.
    wait(runtime, lambda: healthy(runtime) == set(others), "the target is out")
    unready_s = wait(runtime, lambda: not node_is_ready(runtime, victim), "NotReady")
    wait(runtime, lambda: pod.status.pod_ip not in ready_addresses(runtime), "endpoint gone")
    for node in others:
        wait(
            runtime,
            lambda node=node: (
                results(  # type: ignore[misc]
                    calls(runtime, "service/web-nodeport", 4, node=node, timeout_s=0.5)
                )
                == {"ok": 4}
            ),
            f"{node} avoids the dead pod",
        )
    assert results(calls(runtime, "service/web-lb", 8)) == {"ok": 8}

    # Five minutes later: eviction, and replacements elsewhere.
    evicted_s = wait(
        runtime,
        lambda: pod.metadata.name not in {each.metadata.name for each in pods(runtime)},
        "evicted",
    )
    assert evicted_s > unready_s
    wait(runtime, lambda: ready_pods(runtime) == 3, "replaced")
    assert {each.spec.node_name for each in pods(runtime)} <= set(others)
    assert runtime.connect("service/web-nodeport", node=victim, timeout_s=0.5).result == "timeout"

    # It returns as who it was, and old connections learn that it has forgotten them.
    runtime.clear(fault)
    wait(runtime, lambda: node_is_ready(runtime, victim), "Ready again")
    wait(runtime, lambda: runtime.get("pod", pod.metadata.name) is None, "the old pod is gone")
    wait(runtime, lambda: healthy(runtime) == set(NODES), "the target is back")
    after = runtime.get("node", victim)
    assert isinstance(before, Node)
    assert isinstance(after, Node)
    wait(runtime, lambda: not _taints(runtime, victim), "no taints")
    assert after.metadata.uid == before.metadata.uid
    assert after.status.addresses == before.status.addresses
    wait(runtime, lambda: held.call(timeout_s=1.0).ok, "a held connection dials anew")
    held.close()
    found = calls(runtime, "service/web-nodeport", 6, node=victim)
    assert sorted(spread(found).values()) == [2, 2, 2]


def _taints(runtime: ClusterRuntime, name: str) -> tuple[object, ...]:
    node = runtime.get("node", name)
    assert isinstance(node, Node)
    return node.spec.taints


def test_a_node_that_crashes_resets_and_refuses_at_once_and_restarts_its_pods(
    runtime: ClusterRuntime, victim: str
) -> None:
    restarts = _restarts(runtime, victim)
    name = pod_on(runtime, victim).metadata.name
    held = runtime.open("service/web-nodeport", node=victim)
    assert held.call().ok
    fault = runtime.inject("crash", f"node/{victim}")
    assert held.call(timeout_s=2.0).result in ("reset", "refused")
    assert runtime.connect("service/web-nodeport", node=victim, timeout_s=2.0).result == "refused"
    wait(runtime, lambda: victim not in healthy(runtime), "the target is out")
    runtime.clear(fault)
    wait(runtime, lambda: _restarts(runtime, victim) == restarts + 1, "one restart more")
    wait(runtime, lambda: held.call(timeout_s=1.0).ok, "it serves again")
    held.close()
    assert pod_on(runtime, victim).metadata.name == name


def _restarts(runtime: ClusterRuntime, node: str) -> int:
    return pod_on(runtime, node).status.container_statuses[0].restart_count


def test_a_node_that_freezes_accepts_never_answers_and_resumes_as_it_was(
    runtime: ClusterRuntime, victim: str
) -> None:
    restarts = _restarts(runtime, victim)
    held = runtime.open("service/web-nodeport", node=victim)
    served_by = held.call().pod
    fault = runtime.inject("freeze", f"node/{victim}")
    assert held.call(timeout_s=0.5).result == "timeout"
    assert runtime.connect("service/web-nodeport", node=victim, timeout_s=0.5).result == "timeout"
    runtime.clear(fault)
    wait(runtime, lambda: held.call(timeout_s=2.0).ok, "the held connection goes on")
    assert held.call().pod == served_by
    assert _restarts(runtime, victim) == restarts
    held.close()
