"""What a node tells of its pods, its kube-proxy and its DNS as the cluster changes around it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from emucluster.core.dns.records import DnsView
from emucluster.core.faults import FaultLease
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.objects import (
    Container,
    EndpointSlice,
    Object,
    ObjectMeta,
    ObjectReference,
    Pod,
    PodSpec,
    Service,
    replace,
)
from emucluster.live.node.observing import NodeObserver
from emucluster.live.node.power import PowerState
from emucluster.live.pods.in_process import InProcessPods
from tests.core.kubeproxy.objects import endpoint, service, slice_of

pytestmark = pytest.mark.live


class Runtime(InProcessPods):
    """Pods that run because the test says so."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.started: set[str] = set()

    def serving_containers(self, pod_uid: str) -> frozenset[str]:
        return frozenset(["main"]) if pod_uid in self.started else frozenset()

    def has_containers(self, pod_uid: str) -> bool:
        return pod_uid in self.started


class Node:
    """The parts of node-1 that its observer watches."""

    def __init__(self, directory: Path) -> None:
        self.runtime = Runtime(directory)
        self.table = RouteTable()
        self.dns = DnsView()
        self.power: PowerState = "running"
        self.known: dict[tuple[str, str], Object] = {}
        self.observer = NodeObserver(
            node="node-1",
            zone="zone-a",
            runtime=self.runtime,
            proxy=NodeProxy("node-1", self.table, rng=random.Random(1)),
            dns=lambda: self.dns,
            power=lambda: self.power,
        )

    def take(self, *objects: Object, type_: Any = "MODIFIED") -> None:
        for obj in objects:
            key = (obj.kind, obj.metadata.name)
            self.observer.before(obj)
            self.table.handle(type_, obj)
            self.dns.handle(type_, obj)
            self.observer.after(type_, obj, self.known.get(key))
            self.known[key] = obj

    def start(self, uid: str) -> None:
        self.runtime.started.add(uid)
        self.runtime.on_life(uid)

    def end(self, uid: str) -> None:
        self.runtime.started.discard(uid)
        self.runtime.on_life(uid)

    def truth(self, subject: str) -> Any:
        return self.observer.board.present((True, "", "", subject, ""))

    def state(self, subject: str) -> tuple[str, str]:
        truth = self.truth(subject)
        return ("gone", "") if truth is None else (truth.state, truth.word)

    def members(self, observer: str) -> set[str]:
        """Pods that are in `default/web` for an observer of this node."""
        present = self.observer.board._present.values()
        return {
            each.subject
            for each in present
            if (each.observer, each.where, each.service, each.state)
            == (observer, "node-1", "default/web", "in")
        }


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def pod(name: str, uid: str = "", **labels: str) -> Pod:
    return Pod(
        metadata=ObjectMeta(
            name=name, namespace="default", uid=uid or f"uid-{name}", labels=labels or None
        ),
        spec=PodSpec(node_name="node-1", containers=(Container(name="main"),)),
    )


def slice_with(*pods: tuple[str, str]) -> EndpointSlice:
    """A slice with pods by name and address."""
    return slice_of(
        *(
            replace(endpoint(ip), target_ref=ObjectReference(kind="Pod", name=name))
            for name, ip in pods
        )
    )


def headless() -> Service:
    return service(cluster_ip="None", type="ClusterIP")


def test_a_pod_is_up_while_its_container_runs_and_gone_when_neither_api_nor_runtime_has_it(
    node: Node,
) -> None:
    node.take(service(selector={"app": "web"}), pod("web", app="web"))
    assert node.state("pod/default/web") == ("down", "not running")
    node.start("uid-web")
    truth = node.truth("pod/default/web")
    assert (truth.state, truth.node, truth.zone) == ("up", "node-1", "zone-a")
    assert list(truth.services) == ["default/web"]
    node.take(pod("web", app="web"), type_="DELETED")
    assert node.state("pod/default/web") == ("degraded", "deleted, and still running")
    node.end("uid-web")
    assert node.state("pod/default/web") == ("gone", "")


def test_a_pod_of_the_same_name_is_told_of_and_not_the_one_before(node: Node) -> None:
    node.take(pod("web", "old"))
    node.start("old")
    node.take(pod("web", "old"), type_="DELETED")
    node.take(pod("web", "new"))
    node.start("new")
    node.end("old")
    assert node.state("pod/default/web") == ("up", "running")


def test_a_selector_that_changes_changes_the_services_of_pods(node: Node) -> None:
    node.take(pod("web", app="web"), service(selector={"app": "web"}))
    node.take(service(selector={"app": "nobody"}))
    assert list(node.truth("pod/default/web").services) == []


def test_faults_and_power_are_so_of_the_node_and_of_its_pods(node: Node) -> None:
    node.take(pod("web"), pod("other"))
    for name in ("web", "other"):
        node.start(f"uid-{name}")
    node.observer.take_faults([FaultLease("gray-1", "gray", "pod/web", 0.0, None)])
    assert node.state("pod/default/web") == ("degraded", "gray")
    assert node.state("pod/default/other") == ("up", "running")
    node.power = "silent"
    node.observer.take_power()
    assert node.state("node/node-1") == ("down", "power-off")
    assert node.state("pod/default/other") == ("down", "node power-off")
    node.power = "running"
    node.observer.take_faults([])
    assert node.state("pod/default/web") == ("up", "running")


def test_the_proxy_believes_in_pods_that_it_would_choose(node: Node) -> None:
    node.take(service(), slice_with(("a", "127.32.1.2"), ("b", "127.32.1.3")))
    assert node.members("proxy") == {"pod/default/a", "pod/default/b"}
    node.take(slice_with(("a", "127.32.1.2")))
    assert node.members("proxy") == {"pod/default/a"}


def test_dns_believes_in_pods_of_headless_services_only(node: Node) -> None:
    node.take(service(), slice_with(("a", "127.32.1.2")))
    assert node.members("dns") == set()
    node.take(headless())
    assert (node.members("dns"), node.members("proxy")) == ({"pod/default/a"}, set())
    node.take(slice_with(("b", "127.32.1.3")))
    assert node.members("dns") == {"pod/default/b"}
    node.take(headless(), type_="DELETED")
    assert node.members("dns") == set()


def test_an_address_that_passes_to_another_pod_is_believed_to_be_that_pod(node: Node) -> None:
    node.take(service(), slice_with(("a", "127.32.1.2")))
    node.take(slice_with(("b", "127.32.1.2")))
    assert node.members("proxy") == {"pod/default/b"}


def test_beliefs_are_those_of_the_view_that_answers_even_if_a_fault_put_it_in_place(
    node: Node,
) -> None:
    node.take(headless(), slice_with(("a", "127.32.1.2")))
    live, stale = node.dns, DnsView()
    for obj in node.known.values():
        stale.handle("ADDED", obj)
    node.dns = stale
    fresh = slice_with(("b", "127.32.1.3"))
    node.observer.before(fresh)
    live.handle("MODIFIED", fresh)
    node.observer.after("MODIFIED", fresh, node.known["EndpointSlice", fresh.metadata.name])
    assert node.members("dns") == {"pod/default/a"}
    node.dns = live
    node.observer.take_faults([])
    assert node.members("dns") == {"pod/default/b"}
