from __future__ import annotations

import json
import random

import pytest

from emucluster.core import objects as k8s
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.listeners import Listen
from emucluster.core.kubeproxy.service_ports import ServicePortName
from emucluster.core.kubeproxy.table import RouteTable

from .objects import NODE_PORT, endpoint, node, service, slice_of

STAMP = "2025-01-01T00:00:00Z"
LOCAL = service(type="LoadBalancer", external_traffic_policy="Local", health_check_node_port=32000)


def proxy(*objects: k8s.Object) -> NodeProxy:
    table = RouteTable()
    for obj in (node("node-1"), *objects):
        table.handle("ADDED", obj)
    return NodeProxy("node-1", table, rng=random.Random(1))


def test_a_health_check_node_port_answers_200_with_a_ready_local_endpoint() -> None:
    web = proxy(LOCAL, slice_of(endpoint("127.32.1.2"), endpoint("127.32.2.2", "node-2")))
    answer = web.service_health(32000, 0.0)
    assert answer is not None
    assert answer.status == 200
    assert dict(answer.headers) == {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": "1",
    }
    assert json.loads(answer.body) == {
        "service": {"namespace": "default", "name": "web"},
        "localEndpoints": 1,
        "serviceProxyHealthy": True,
    }


def test_it_answers_503_once_the_local_endpoint_is_only_terminating_but_serves_on() -> None:
    web = proxy(LOCAL, slice_of(endpoint("127.32.1.2", conditions="terminating")))
    answer = web.service_health(32000, 0.0)
    assert answer is not None
    assert answer.status == 503
    assert web.listeners() == {
        Listen(NODE_PORT, "open", ServicePortName("default", "web", "http")),
        Listen(32000, "health", ServicePortName("default", "web", "")),
    }


def test_only_a_local_load_balancer_service_has_one() -> None:
    assert proxy(service(health_check_node_port=32000)).service_health(32000, 0.0) is None


@pytest.mark.parametrize(
    ("policy", "slices", "mode"),
    [
        ("Local", slice_of(), "refuse"),
        ("Local", slice_of(endpoint("127.32.2.2", "node-2")), "drop"),
        ("Cluster", slice_of(endpoint("127.32.2.2", "node-2")), "open"),
    ],
)
def test_a_node_port_refuses_drops_or_opens(
    policy: str, slices: k8s.EndpointSlice, mode: str
) -> None:
    (listen,) = proxy(service(external_traffic_policy=policy), slices).listeners()
    assert listen.mode == mode


def test_a_listener_closes_with_its_service() -> None:
    web = proxy(LOCAL)
    assert {port for port, _ in web.take_listener_changes()} == {NODE_PORT, 32000}
    web.table.handle("DELETED", LOCAL)
    assert sorted(web.take_listener_changes()) == [(NODE_PORT, None), (32000, None)]


def test_healthz_names_the_times_and_whether_the_node_may_take_traffic() -> None:
    answer = proxy().healthz(0.0, STAMP)
    assert (answer.status, answer.headers[0]) == (200, ("Content-Type", "application/json"))
    assert json.loads(answer.body) == {
        "lastUpdated": STAMP,
        "currentTime": STAMP,
        "nodeEligible": True,
    }


@pytest.mark.parametrize(
    "leaving",
    [
        node("node-1", deletion_timestamp=STAMP),
        node(
            "node-1",
            taints=(k8s.Taint(key="ToBeDeletedByClusterAutoscaler", effect="NoSchedule"),),
        ),
    ],
)
def test_a_leaving_node_fails_healthz_but_lives_and_keeps_its_services(leaving: k8s.Node) -> None:
    web = proxy(LOCAL, slice_of(endpoint("127.32.1.2")), leaving)
    assert web.healthz(0.0, STAMP).status == 503
    assert json.loads(web.healthz(0.0, STAMP).body)["nodeEligible"] is False
    assert web.livez(0.0, STAMP).status == 200
    service_answer = web.service_health(32000, 0.0)
    assert service_answer is not None
    assert service_answer.status == 200


def test_a_change_pending_for_a_minute_is_unhealthy_until_applied() -> None:
    web = proxy(LOCAL, slice_of(endpoint("127.32.1.2")))
    web.health.queued(now_s=0)
    assert web.healthz(100, STAMP).status == 200  # starting up
    web.health.updated(stamp=STAMP)
    web.health.queued(now_s=100)
    web.health.queued(now_s=150)
    assert web.healthz(159, "later").status == 200
    stale = web.healthz(160, "later")
    assert stale.status == 503
    assert json.loads(stale.body)["lastUpdated"] == STAMP
    service_answer = web.service_health(32000, 160)
    assert service_answer is not None
    assert service_answer.status == 503
    web.health.updated(stamp="now")
    assert web.healthz(160, "now").status == 200
