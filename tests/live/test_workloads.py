"""StatefulSets and DaemonSets whose pods really serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.message
import dns.query
import pytest

import emucluster as emu
from tests.live.watching import ok, pod, pods, until

pytestmark = pytest.mark.live

NAME = "{}.db.default.svc.cluster.local"


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "echo",
        "image": "emucluster/echo",
        "ports": [{"containerPort": 50051}],
        "readinessProbe": {"grpc": {"port": 50051}},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


HEADLESS = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db"},
    "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 50051}]},
}


@pytest.fixture(scope="module")
def workloads(small: emu.Cluster) -> Iterator[emu.Cluster]:
    small.apply(
        [
            HEADLESS,
            workload("StatefulSet", "db", replicas=2, serviceName="db"),
            workload("DaemonSet", "agent"),
        ]
    )
    small.wait_ready(90)
    yield small
    for each in ("statefulset/db", "daemonset/agent", "service/db"):
        small.delete(each)


def addresses(cluster: emu.Cluster, name: str) -> list[str]:
    host, _, port = cluster.status().dns.rpartition(":")
    query = dns.message.make_query(NAME.format(name), "A")
    answer = dns.query.udp(query, host, port=int(port), timeout=10).answer
    return [record.address for records in answer for record in records]


def test_each_pod_of_a_statefulset_is_reached_by_its_own_name(workloads: emu.Cluster) -> None:
    assert {p.metadata.name for p in pods(workloads, "app=db")} == {"db-0", "db-1"}
    with workloads.client("pod/client") as client:
        for name in ("db-0", "db-1"):
            assert addresses(workloads, name) == [pod(workloads, name).status.pod_ip]
            [call] = ok(client.run(f"{NAME.format(name)}:50051", emu.Plan(count=1)))
            assert call.pod == name


def test_a_pod_that_comes_again_keeps_its_name_and_is_found_there(workloads: emu.Cluster) -> None:
    before = pod(workloads, "db-0")
    workloads.delete("pod/db-0")

    def back() -> bool:
        now = pod(workloads, "db-0")
        same = now.metadata.uid == before.metadata.uid
        return not same and addresses(workloads, "db-0") == [now.status.pod_ip]

    until(back, "db-0 is there again")
    with workloads.client("pod/client") as client:
        [call] = ok(client.run(f"{NAME.format('db-0')}:50051", emu.Plan(count=1)))
    assert call.pod == "db-0"


def test_a_daemonset_serves_on_every_node(workloads: emu.Cluster) -> None:
    agents = pods(workloads, "app=agent")
    assert sorted(p.spec.node_name or "" for p in agents) == ["node-1", "node-2"]
    with workloads.client("pod/client") as client:
        for each in agents:
            [call] = ok(client.run(f"pod/{each.metadata.name}", emu.Plan(count=1)))
            assert call.pod == each.metadata.name
