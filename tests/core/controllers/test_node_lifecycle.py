"""Silent nodes, zones in trouble, taints and evictions."""

from __future__ import annotations

import pytest

from emucluster.core.controllers.node_health import ready_status
from emucluster.core.controllers.node_lifecycle import RECONNECT_S
from emucluster.core.controllers.zones import (
    EvictionSettings,
    ZoneState,
    zone_rate_per_s,
    zone_state,
)
from emucluster.core.objects import Node, Pod, Taint, replace

from .world import World, pod, ready

UNREACHABLE = "node.kubernetes.io/unreachable"
SETTINGS = EvictionSettings()


def keys(world: World, name: str) -> set[tuple[str, str]]:
    return {(t.key, t.effect) for t in world.get(Node, name).spec.taints}


def no_execute(world: World) -> set[str]:
    return {
        n.metadata.name
        for n in world.nodes()
        if any(t.effect == "NoExecute" for t in n.spec.taints)
    }


def taint(world: World, name: str, *taints: Taint) -> None:
    node = world.get(Node, name)
    world.update(replace(node, spec=replace(node.spec, taints=taints)))


def zones_of(count: int, *, each: int) -> World:
    world = World()
    for zone in range(count):
        for i in range(each):
            world.add_node(f"z{zone}-{i}", zone=f"z{zone}")
    world.run(30)
    return world


def test_a_new_node_and_one_that_falls_silent_are_told() -> None:
    world = zones_of(1, each=2)
    assert world.told("RegisteredNode") == [
        f"Node {name} event: Registered Node {name} in Controller" for name in ("z0-0", "z0-1")
    ]
    world.run(60)
    world.plane = world.new_plane()
    world.silent.add("z0-1")
    world.run(120)
    assert len(world.told("RegisteredNode")) == 2
    assert world.told("NodeNotReady") == ["Node z0-1 status is now: NodeNotReady"]


@pytest.mark.parametrize(
    ("ready_nodes", "silent", "state", "rate"),
    [
        (3, 0, ZoneState.NORMAL, 0.1),
        (1, 2, ZoneState.NORMAL, 0.1),
        (2, 3, ZoneState.PARTIAL, 0.0),
        (3, 3, ZoneState.NORMAL, 0.1),
        (20, 40, ZoneState.PARTIAL, 0.01),
        (0, 1, ZoneState.FULL, 0.1),
    ],
)
def test_a_zone_is_judged_by_its_share_of_silent_nodes(
    ready_nodes: int, silent: int, state: ZoneState, rate: float
) -> None:
    found = zone_state([True] * ready_nodes + [False] * silent, SETTINGS)
    assert found is state
    assert zone_rate_per_s(found, ready_nodes + silent, SETTINGS) == rate


def test_nodes_of_a_healthy_zone_are_tainted_one_in_ten_seconds() -> None:
    world = zones_of(1, each=6)
    world.silent |= {"z0-0", "z0-1", "z0-2"}
    world.run(59)
    assert len(no_execute(world)) == 1
    world.run(10)
    assert len(no_execute(world)) == 2
    world.run(10)
    assert no_execute(world) == world.silent


def test_a_small_zone_that_is_mostly_silent_is_not_emptied_but_its_pods_are_not_ready() -> None:
    world = zones_of(1, each=5)
    world.deploy(replicas=5)
    world.run(1)
    world.silent |= {"z0-0", "z0-1", "z0-2"}
    world.run(600)
    assert no_execute(world) == set()
    lost = [p for p in world.pods() if p.spec.node_name in world.silent]
    assert len(lost) == 3
    assert not any(ready(p) for p in lost)


def test_a_zone_that_is_down_as_a_whole_is_emptied_while_another_lives() -> None:
    world = zones_of(2, each=2)
    world.silent |= {"z0-0", "z0-1"}
    world.run(75)
    assert no_execute(world) == {"z0-0", "z0-1"}


def test_when_every_zone_goes_down_nobody_is_evicted_and_taints_are_taken_back() -> None:
    world = zones_of(2, each=1)
    world.deploy(replicas=2)
    world.run(1)
    world.silent.add("z0-0")
    world.run(70)
    assert no_execute(world) == {"z0-0"}
    world.silent.add("z1-0")
    world.run(70)
    assert no_execute(world) == set()
    assert world.told("TaintManagerEviction")[-1].startswith("Cancelling deletion of Pod")
    world.run(600)
    assert len(world.pods()) == 2
    world.come_back("z1-0")
    world.run(6)
    assert no_execute(world) == {"z0-0"}


def test_a_clock_that_is_wrong_does_not_make_a_node_silent() -> None:
    world = World()
    world.add_node("node-1")
    world.run(5)
    world.store.get(Node, "", "node-1")
    start = world.now_s
    while world.now_s < start + 300:
        real = world.now_s
        world.now_s -= 86_400
        world.renew_leases()
        world.now_s = real
        world.silent.add("node-1")
        world.run(10)
        world.silent.discard("node-1")
    assert keys(world, "node-1") == set()


def test_a_node_that_never_reports_is_unknown_after_the_startup_grace() -> None:
    world = World()
    node = world.add_node("node-1")
    world.delete(node)
    world.create(Node(metadata=replace(node.metadata, uid="", resource_version="")))
    world.silent.add("node-1")
    world.run(58)
    assert world.get(Node, "node-1").status.conditions == ()
    world.run(10)
    (found,) = (c for c in world.get(Node, "node-1").status.conditions if c.type == "Ready")
    assert (found.status, found.reason) == ("Unknown", "NodeStatusNeverUpdated")


def test_a_cordon_is_mirrored_by_a_taint_and_foreign_taints_stay() -> None:
    world = World()
    world.add_node("node-1")
    mine = Taint(key="mine", effect="NoSchedule")
    taint(world, "node-1", mine)
    node = world.get(Node, "node-1")
    world.update(replace(node, spec=replace(node.spec, unschedulable=True)))
    world.step()
    cordon = ("node.kubernetes.io/unschedulable", "NoSchedule")
    assert keys(world, "node-1") == {("mine", "NoSchedule"), cordon}
    node = world.get(Node, "node-1")
    world.update(replace(node, spec=replace(node.spec, unschedulable=False)))
    world.step()
    assert keys(world, "node-1") == {("mine", "NoSchedule")}


def test_a_pod_without_toleration_is_evicted_at_once_and_the_others_in_their_own_time() -> None:
    world = World()
    world.add_node("node-1")
    world.add_node("node-2")
    for name, seconds in (("short", 5), ("long", 50), ("forever", None)):
        toleration = {"key": "evil", "operator": "Exists", "effect": "NoExecute"}
        if seconds is not None:
            toleration["tolerationSeconds"] = seconds  # type: ignore[assignment]
        world.create(pod(name, nodeName="node-1", tolerations=[toleration]))
    world.create(pod("none", nodeName="node-1"))
    world.step()
    taint(world, "node-1", Taint(key="evil", effect="NoExecute"))
    left = []
    for seconds in (1, 6, 50):
        world.run(seconds)
        left.append({p.metadata.name for p in world.pods()})
    assert left == [{"short", "long", "forever"}, {"long", "forever"}, {"forever"}]


def test_a_taint_that_is_removed_in_time_cancels_the_eviction() -> None:
    world = World()
    world.add_node("node-1")
    toleration = {"key": "evil", "operator": "Exists", "effect": "NoExecute"}
    toleration["tolerationSeconds"] = 20  # type: ignore[assignment]
    world.create(pod("p", nodeName="node-1", tolerations=[toleration]))
    taint(world, "node-1", Taint(key="evil", effect="NoExecute"))
    world.run(15)
    taint(world, "node-1")
    world.run(15)
    assert [p.metadata.name for p in world.pods()] == ["p"]
    taint(world, "node-1", Taint(key="evil", effect="NoExecute"))
    world.run(15)
    assert [p.metadata.name for p in world.pods()] == ["p"]
    world.run(6)
    assert world.pods() == []


def test_a_stuck_pod_goes_when_its_node_object_is_deleted() -> None:
    world = World()
    for i in (1, 2):
        world.add_node(f"node-{i}", zone=f"z{i}")
    world.create(pod("p", nodeName="node-1"))
    world.run(10)
    world.silent.add("node-1")
    world.run(400)
    assert world.get(Pod, "p").metadata.deletion_timestamp is not None
    world.delete(world.get(Node, "node-1"))
    world.run(70)
    assert world.store.get(Pod, "default", "p") is None


def test_a_stuck_pod_goes_when_its_node_is_marked_out_of_service() -> None:
    world = World()
    for i in (1, 2):
        world.add_node(f"node-{i}", zone=f"z{i}")
    world.create(pod("p", nodeName="node-1"))
    world.run(10)
    world.silent.add("node-1")
    world.run(400)
    taints = world.get(Node, "node-1").spec.taints
    taint(
        world, "node-1", *taints, Taint(key="node.kubernetes.io/out-of-service", effect="NoExecute")
    )
    world.run(30)
    assert world.store.get(Pod, "default", "p") is None


def test_a_control_plane_that_was_stopped_does_not_take_its_own_absence_for_silence() -> None:
    world = World()
    world.add_node("node-1")
    world.run(30)
    world.now_s += 120
    world.step()
    assert keys(world, "node-1") == set()
    world.silent.add("node-1")
    world.run(70)
    assert (UNREACHABLE, "NoSchedule") in keys(world, "node-1")


def silent_from_a_restart(seconds: float) -> World:
    """At a speed at which the grace period is 1 s, the control plane restarts and nobody calls."""
    world = World(speed=50)
    world.add_node("node-1")
    world.renew_leases()
    world.run(0.5)
    world.plane = world.new_plane()
    world.run(seconds)
    return world


def status_of(world: World, name: str) -> str:
    return ready_status(world.get(Node, name))


def test_a_restarted_control_plane_gives_nodes_the_time_that_reconnecting_takes() -> None:
    assert status_of(silent_from_a_restart(RECONNECT_S - 0.5), "node-1") == "True"


def test_a_node_that_does_not_reconnect_is_given_up_nevertheless() -> None:
    assert status_of(silent_from_a_restart(RECONNECT_S + 0.5), "node-1") == "Unknown"


def test_a_node_that_reconnected_has_its_grace_period_and_no_more() -> None:
    world = silent_from_a_restart(1.5)
    world.renew_leases()
    world.run(0.5)
    assert status_of(world, "node-1") == "True"
    world.run(1.0)
    assert status_of(world, "node-1") == "Unknown"
