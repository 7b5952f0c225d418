"""The control plane is killed again and again while clients write and call."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter, defaultdict
from typing import Any

import pytest

import emucluster as emu
from emucluster.core.errors import AlreadyExists, Unreachable
from emucluster.core.objects import Pod, Service
from tests.live.watching import Load, ok, pid_of, pods, until

pytestmark = pytest.mark.live

NAMESPACE = "churn"
KILLS = 8


class Writer:
    """Creates Services without end; remembers what was acknowledged, and as what."""

    def __init__(self, cluster: emu.Cluster, number: int) -> None:
        self.acknowledged: dict[str, Service] = {}
        self.unsure: set[str] = set()
        self.problem: BaseException | None = None
        self._session = emu.connect(cluster.name, namespace=NAMESPACE)
        self._number = number
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with self._session:
                count = 0
                while not self.ended.wait(0.02):
                    count += 1
                    self._write(f"w{self._number}-{count}")
        except BaseException as error:
            self.problem = error

    def _write(self, name: str) -> None:
        try:
            [applied] = self._session.apply(node_port_service(name))
        except Unreachable:
            self.unsure.add(name)
        except AlreadyExists:
            self.unsure.add(name)  # an earlier attempt of the same request had gone through
        else:
            assert isinstance(applied.object, Service)
            self.acknowledged[name] = applied.object


def node_port_service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "selector": {"app": "none"}, "ports": [{"port": 80}]},
    }


def churn(replicas: int) -> dict[str, Any]:
    labels = {"app": "churn"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "churn"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "echo", "image": "emucluster/echo"}],
                },
            },
        },
    }


def kill_and_wait(cluster: emu.Cluster, before: int) -> int:
    """Kill this control plane and return the next one's pid once it answers."""
    os.kill(before, signal.SIGKILL)

    def back() -> int:
        pid = pid_of(cluster, "control-plane")
        cluster.get("nodes")
        return pid if pid not in (0, before) else 0

    return until(back, "the control plane is back")


def addresses(cluster: emu.Cluster, seen: dict[str, set[str]]) -> None:
    """Note every pod's address under it; pods of all times are compared."""
    for pod in cluster.get("pods", namespace="*"):
        assert isinstance(pod, Pod)
        if pod.status.pod_ip:
            seen[pod.metadata.uid].add(pod.status.pod_ip)


@pytest.mark.rare
@pytest.mark.slow
def test_killed_again_and_again_under_writes_it_loses_nothing_and_gives_nothing_out_twice(
    small: emu.Cluster,
) -> None:
    small.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    writers = [Writer(small, number) for number in range(3)]
    seen: dict[str, set[str]] = defaultdict(set)
    versions = [0]
    with small.client("pod/client") as client, Load(client, "service/web", timeout_s=5) as load:
        pid = pid_of(small, "control-plane")
        for writer in writers:
            writer.thread.start()
        try:
            for number in range(KILLS):
                apply_again(small, churn(1 + 3 * (number % 2)))
                addresses(small, seen)
                versions.append(small.api.list_at("Service")[1])
                pid = kill_and_wait(small, pid)
        finally:
            for writer in writers:
                writer.ended.set()
            for writer in writers:
                writer.thread.join(30)
        load.more(3)
    assert [writer.problem for writer in writers] == [None] * 3
    assert versions == sorted(versions), "no version is given out again"
    ok(load.calls)
    check_services(small, writers, at_least=KILLS)
    small.wait_ready()
    addresses(small, seen)
    assert all(len(ips) == 1 for ips in seen.values())
    living = [p.status.pod_ip for p in pods(small, "")]
    assert len(set(living)) == len(living)
    with small.client("pod/client") as client:
        found = {c.pod for c in ok(client.run("service/web", emu.Plan(count=6)))}
    assert found == {p.metadata.name for p in pods(small)}
    small.delete("deployment/churn")
    small.delete("namespace", NAMESPACE)


def apply_again(cluster: emu.Cluster, manifest: dict[str, Any]) -> None:
    """Apply, however often the control plane is away meanwhile."""

    def applied() -> bool:
        try:
            return bool(cluster.apply(manifest))
        except Unreachable:
            return False

    until(applied, "it is applied")


def check_services(cluster: emu.Cluster, writers: list[Writer], *, at_least: int) -> None:
    found = {
        s.metadata.name: s for s in cluster.get("services", namespace="*") if isinstance(s, Service)
    }
    acknowledged = {name: s for writer in writers for name, s in writer.acknowledged.items()}
    assert len(acknowledged) > at_least
    for name, service in acknowledged.items():
        assert name in found, f"{name} was acknowledged and is lost"
        assert found[name].metadata.uid == service.metadata.uid
        assert found[name].spec == service.spec
    ips = Counter(
        s.spec.cluster_ip for s in found.values() if s.spec.cluster_ip not in ("", "None")
    )
    ports = Counter(p.node_port for s in found.values() for p in s.spec.ports if p.node_port)
    assert [ip for ip, count in ips.items() if count > 1] == []
    assert [port for port, count in ports.items() if count > 1] == []
    extra = set(found) - set(acknowledged) - {u for w in writers for u in w.unsure}
    assert not [name for name in extra if found[name].metadata.namespace == NAMESPACE]
