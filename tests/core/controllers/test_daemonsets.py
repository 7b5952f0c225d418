"""DaemonSets: a pod on every node that fits, and how that changes from template to template."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.admission.defaults import with_defaults
from emucluster.core.controllers.daemon_nodes import Daemon
from emucluster.core.controllers.daemonset import DaemonSetController
from emucluster.core.controllers.history import template_of
from emucluster.core.errors import Forbidden
from emucluster.core.objects import (
    ControllerRevision,
    DaemonSet,
    Node,
    Object,
    Pod,
    Taint,
    replace,
)

from .world import World

HASH = "controller-revision-hash"


def daemonset(name: str = "agent", *, image: str = "emucluster/echo", **spec: Any) -> DaemonSet:
    template_spec = spec.pop("template_spec", {})
    tree = {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}], **template_spec},
            },
            **spec,
        },
    }
    return msgspec.convert(tree, DaemonSet)


def new_world(nodes: int = 3, **how: Any) -> World:
    world = World(cloud=None, **how)
    for i in range(nodes):
        world.add_node(f"node-{i}")
    world.renew_leases()
    return world


def with_image(world: World, image: str) -> None:
    old = world.get(DaemonSet, "agent")
    template = daemonset(image=image).spec.template
    world.update(replace(old, spec=replace(old.spec, template=template)))


def change_node(world: World, name: str, **spec: object) -> None:
    node = world.get(Node, name)
    world.update(replace(node, spec=replace(node.spec, **spec)))


def on_nodes(world: World) -> list[str]:
    return sorted(each.spec.node_name or "" for each in world.pods(app="agent"))


def images(world: World) -> Counter[str]:
    return Counter(c.image or "" for each in world.pods() for c in each.spec.containers)


def status(world: World) -> tuple[int, int, int, int, int, int]:
    """desired, current, ready, up to date, available, misscheduled."""
    found = world.get(DaemonSet, "agent").status
    return (
        found.desired_number_scheduled,
        found.current_number_scheduled,
        found.number_ready,
        found.updated_number_scheduled or 0,
        found.number_available or 0,
        found.number_misscheduled,
    )


def test_every_node_gets_one_pod_and_a_new_node_too() -> None:
    world = new_world()
    world.create(daemonset())
    world.step()
    assert on_nodes(world) == ["node-0", "node-1", "node-2"]
    assert status(world) == (3, 3, 3, 3, 3, 0)
    assert world.get(DaemonSet, "agent").status.observed_generation == 1
    world.add_node("node-3")
    world.step()
    assert on_nodes(world)[-1] == "node-3"
    assert status(world) == (4, 4, 4, 4, 4, 0)
    assert len(world.told("SuccessfulCreate")) == 4


def test_a_pod_that_is_deleted_comes_again_on_its_node() -> None:
    world = new_world()
    world.create(daemonset())
    world.step()
    gone = world.pods()[1]
    world.delete(gone)
    world.step()
    assert on_nodes(world) == ["node-0", "node-1", "node-2"]
    assert gone.metadata.name not in {each.metadata.name for each in world.pods()}


def test_a_node_that_does_not_fit_gets_none() -> None:
    world = new_world()
    world.add_node("special", disk="fast")
    change_node(world, "node-0", taints=(Taint(key="gpu", effect="NoSchedule"),))
    world.create(daemonset("fast", template_spec={"nodeSelector": {"disk": "fast"}}))
    world.create(daemonset())
    world.step()
    assert on_nodes(world) == ["node-1", "node-2", "special"]
    assert [each.spec.node_name for each in world.pods(app="fast")] == ["special"]


def test_a_cordon_does_not_matter_and_a_taint_only_to_what_comes() -> None:
    world = new_world(2)
    change_node(world, "node-0", unschedulable=True)
    world.create(daemonset())
    world.step()
    assert on_nodes(world) == ["node-0", "node-1"]
    change_node(world, "node-0", taints=(Taint(key="x", effect="NoSchedule"),))
    world.step()
    assert on_nodes(world) == ["node-0", "node-1"]
    assert status(world) == (1, 1, 1, 1, 1, 1)
    change_node(world, "node-0", taints=(Taint(key="x", effect="NoExecute"),))
    world.step()
    assert on_nodes(world) == ["node-1"]


def test_pods_stay_on_a_node_that_is_silent_for_hours() -> None:
    world = new_world(2)
    world.create(daemonset())
    world.run(1)
    world.silent.add("node-0")
    world.run(3600)
    assert on_nodes(world) == ["node-0", "node-1"]


def test_pods_of_a_removed_node_go() -> None:
    world = new_world(2)
    world.create(daemonset())
    world.step()
    world.delete(world.get(Node, "node-0"))
    world.run(120)
    assert on_nodes(world) == ["node-1"]
    assert status(world) == (1, 1, 1, 1, 1, 0)


def test_a_label_taken_from_a_node_takes_its_pod() -> None:
    world = new_world(0)
    world.add_node("node-0", role="edge")
    world.add_node("node-1", role="edge")
    world.create(daemonset(template_spec={"nodeSelector": {"role": "edge"}}))
    world.step()
    node = world.get(Node, "node-0")
    world.update(replace(node, metadata=replace(node.metadata, labels={})))
    world.step()
    assert on_nodes(world) == ["node-1"]


@pytest.mark.parametrize(("limit", "most"), [(None, 1), (2, 2), ("50%", 3)])
def test_a_rolling_update_takes_few_pods_at_a_time(limit: int | str | None, most: int) -> None:
    world = new_world(6)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": limit}}
    spec: dict[str, Any] = {"updateStrategy": strategy} if limit is not None else {}
    world.create(daemonset(**spec))
    world.step()
    world.kubelets = False
    with_image(world, "emucluster/echo:2")
    for _ in range(100):
        world.step()
        up = [p for p in world.pods() if p.status.phase == "Running"]
        assert len(up) >= 6 - most
        assert len(list(world.store.list(Pod))) <= 6
        if not one_kubelet_step(world):
            break
    assert images(world) == {"emucluster/echo:2": 6}
    assert status(world) == (6, 6, 6, 6, 6, 0)


def one_kubelet_step(world: World) -> bool:
    """The first pod that waits for its kubelet is ended or made ready; False: none waits."""
    for each in world.store.list(Pod):
        if each.metadata.deletion_timestamp is not None:
            world.delete(each, grace_period_s=0)
            return True
        if each.spec.node_name and each.status.phase != "Running":
            world.set_ready(each)
            return True
    return False


def test_with_a_surge_the_new_pod_comes_before_the_old_one_goes() -> None:
    world = new_world(4)
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    world.create(daemonset(updateStrategy={"rollingUpdate": rolling}))
    world.step()
    world.kubelets = False
    with_image(world, "emucluster/echo:2")
    for _ in range(100):
        world.step()
        up = {p.spec.node_name for p in world.pods() if p.status.phase == "Running"}
        assert len(up) == 4
        assert len(world.pods()) <= 5
        if not one_kubelet_step(world):
            break
    assert images(world) == {"emucluster/echo:2": 4}


def test_pods_that_are_not_available_are_replaced_at_once() -> None:
    world = new_world(4, kubelets=False)
    world.create(daemonset())
    world.step()
    with_image(world, "emucluster/echo:2")
    world.step()
    for _ in range(20):
        if not one_kubelet_step(world):
            break
        world.step()
    assert images(world) == {"emucluster/echo:2": 4}


def test_on_delete_waits_for_the_user() -> None:
    world = new_world(2)
    world.create(daemonset(updateStrategy={"type": "OnDelete"}))
    world.step()
    with_image(world, "emucluster/echo:2")
    world.run(5)
    assert images(world) == {"emucluster/echo": 2}
    assert status(world)[3] == 0
    world.delete(world.pods()[0])
    world.step()
    assert images(world) == {"emucluster/echo": 1, "emucluster/echo:2": 1}


def test_a_new_pod_is_available_only_after_min_ready_seconds() -> None:
    world = new_world(2)
    world.create(daemonset(minReadySeconds=10))
    world.step()
    assert status(world) == (2, 2, 2, 2, 0, 0)
    assert world.get(DaemonSet, "agent").status.number_unavailable == 2
    world.run(11)
    assert status(world) == (2, 2, 2, 2, 2, 0)
    with_image(world, "emucluster/echo:2")
    world.run(8)
    assert images(world) == {"emucluster/echo": 1, "emucluster/echo:2": 1}
    world.run(15)
    assert images(world) == {"emucluster/echo:2": 2}


def revisions(world: World) -> dict[int, ControllerRevision]:
    return {each.revision: each for each in world.store.list(ControllerRevision)}


def test_history_holds_each_template_and_gives_it_back() -> None:
    world = new_world(1)
    world.create(daemonset())
    world.step()
    with_image(world, "emucluster/echo:2")
    world.run(1)
    held = revisions(world)
    assert sorted(held) == [1, 2]
    first = template_of(held[1])
    assert first == with_defaults(daemonset()).spec.template
    data = held[1].data["spec"]["template"]
    assert data["$patch"] == "replace"
    assert list(data) == sorted(data)
    (running,) = world.pods()
    assert (running.metadata.labels or {})[HASH] == (held[2].metadata.labels or {})[HASH]
    old = world.get(DaemonSet, "agent")
    world.update(replace(old, spec=replace(old.spec, template=first)))
    world.run(1)
    assert sorted(revisions(world)) == [2, 3]
    assert images(world) == {"emucluster/echo": 1}


def test_history_is_no_longer_than_its_limit() -> None:
    world = new_world(1)
    world.create(daemonset(revisionHistoryLimit=2))
    for i in range(5):
        world.run(1)
        with_image(world, f"emucluster/echo:{i}")
    world.run(1)
    assert sorted(revisions(world)) == [4, 5, 6]


def test_a_failed_pod_is_replaced_more_and_more_slowly() -> None:
    world = new_world(1, kubelets=False)
    world.create(daemonset())
    world.step()

    def fail() -> None:
        for each in world.pods():
            world.update_status(replace(each, status=replace(each.status, phase="Failed")))

    deaths = []
    for _ in range(40):
        fail()
        before = len(world.told("FailedDaemonPod"))
        world.run(1)
        for each in list(world.store.list(Pod)):
            if each.metadata.deletion_timestamp is not None:
                world.delete(each, grace_period_s=0)
        world.step()
        if len(world.told("FailedDaemonPod")) > before:
            deaths.append(world.now_s)
    gaps = [b - a for a, b in pairwise(deaths)]
    assert len(deaths) < 10
    assert gaps == sorted(gaps)


def test_deleting_a_daemonset_takes_pods_and_history_along() -> None:
    world = new_world(2)
    world.create(daemonset())
    world.step()
    world.delete(world.get(DaemonSet, "agent"))
    world.step()
    assert list(world.store.list(Pod)) == []
    assert revisions(world) == {}


def test_pods_and_history_that_were_orphaned_are_adopted_and_nothing_is_replaced() -> None:
    world = new_world(2)
    world.create(daemonset())
    world.step()
    names = {each.metadata.name for each in world.pods()}
    world.delete(world.get(DaemonSet, "agent"), propagation="Orphan")
    world.step()
    world.create(daemonset())
    world.run(2)
    assert {each.metadata.name for each in world.pods()} == names
    assert sorted(revisions(world)) == [1]
    owner = world.get(DaemonSet, "agent").metadata.uid
    assert {o.uid for each in world.pods() for o in each.metadata.owner_references} == {owner}


def test_refused_pods_are_told_and_tried_again_ever_more_slowly() -> None:
    world = new_world(2)
    refusing, asked = world.admission.create, 0

    def refuse(obj: Object, **how: Any) -> Object:
        nonlocal asked
        if isinstance(obj, Pod):
            asked += 1
            raise Forbidden.of("pods", obj.metadata.generate_name, "exceeded quota")
        return refusing(obj, **how)

    world.create(daemonset())
    world.admission.create = refuse  # type: ignore[method-assign,assignment]
    world.run(100)
    assert 5 < asked < 30
    assert status(world) == (2, 0, 0, 0, 0, 0)
    assert any("exceeded quota" in each for each in world.told("FailedCreate"))
    world.admission.create = refusing  # type: ignore[method-assign]
    world.run(100)
    assert status(world) == (2, 2, 2, 2, 2, 0)


# --- whatever happens ----------------------------------------------------------------------------

NODES = [f"node-{i}" for i in range(5)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("node"), st.sampled_from(NODES), st.sampled_from(["", "edge"])),
        st.tuples(st.just("remove"), st.sampled_from(NODES), st.just("")),
        st.tuples(
            st.just("taint"),
            st.sampled_from(NODES),
            st.sampled_from(["", "NoSchedule", "NoExecute"]),
        ),
        st.tuples(st.just("kill"), st.sampled_from(NODES), st.just("")),
        st.tuples(st.just("fail"), st.sampled_from(NODES), st.just("")),
        st.tuples(st.just("image"), st.sampled_from(["1", "2", "3"]), st.just("")),
        st.tuples(st.just("selector"), st.just(""), st.sampled_from(["", "edge"])),
        st.tuples(st.just("kubelets"), st.just(""), st.sampled_from(["", "on"])),
        st.tuples(st.just("rest"), st.just(""), st.just("")),
    ),
    max_size=25,
)


def apply(world: World, what: str, name: str, value: str) -> None:
    node = world.store.get(Node, "", name) if name in NODES else None
    mine = [each for each in world.pods(app="agent") if each.spec.node_name == name]
    match what:
        case "node" if node is None:
            world.add_node(name, role=value)
        case "remove" if node is not None:
            world.delete(node)
        case "taint" if node is not None:
            taints = (Taint(key="x", effect=value),) if value else ()
            world.update(replace(node, spec=replace(node.spec, taints=taints)))
        case "kill" if mine:
            world.delete(mine[0])
        case "fail" if mine:
            world.update_status(replace(mine[0], status=replace(mine[0].status, phase="Failed")))
        case "image":
            with_image(world, f"emucluster/echo:{name}")
        case "selector":
            old = world.get(DaemonSet, "agent")
            wanted = {"nodeSelector": {"role": value}} if value else {}
            template = daemonset(template_spec=wanted).spec.template
            world.update(replace(old, spec=replace(old.spec, template=template)))
        case "kubelets":
            world.kubelets = bool(value)
        case "rest":
            world.run(3)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_the_index_is_what_a_new_controller_would_build(steps: list[tuple[str, str, str]]) -> None:
    world = new_world(2)
    world.create(daemonset())
    for what, name, value in steps:
        apply(world, what, name, value)
        world.step()
    world.kubelets = True
    world.run(300)
    before = index_of(world)
    # As many pods as fitting nodes, all of the present template.
    daemon = world.get(DaemonSet, "agent")
    found = daemon.status
    assert (found.number_available or 0) == found.desired_number_scheduled
    version = world.store.version
    world.plane = world.new_plane()
    world.step()
    assert index_of(world) == before
    leases_and_nodes = {"Lease", "Node", "Event"}
    written = {e.kind for e in world.store.events_since(version)} - leases_and_nodes
    assert written == set()


def index_of(world: World) -> list[object]:
    (controller,) = (c for c in world.plane._controllers if isinstance(c, DaemonSetController))

    def seen(daemon: Daemon) -> object:
        groups = {each: sorted(names) for each, names in daemon.groups.items() if names}
        pods = {node: sorted(held) for node, held in daemon.pods.items()}
        return daemon.total, daemon.counts, groups, pods, dict(daemon.hashes)

    return [seen(daemon) for daemon in controller._daemons.values()]
