"""A node loses power for an hour: what the control plane believes, and when."""

from __future__ import annotations

import pytest

from emucluster.core.objects import Node

from .world import World, ready


def unreachable(node: Node, effect: str) -> bool:
    key = "node.kubernetes.io/unreachable"
    return any((taint.key, taint.effect) == (key, effect) for taint in node.spec.taints)


def condition(node: Node) -> tuple[str, str | None, str | None]:
    (found,) = (c for c in node.status.conditions if c.type == "Ready")
    return found.status, found.reason, found.message


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_an_hour_of_silence_runs_through_unknown_eviction_replacement_and_return(
    speed: float,
) -> None:
    world = World(speed=speed)
    for i in (1, 2, 3, 4):
        world.add_node(f"node-{i}", zone=f"zone-{i % 2}")
    world.deploy(replicas=4)
    world.expose()
    # Under speed the nodes' own renewals come faster; here every 10 s is within the grace at 1.
    tick = 1 / speed
    pass_time(world, 60, speed)
    assert {pod.spec.node_name for pod in world.pods()} == {f"node-{i}" for i in (1, 2, 3, 4)}
    (lost,) = (pod for pod in world.pods() if pod.spec.node_name == "node-2")

    world.silent.add("node-2")
    silence_s = world.now_s
    while condition(world.get(Node, "node-2"))[0] != "Unknown":
        assert (world.now_s - silence_s) * speed < 60
        pass_time(world, tick * speed, speed)
    noticed_s = (world.now_s - silence_s) * speed
    assert 50 <= noticed_s <= 56

    node = world.get(Node, "node-2")
    told = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    assert condition(node) == told
    assert unreachable(node, "NoSchedule")
    assert unreachable(node, "NoExecute")
    assert not ready(world.get(type(lost), lost.metadata.name))
    endpoints = [e for s in world.slices("web") for e in s.endpoints]
    assert {e.node_name: e.conditions.ready for e in endpoints} == {
        "node-1": True,
        "node-2": False,
        "node-3": True,
        "node-4": True,
    }
    assert len(world.pods()) == 4

    pass_time(world, 290, speed)
    assert len(world.pods()) == 4
    pass_time(world, 15, speed)
    stuck = world.get(type(lost), lost.metadata.name)
    assert stuck.metadata.deletion_timestamp is not None
    assert [c.reason for c in stuck.status.conditions if c.type == "DisruptionTarget"] == [
        "DeletionByTaintManager"
    ]
    assert len(world.pods()) == 4
    assert all(ready(pod) and pod.spec.node_name != "node-2" for pod in world.pods())

    pass_time(world, 3600 - 400, speed)
    assert world.store.get(type(lost), "default", lost.metadata.name) is not None

    world.come_back("node-2")
    pass_time(world, 1, speed)
    assert world.store.get(type(lost), "default", lost.metadata.name) is None
    node = world.get(Node, "node-2")
    assert condition(node)[0] == "True"
    assert node.spec.taints == ()
    assert len(world.pods()) == 4
    for reason in ("NodeNotReady", "TaintManagerEviction"):
        assert world.told(reason)


def pass_time(world: World, seconds: float, speed: float) -> None:
    """`seconds` of the emulated world; leases are renewed every 10 of them."""
    end_s = world.now_s + seconds / speed
    while world.now_s < end_s - 1e-9:
        step_s = min(10 / speed, end_s - world.now_s)
        next_s = world.now_s + step_s
        wake_s = world.plane.next_wake_s()
        while wake_s is not None and wake_s < next_s:
            world.now_s = max(world.now_s, wake_s)
            world.step()
            wake_s = world.plane.next_wake_s()
        world.now_s = next_s
        if step_s >= 10 / speed - 1e-9 or seconds < 10:
            world.renew_leases()
        world.step()
