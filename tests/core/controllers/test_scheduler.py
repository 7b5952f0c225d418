"""Which node a pod gets, and what it is told when there is none."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.controllers.placement import ClassNodes, OwnerSpread
from emucluster.core.controllers.scheduler import Scheduler
from emucluster.core.objects import Node, Pod, Taint, replace
from emucluster.core.objects.quantity import milli

from .world import World, pod

NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"

GPU = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}


def node_of(world: World, name: str) -> str | None:
    return world.get(Pod, name).spec.node_name


def scheduled(world: World, name: str) -> tuple[str, str | None, str | None]:
    conditions = world.get(Pod, name).status.conditions
    (found,) = (each for each in conditions if each.type == "PodScheduled")
    return found.status, found.reason, found.message


def refused(nodes: int, reason: str, preemption: str = NOT_HELPFUL) -> str:
    """What a pod is told that every node refuses for the same reason."""
    one, two = (f"0/{nodes} nodes are available: {nodes} {why}." for why in (reason, preemption))
    return f"{one} preemption: {two}"


def change_node(world: World, name: str, **spec: object) -> None:
    node = world.get(Node, name)
    world.update(replace(node, spec=replace(node.spec, **spec)))


def test_pods_of_one_owner_are_spread_over_zones_first_and_then_over_nodes() -> None:
    world = World()
    for name, zone in (("a-1", "a"), ("a-2", "a"), ("a-3", "a"), ("b-1", "b")):
        world.add_node(name, zone=zone)
    world.deploy(replicas=8)
    world.step()
    nodes = Counter(each.spec.node_name for each in world.pods())
    assert nodes["b-1"] == 4
    assert sorted(nodes[f"a-{i}"] for i in (1, 2, 3)) == [1, 1, 2]


def test_a_node_to_spare_comes_before_a_second_pod_on_a_less_busy_one() -> None:
    world = World()
    for name, zone in (("a-1", "a"), ("a-2", "a"), ("b-1", "b")):
        world.add_node(name, zone=zone)
    for number, node in enumerate(("a-1", "a-2", "a-2")):
        other = pod(f"other-{number}")
        world.create(replace(other, spec=replace(other.spec, node_name=node)))
    world.deploy(replicas=3)
    world.step()
    owned = [each for each in world.pods() if each.metadata.owner_references]
    assert sorted(each.spec.node_name or "" for each in owned) == ["a-1", "a-2", "b-1"]


def test_pods_of_several_owners_fill_the_emptiest_node() -> None:
    world = World()
    for i in (1, 2, 3):
        world.add_node(f"node-{i}")
    for name in ("a", "b", "c"):
        world.deploy(name, replicas=1)
        world.step()
    assert len({each.spec.node_name for each in world.pods()}) == 3


def test_a_cordoned_node_gets_no_pods_until_it_is_uncordoned() -> None:
    world = World()
    world.add_node("node-1")
    change_node(world, "node-1", unschedulable=True)
    world.create(pod("p"))
    world.step()
    assert node_of(world, "p") is None
    message = refused(1, "node(s) were unschedulable")
    assert scheduled(world, "p") == ("False", "Unschedulable", message)
    assert world.told("FailedScheduling") == [message]
    change_node(world, "node-1", unschedulable=False)
    world.step()
    assert node_of(world, "p") == "node-1"
    assert scheduled(world, "p")[0] == "True"


def test_only_tolerating_pods_go_to_a_tainted_node() -> None:
    world = World()
    world.add_node("node-1")
    change_node(world, "node-1", taints=(Taint(key="gpu", value="yes", effect="NoSchedule"),))
    world.create(pod("plain"))
    world.create(pod("special", tolerations=[GPU]))
    world.step()
    assert node_of(world, "special") == "node-1"
    refusal = refused(1, "node(s) had untolerated taint {gpu: yes}")
    assert scheduled(world, "plain")[2] == refusal


def test_a_node_that_prefers_no_pods_is_taken_last() -> None:
    world = World()
    world.add_node("shunned")
    world.add_node("liked", pods=1)
    change_node(world, "shunned", taints=(Taint(key="x", effect="PreferNoSchedule"),))
    world.create(pod("first"))
    world.create(pod("second"))
    world.step()
    assert (node_of(world, "first"), node_of(world, "second")) == ("liked", "shunned")


def test_node_selector_and_required_affinity_choose_among_nodes() -> None:
    world = World()
    world.add_node("slow", disk="hdd")
    world.add_node("fast", disk="ssd")
    world.create(pod("selected", nodeSelector={"disk": "ssd"}))
    not_hdd = {"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["hdd"]}]}
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [not_hdd]}}
    world.create(pod("affine", affinity={"nodeAffinity": terms}))
    world.create(pod("nowhere", nodeSelector={"disk": "tape"}))
    world.step()
    assert (node_of(world, "selected"), node_of(world, "affine")) == ("fast", "fast")
    refusal = refused(2, "node(s) didn't match Pod's node affinity/selector")
    assert scheduled(world, "nowhere")[2] == refusal


def test_a_full_node_takes_the_next_pod_when_one_leaves() -> None:
    world = World()
    world.add_node("node-1", pods=1)
    world.create(pod("first"))
    world.step()
    world.create(pod("second"))
    world.step()
    assert scheduled(world, "second")[2] == refused(1, "Too many pods", NO_VICTIMS)
    world.delete(world.get(Pod, "first"))
    world.step()
    assert node_of(world, "second") == "node-1"


def test_two_pods_with_the_same_host_port_never_share_a_node() -> None:
    world = World()
    world.add_node("node-1")
    ports = [{"containerPort": 80, "hostPort": 8080}]
    container = {"name": "c", "image": "emucluster/echo", "ports": ports}
    for name in ("first", "second"):
        world.create(pod(name, containers=[container]))
        world.step()
    wording = "node(s) didn't have free ports for the requested pod ports"
    assert scheduled(world, "second")[2] == refused(1, wording, NO_VICTIMS)


def test_requests_count_where_the_node_declares_the_resource() -> None:
    world = World()
    node = world.add_node("node-1")
    allocatable = {"pods": "110", "cpu": "1"}
    world.update_status(replace(node, status=replace(node.status, allocatable=allocatable)))
    requests = {"requests": {"cpu": "600m", "memory": "1Ti"}}
    container = {"name": "c", "image": "emucluster/echo", "resources": requests}
    for name in ("first", "second"):
        world.create(pod(name, containers=[container]))
        world.step()
    assert node_of(world, "first") == "node-1"
    assert scheduled(world, "second")[2] == refused(1, "Insufficient cpu", NO_VICTIMS)


def test_a_cluster_without_nodes_says_so_and_schedules_when_one_comes() -> None:
    world = World()
    world.create(pod("p"))
    world.step()
    assert scheduled(world, "p")[2] == "no nodes available to schedule pods"
    world.add_node("node-1")
    world.step()
    assert node_of(world, "p") == "node-1"


def test_a_gated_pod_waits_for_its_gates() -> None:
    world = World()
    world.add_node("node-1")
    world.create(pod("p", schedulingGates=[{"name": "later"}]))
    world.step()
    assert scheduled(world, "p")[1] == "SchedulingGated"
    assert node_of(world, "p") is None


def test_pods_of_another_scheduler_are_left_alone() -> None:
    world = World()
    world.add_node("node-1")
    world.create(pod("p", schedulerName="mine"))
    world.step()
    assert node_of(world, "p") is None
    assert world.get(Pod, "p").status.conditions == ()


def test_quantities_are_read_as_kubernetes_writes_them() -> None:
    assert [milli(q) for q in ("100m", "1", 2, "1.5", "1Ki", "2e3", "1G")] == [
        100,
        1000,
        2000,
        1500,
        1024_000,
        2_000_000,
        10**12,
    ]


actions = st.lists(
    st.sampled_from(["grow", "shrink", "cordon", "uncordon", "delete", "add", "remove"]),
    max_size=12,
)


@settings(max_examples=25)
@given(actions, st.integers(0, 2**16))
def test_no_node_ever_gets_more_pods_than_slots(todo: list[str], seed: int) -> None:
    rng, world = random.Random(seed), World()
    for i in range(3):
        world.add_node(f"node-{i}", zone=f"z{i % 2}", pods=rng.randint(1, 4))
    world.deploy(replicas=4)
    for i, action in enumerate(todo):
        node = rng.choice(world.nodes())
        match action:
            case "grow" | "shrink":
                count = rng.randint(6, 12) if action == "grow" else rng.randint(0, 5)
                world.admission.scale("Deployment", "default", "web", count, stamp=world.stamp)
            case "cordon" | "uncordon":
                change_node(world, node.metadata.name, unschedulable=action == "cordon")
            case "delete" if pods := world.pods():
                world.delete(rng.choice(pods))
            case "add":
                world.add_node(f"extra-{i}", pods=2)
            case "remove" if len(world.nodes()) > 1:
                world.delete(node)
        world.step()
        taken = Counter(p.spec.node_name for p in world.store.list(Pod) if p.spec.node_name)
        slots = {n.metadata.name: int((n.status.allocatable or {})["pods"]) for n in world.nodes()}
        assert all(taken[name] <= slots[name] for name in slots)
        free = sum(
            slots[n.metadata.name] - taken[n.metadata.name]
            for n in world.nodes()
            if not n.spec.unschedulable
        )
        unbound = [p for p in world.pods() if not p.spec.node_name]
        assert not (unbound and free), "a pod waits although a node has room"


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, -1])), max_size=60))
def test_candidates_are_every_feasible_node_once_whatever_happened_before(
    changes: list[tuple[int, int]],
) -> None:
    nodes, spread, loads = ClassNodes(), OwnerSpread(), Counter[str]()
    for i in range(6):
        nodes.allow(f"n{i}", (0, 0), f"z{i % 2}")
        nodes.set_load(f"n{i}", 0, full=False)
    for i, by in changes:
        name, zone = f"n{i}", f"z{i % 2}"
        if loads[name] + by < 0:
            continue
        list(nodes.candidates(spread))
        loads[name] += by
        spread.change(name, zone, by)
        nodes.set_load(name, loads[name], full=loads[name] >= 3)
        found = list(nodes.candidates(spread))
        assert sorted(found) == sorted(f"n{i}" for i in range(6) if loads[f"n{i}"] < 3)
        in_first_zone = [n for n in found if int(n[1]) % 2 == int(found[0][1]) % 2] if found else []
        counts = [spread.on_node(n) for n in in_first_zone]
        assert counts == sorted(counts)


def pinned_to(name: str, node: str, **spec: object) -> Pod:
    """As a DaemonSet pins its pods."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return pod(name, {"app": "agent"}, affinity=affinity, **spec)


def test_a_pod_that_names_its_node_waits_for_that_one_alone() -> None:
    world = World()
    world.add_node("node-1", pods=1)
    world.add_node("node-2")
    world.create(pinned_to("first", "node-1"))
    world.create(pinned_to("second", "node-1"))
    world.create(pinned_to("third", "node-3"))
    world.step()
    assert node_of(world, "first") == "node-1"
    assert scheduled(world, "second")[2] == (
        "0/2 nodes are available: 1 Too many pods, "
        "1 node(s) didn't satisfy plugin(s) [NodeAffinity]. preemption: 0/2 nodes are available: "
        f"1 {NO_VICTIMS}, 1 {NOT_HELPFUL}."
    )
    world.delete(world.get(Pod, "first"))
    world.add_node("node-3")
    world.step()
    assert node_of(world, "second") == "node-1"
    assert node_of(world, "third") == "node-3"


def test_pods_that_name_their_nodes_leave_no_classes_behind() -> None:
    world = World(kubelets=False)
    for i in range(20):
        world.add_node(f"node-{i}")
        world.create(pinned_to(f"agent-{i}", f"node-{i}"))
    world.step()
    assert all(each.spec.node_name for each in world.pods())
    (scheduler,) = (c for c in world.plane._controllers if isinstance(c, Scheduler))
    assert scheduler._classes == {}
    assert scheduler._pinned == {}
