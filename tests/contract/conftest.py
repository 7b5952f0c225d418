"""The runtimes that the contract is held against, each with three nodes and WEB in service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

import emucluster as emu
from emucluster.runtime import ClusterRuntime
from emucluster.sim.runtime import SimRuntime
from tests.contract.live_runtime import LiveRuntime
from tests.contract.observe import NODES, WEB, healthy, pods, ready_pods, wait_for_web

SPEED = 25.0
"""So that the five minutes until an eviction are twelve seconds of the live cluster."""


@pytest.fixture(
    scope="module",
    params=[
        "sim",
        pytest.param("live", marks=[pytest.mark.live, pytest.mark.slow, pytest.mark.rare]),
    ],
)
def shared(request: pytest.FixtureRequest) -> Iterator[ClusterRuntime]:
    """One cluster for all scenarios of a module."""
    if request.param == "sim":
        simulated = SimRuntime(nodes=3, zones=2, speed=SPEED)
        simulated.apply(WEB)
        yield simulated
        return
    with emu.Cluster(nodes=3, zones=2, packing="node", speed=SPEED) as cluster:
        live = LiveRuntime(cluster, speed=SPEED)
        live.apply(WEB)
        yield live
        live.clear_all()
        live.close()


@pytest.fixture
def runtime(shared: ClusterRuntime) -> Iterator[ClusterRuntime]:
    """The cluster, whole: three pods ready and known to every node, every target healthy."""
    whole(shared)
    yield shared
    if isinstance(shared, LiveRuntime):
        shared.clear_all()


def whole(runtime: ClusterRuntime) -> None:
    """After a scenario: everything in service, one pod on each node again."""
    _wait_for_everything(runtime)
    for _ in NODES:
        by_node = Counter(pod.spec.node_name for pod in pods(runtime))
        node, most = by_node.most_common(1)[0]
        if most == 1:
            break
        surplus = next(pod for pod in pods(runtime) if pod.spec.node_name == node)
        runtime.delete("pod", surplus.metadata.name, grace_period_s=1)
        _wait_for_everything(runtime)
    wait_for_web(runtime)


def _wait_for_everything(runtime: ClusterRuntime) -> None:
    runtime.wait_until(
        lambda: ready_pods(runtime) == 3 and healthy(runtime) == set(NODES),
        timeout_s=60.0,
        what="the cluster is whole",
    )
