"""A control plane that dies: what was acknowledged stays, and traffic does not need it."""

from __future__ import annotations

from emucluster.core.objects import Deployment
from emucluster.sim.runtime import SimRuntime
from tests.contract.observe import (
    NODES,
    calls,
    healthy,
    node_is_ready,
    pods,
    ready_pods,
    results,
)
from tests.sim.cluster import web_cluster


def test_traffic_goes_on_while_it_is_down() -> None:
    runtime = web_cluster()
    load = runtime.load("service/web-lb", rate_per_s=50.0)
    runtime.inject("crash", "control-plane")
    runtime.sleep(10.0)
    load.stop()
    runtime.sleep(5.0)
    assert len(load.records) >= 500
    assert load.failed() == []


def test_nothing_acknowledged_is_lost_and_no_version_is_given_out_twice() -> None:
    runtime = web_cluster(cloud=None)
    for replicas in range(4, 24):
        runtime.scale("deployment", "web", replicas)
        runtime.inject("crash", "control-plane")
        runtime.sleep(2.0)
        web = runtime.get("deployment", "web")
        assert isinstance(web, Deployment)
        assert web.spec.replicas == replicas
    runtime.wait_until(lambda: ready_pods(runtime) == 23, timeout_s=60.0, what="all pods ready")
    addresses = [pod.status.pod_ip for pod in pods(runtime)]
    assert len(set(addresses)) == len(addresses)
    versions = [int(what.split()[0]) for _, what in runtime.history if what[0].isdigit()]
    assert versions == sorted(set(versions))


def test_nodes_find_it_again_and_follow_it() -> None:
    runtime = web_cluster()
    runtime.inject("crash", "control-plane")
    runtime.sleep(20.0)
    runtime.scale("deployment", "web", 6)
    runtime.wait_until(lambda: ready_pods(runtime) == 6, timeout_s=60.0, what="six pods")
    runtime.sleep(1.0)
    found = calls(runtime, "service/web-nodeport", 12, node="node-1")
    assert len({each.pod for each in found}) == 6
    assert all(node_is_ready(runtime, name) for name in NODES)


def test_no_node_is_blamed_for_the_time_in_which_it_was_frozen() -> None:
    runtime = web_cluster()
    fault = runtime.inject("freeze", "control-plane")
    runtime.sleep(30.0)
    runtime.clear(fault)
    runtime.sleep(30.0)
    assert all(node_is_ready(runtime, name) for name in NODES)
    assert healthy(runtime) == set(NODES)
    assert results(calls(runtime, "service/web-lb", 6)) == {"ok": 6}


def test_a_load_balancer_is_asked_for_again_and_stays_what_it_was() -> None:
    runtime = web_cluster()
    (before,) = [service_address(runtime)]
    runtime.inject("crash", "control-plane")
    runtime.sleep(5.0)
    assert service_address(runtime) == before
    assert len(runtime.cloud.balancers) == 1
    assert healthy(runtime) == set(NODES)


def service_address(runtime: SimRuntime) -> str:
    (balancer,) = runtime.cloud.balancers.values()
    return balancer.address
