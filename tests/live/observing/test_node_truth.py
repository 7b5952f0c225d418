"""What is so of a node and its pods, from its power, its faults and its runtime."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.core.faults import FaultLease
from emucluster.live.node.power import PowerState
from emucluster.live.node.truth import FaultsHere, PodLife, node_truth, pod_truth

pytestmark = pytest.mark.live


def lease(kind: str, target: str) -> FaultLease:
    return FaultLease(f"{kind}-1", kind, target, 0.0, None)


def life(**changes: Any) -> PodLife:
    usual: dict[str, Any] = {
        "wanted": ["main"],
        "serving": {"main"},
        "any": True,
        "frozen": False,
        "deleted": False,
    }
    return PodLife(**{**usual, **changes})


@pytest.mark.parametrize(
    ("power", "kinds", "expected"),
    [
        ("running", [], ("up", "running")),
        ("silent", ["power-off"], ("down", "power-off")),
        ("silent", [], ("down", "power-off")),
        ("crashed", ["flap"], ("down", "flap")),
        ("running", ["flap"], ("up", "running")),
        ("frozen", ["freeze", "slow"], ("degraded", "freeze")),
        ("running", ["latency", "partition"], ("degraded", "partition")),
    ],
)
def test_a_node_is_as_its_power_and_its_links_are(
    power: PowerState, kinds: list[str], expected: tuple[str, str]
) -> None:
    faults = FaultsHere.of(lease(kind, "node/node-1") for kind in kinds)
    assert node_truth(power, faults) == expected


def test_a_broken_kube_proxy_degrades_its_node_and_not_the_pods_there() -> None:
    faults = FaultsHere.of([lease("stale", "kube-proxy/node-1")])
    assert node_truth("running", faults) == ("degraded", "kube-proxy stale")
    assert pod_truth("running", faults, (), life()) == ("up", "running")


@pytest.mark.parametrize(
    ("changes", "own", "expected"),
    [
        ({}, [], ("up", "running")),
        ({}, ["gray"], ("degraded", "gray")),
        ({}, ["readiness-flap"], ("up", "readiness-flap")),
        ({"frozen": True}, ["freeze"], ("degraded", "freeze")),
        ({"serving": set()}, [], ("down", "starting")),
        ({"serving": set(), "any": False}, ["gray"], ("down", "not running")),
        ({"wanted": ["main", "side"]}, [], ("degraded", "container side does not serve")),
        ({"deleted": True}, [], ("degraded", "deleted, and still running")),
        ({"deleted": True}, ["zombie"], ("degraded", "zombie")),
    ],
)
def test_a_pod_is_as_its_containers_and_its_faults_are(
    changes: dict[str, Any], own: list[str], expected: tuple[str, str]
) -> None:
    faults = FaultsHere.of(lease(kind, "pod/web") for kind in own)
    assert pod_truth(
        "running", faults, faults.pods.get(("default", "web"), ()), life(**changes)
    ) == (expected)


def test_a_pod_does_no_better_than_its_node() -> None:
    none = FaultsHere()
    assert pod_truth("silent", none, (), life()) == ("down", "node power-off")
    assert pod_truth("frozen", none, (), life(frozen=True)) == ("degraded", "node freeze")
    slow = FaultsHere.of([lease("slow", "node/node-1")])
    assert pod_truth("running", slow, (), life()) == ("degraded", "node slow")
