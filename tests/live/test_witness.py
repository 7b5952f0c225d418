"""Somebody other than its target sees a fault in force, in a running cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import emucluster as emu
from emucluster.client.fault_request import FaultRequest
from tests.live.watching import pod_on, until

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture
def cluster(web: emu.Cluster) -> Iterator[emu.Cluster]:
    """The shared cluster, scaled back afterwards."""
    yield web
    web.scale("deployment/web", 3)


def seen(
    cluster: emu.Cluster, kind: str, target: str, params: Mapping[str, Any], peers: tuple[str, ...]
) -> Any:
    """Who saw the fault; it is over when this returns."""
    fault = cluster.lab.inject(FaultRequest(kind, target, 60, params, peers))
    try:
        return cluster.lab.witness(fault.id, timeout_s=10)
    finally:
        cluster.lab.clear_faults(fault.id)


@pytest.mark.parametrize(
    ("kind", "target", "params", "peers", "by"),
    [
        ("freeze", "node/node-2", {}, (), "node/node-1"),
        ("latency", "node/node-2", {"delay": 0.1}, ("node/node-3",), "node/node-3"),
        ("half-open", "lb/web-lb", {}, ("outside",), "outside"),
        ("gray", "pod", {}, (), "node/node-1"),
        ("error", "dns/node-2", {}, (), "node/node-1"),
        ("slow", "control-plane", {}, (), "keeper"),
        ("freeze", "control-plane", {}, (), "keeper"),
        ("partition", "node/node-2", {}, ("control-plane",), "control-plane"),
    ],
)
def test_a_fault_is_seen_by_somebody_else(
    web: emu.Cluster,
    kind: str,
    target: str,
    params: dict[str, Any],
    peers: tuple[str, ...],
    by: str,
) -> None:
    if target == "pod":
        target = f"pod/{pod_on(web, 'node-2').metadata.name}"
    witnessed = seen(web, kind, target, params, peers)
    assert witnessed is not None
    assert witnessed.by == by
    assert witnessed.what


def test_a_zombie_is_seen_once_its_pod_is_deleted(cluster: emu.Cluster) -> None:
    name = pod_on(cluster, "node-2").metadata.name
    fault = cluster.lab.inject(FaultRequest("zombie", f"pod/{name}", 60))
    witnessed = until(lambda: cluster.lab.witness(fault.id), "the zombie is seen")
    assert "deleted" in witnessed.what
    cluster.lab.clear_faults(fault.id)


@pytest.mark.parametrize("target", ["kube-proxy/node-2", "dns/node-2"])
def test_who_takes_no_updates_is_seen_by_what_it_does_not_know_and_its_end_too(
    cluster: emu.Cluster, target: str
) -> None:
    fault = cluster.lab.inject(FaultRequest("stale", target, 60))
    witnessed = until(lambda: cluster.lab.witness(fault.id), "it is seen to be stale")
    assert witnessed.by == "keeper"
    assert "knows nothing of a new Service" in witnessed.what
    assert cluster.lab.is_over(fault.id).end == "there"
    cluster.lab.clear_faults(fault.id)
    until(lambda: cluster.lab.is_over(fault.id).end == "gone", "it is seen to be over")
    left = [s.metadata.name for s in cluster.get("Service", namespace="kube-system")]
    assert not any(name.startswith("emucluster-witness") for name in left)


def test_a_pod_at_the_other_end_of_a_link_bears_witness(cluster: emu.Cluster) -> None:
    fault = cluster.inject("partition", "node/node-2", 60, peers=("pod/client",))
    client = cluster.get("pod", "client")
    assert client.spec.node_name != "node-2", "its own node is no other end"  # type: ignore[attr-defined]
    witnessed = until(lambda: cluster.lab.witness(fault.id), "the partition is seen")
    assert witnessed.by == "pod/client"
    cluster.lab.clear_faults(fault.id)
    until(lambda: cluster.lab.is_over(fault.id).end == "gone", "it is seen to be over")
