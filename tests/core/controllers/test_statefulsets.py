"""StatefulSets: names that stay, order up and down, and what a roll-out reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.controllers.stateful_members import Ordinals, StatefulMembers
from emucluster.core.controllers.statefulset import StatefulSetController
from emucluster.core.dns.records import DnsView
from emucluster.core.objects import (
    ControllerRevision,
    EndpointSlice,
    PersistentVolumeClaim,
    Pod,
    Service,
    StatefulSet,
    replace,
)

from .world import World, pod

HASH = "controller-revision-hash"


def statefulset(
    name: str = "web", *, replicas: int = 3, image: str = "emucluster/echo", **spec: Any
) -> StatefulSet:
    template_spec = spec.pop("template_spec", {})
    tree = {
        "kind": "StatefulSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "serviceName": "svc",
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}], **template_spec},
            },
            **spec,
        },
    }
    return msgspec.convert(tree, StatefulSet)


def new_world(*, kubelets: bool = True) -> World:
    world = World(cloud=None, kubelets=kubelets)
    for i in range(3):
        world.add_node(f"node-{i}")
    world.renew_leases()
    return world


def current(world: World) -> StatefulSet:
    return world.get(StatefulSet, "web")


def change(world: World, **spec: object) -> None:
    old = current(world)
    world.update(replace(old, spec=replace(old.spec, **spec)))


def with_image(world: World, image: str) -> None:
    change(world, template=statefulset(image=image).spec.template)


def names(world: World) -> list[str]:
    return sorted(each.metadata.name for each in world.store.list(Pod))


def images(world: World) -> dict[str, str]:
    return {
        each.metadata.name: (each.spec.containers[0].image or "").partition(":")[2] or "1"
        for each in world.store.list(Pod)
    }


def one_kubelet_step(world: World) -> str:
    """The first pod that waits for its kubelet is ended or made ready; "": none waits."""
    for each in world.store.list(Pod):
        if each.metadata.deletion_timestamp is not None:
            world.delete(each, grace_period_s=0)
            return each.metadata.name
        if each.spec.node_name and each.status.phase != "Running":
            world.set_ready(each)
            return each.metadata.name
    return ""


def to_rest(world: World, check: Callable[[], None] = lambda: None) -> list[str]:
    """Kubelets act one at a time; `check` after each. Returns in which order they acted."""
    acted: list[str] = []
    for _ in range(200):
        world.step()
        check()
        if not (name := one_kubelet_step(world)):
            return acted
        acted.append(name)
    raise AssertionError("no rest")


def test_pods_come_one_after_the_other_and_go_in_reverse() -> None:
    world = new_world(kubelets=False)
    world.create(statefulset())
    world.step()
    assert names(world) == ["web-0"]
    assert to_rest(world) == ["web-0", "web-1", "web-2"]
    change(world, replicas=1)
    world.step()
    going = [p.metadata.name for p in world.store.list(Pod) if p.metadata.deletion_timestamp]
    assert going == ["web-2"]
    assert to_rest(world) == ["web-2", "web-1"]
    assert names(world) == ["web-0"]


def test_each_pod_has_its_own_name_labels_and_host_name() -> None:
    world = new_world()
    world.create(statefulset(replicas=2))
    world.step()
    second = world.get(Pod, "web-1")
    labels = second.metadata.labels or {}
    assert labels["statefulset.kubernetes.io/pod-name"] == "web-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels[HASH] == current(world).status.update_revision
    assert (second.spec.hostname, second.spec.subdomain) == ("web-1", "svc")
    status = current(world).status
    assert (status.replicas, status.ready_replicas, status.available_replicas) == (2, 2, 2)
    assert (status.current_replicas, status.updated_replicas) == (2, 2)
    assert status.current_revision == status.update_revision
    assert world.told("SuccessfulCreate")[0] == "create Pod web-0 in StatefulSet web successful"


def test_a_pod_that_goes_comes_again_under_its_name() -> None:
    world = new_world()
    world.create(statefulset())
    world.step()
    before = world.get(Pod, "web-1").metadata.uid
    world.delete(world.get(Pod, "web-1"))
    world.step()
    assert world.get(Pod, "web-1").metadata.uid != before
    assert names(world) == ["web-0", "web-1", "web-2"]


def test_a_pod_on_a_silent_node_is_not_replaced_until_it_is_gone() -> None:
    world = new_world()
    world.create(statefulset(replicas=1))
    world.run(1)
    node = world.get(Pod, "web-0").spec.node_name or ""
    world.silent.add(node)
    world.run(700)
    (left,) = world.store.list(Pod)
    assert (left.metadata.name, left.spec.node_name) == ("web-0", node)
    assert left.metadata.deletion_timestamp is not None
    world.delete(left, grace_period_s=0)
    world.run(2)
    assert world.get(Pod, "web-0").spec.node_name != node


def test_a_pod_that_is_not_ready_holds_up_the_next_one() -> None:
    world = new_world(kubelets=False)
    world.create(statefulset())
    world.step()
    world.set_ready(world.get(Pod, "web-0"), is_ready=False)
    world.step()
    assert names(world) == ["web-0"]
    world.set_ready(world.get(Pod, "web-0"))
    world.step()
    assert names(world) == ["web-0", "web-1"]


def test_parallel_pods_come_and_go_all_at_once() -> None:
    world = new_world(kubelets=False)
    world.create(statefulset(podManagementPolicy="Parallel"))
    world.step()
    assert names(world) == ["web-0", "web-1", "web-2"]
    change(world, replicas=0)
    world.step()
    assert all(each.metadata.deletion_timestamp for each in world.store.list(Pod))


def test_a_failed_pod_is_made_anew() -> None:
    world = new_world(kubelets=False)
    world.create(statefulset(replicas=1))
    world.step()
    failed = world.get(Pod, "web-0")
    world.update_status(replace(failed, status=replace(failed.status, phase="Failed")))
    to_rest(world)
    assert world.get(Pod, "web-0").metadata.uid != failed.metadata.uid


def test_ordinals_may_start_elsewhere_and_move() -> None:
    world = new_world()
    world.create(statefulset(ordinals={"start": 5}))
    world.step()
    assert names(world) == ["web-5", "web-6", "web-7"]
    old = current(world)
    assert old.spec.ordinals is not None
    change(world, ordinals=replace(old.spec.ordinals, start=6))
    world.run(2)
    assert names(world) == ["web-6", "web-7", "web-8"]


def test_a_rolling_update_goes_from_the_highest_to_the_lowest() -> None:
    world = new_world(kubelets=False)
    world.create(statefulset())
    to_rest(world)
    with_image(world, "emucluster/echo:2")

    def at_most_one_is_away() -> None:
        up = [p for p in world.pods() if p.status.phase == "Running"]
        assert len(up) >= 2
        by_name = images(world)
        new = [name for name in sorted(by_name) if by_name[name] == "2"]
        assert new == sorted(by_name)[len(by_name) - len(new) :]

    acted = to_rest(world, at_most_one_is_away)
    assert acted == ["web-2", "web-2", "web-1", "web-1", "web-0", "web-0"]
    assert set(images(world).values()) == {"2"}
    status = current(world).status
    assert status.current_revision == status.update_revision
    assert status.updated_replicas == 3


def test_a_partition_holds_the_lower_ones_back_even_when_they_come_again() -> None:
    world = new_world()
    rolling = {"rollingUpdate": {"partition": 2}}
    world.create(statefulset(updateStrategy=rolling))
    world.step()
    with_image(world, "emucluster/echo:2")
    world.run(2)
    assert images(world) == {"web-0": "1", "web-1": "1", "web-2": "2"}
    status = current(world).status
    assert status.current_revision != status.update_revision
    assert (status.current_replicas, status.updated_replicas) == (2, 1)
    world.delete(world.get(Pod, "web-0"))
    world.run(2)
    assert images(world)["web-0"] == "1"
    old = current(world).spec.update_strategy
    assert old.rolling_update is not None
    change(
        world, update_strategy=replace(old, rolling_update=replace(old.rolling_update, partition=0))
    )
    world.run(2)
    assert set(images(world).values()) == {"2"}
    status = current(world).status
    assert status.current_revision == status.update_revision


def test_on_delete_waits_for_the_user() -> None:
    world = new_world()
    world.create(statefulset(updateStrategy={"type": "OnDelete"}))
    world.step()
    with_image(world, "emucluster/echo:2")
    world.run(2)
    assert set(images(world).values()) == {"1"}
    world.delete(world.get(Pod, "web-0"))
    world.run(2)
    assert images(world) == {"web-0": "2", "web-1": "1", "web-2": "1"}


def test_a_broken_roll_out_stops_and_its_pod_is_replaced_once_the_template_is_mended() -> None:
    world = new_world(kubelets=False)
    world.create(statefulset(podManagementPolicy="Parallel"))
    to_rest(world)
    with_image(world, "emucluster/echo:broken")
    world.step()
    world.delete(world.get(Pod, "web-2"), grace_period_s=0)
    world.run(5)
    assert images(world) == {"web-0": "1", "web-1": "1", "web-2": "broken"}
    with_image(world, "emucluster/echo:3")
    to_rest(world)
    assert set(images(world).values()) == {"3"}


def test_pods_count_as_available_after_min_ready_seconds() -> None:
    world = new_world()
    world.create(statefulset(replicas=2, minReadySeconds=10))
    world.run(5)
    assert names(world) == ["web-0"]
    status = current(world).status
    assert (status.ready_replicas, status.available_replicas) == (1, 0)
    world.run(7)
    assert names(world) == ["web-0", "web-1"]
    world.run(12)
    assert current(world).status.available_replicas == 2


def test_history_is_kept_and_gone_back_to() -> None:
    world = new_world()
    world.create(statefulset(revisionHistoryLimit=1))
    world.step()
    first = current(world).status.update_revision
    for tag in ("2", "3"):
        with_image(world, f"emucluster/echo:{tag}")
        world.run(2)
    held = {each.metadata.name: each.revision for each in world.store.list(ControllerRevision)}
    assert sorted(held.values()) == [2, 3]
    assert first not in held
    with_image(world, "emucluster/echo:2")
    world.run(2)
    assert sorted(e.revision for e in world.store.list(ControllerRevision)) == [3, 4]
    assert set(images(world).values()) == {"2"}


def test_claims_are_made_for_each_pod_and_stay() -> None:
    world = new_world()
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    world.create(statefulset(replicas=2, volumeClaimTemplates=[claim]))
    world.step()
    (volume,) = world.get(Pod, "web-1").spec.volumes
    assert volume.persistent_volume_claim is not None
    assert (volume.name, volume.persistent_volume_claim.claim_name) == ("data", "data-web-1")
    change(world, replicas=1)
    world.run(2)
    claims = {each.metadata.name for each in world.store.list(PersistentVolumeClaim)}
    assert claims == {"data-web-0", "data-web-1"}
    change(world, replicas=2)
    world.run(2)
    assert "create Claim data-web-1 Pod web-1 in StatefulSet web success" in world.told(
        "SuccessfulCreate"
    )
    assert len(world.told("VolumesNotMounted")) == 1


def test_orphans_with_the_sets_name_are_adopted_and_get_their_labels() -> None:
    world = new_world()
    world.create(statefulset(replicas=1, podManagementPolicy="Parallel"))
    world.step()
    world.create(pod("web-7", {"app": "web"}))
    world.create(pod("other", {"app": "web"}))
    change(world, replicas=8)
    world.run(2)
    adopted = world.get(Pod, "web-7")
    assert (adopted.metadata.labels or {})["apps.kubernetes.io/pod-index"] == "7"
    assert world.get(Pod, "other").metadata.owner_references == ()
    assert current(world).status.replicas == 8


def test_another_pod_with_the_name_is_waited_for() -> None:
    world = new_world()
    world.create(pod("web-1", {"app": "other"}))
    world.create(statefulset(replicas=2))
    world.run(5)
    assert (world.get(Pod, "web-1").metadata.labels or {})["app"] == "other"
    world.delete(world.get(Pod, "web-1"))
    world.run(30)
    assert (world.get(Pod, "web-1").metadata.labels or {})["app"] == "web"


def test_every_pod_has_a_name_of_its_own_in_dns() -> None:
    world = new_world()
    tree = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "svc", "namespace": "default"},
        "spec": {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    world.create(msgspec.convert(tree, Service))
    world.create(statefulset(replicas=2))
    world.run(2)
    view = DnsView()
    for kind in (Service, EndpointSlice, Pod):
        for obj in world.store.list(kind):
            view.handle("ADDED", obj)
    for name in ("web-0", "web-1"):
        answer = view.answer(f"{name}.svc.default.svc.cluster.local", "A")
        assert [each.value for each in answer.records] == [world.get(Pod, name).status.pod_ip]
    assert view.answer("web-2.svc.default.svc.cluster.local", "A").rcode == "NXDOMAIN"


def test_deleting_a_set_takes_its_pods_and_history_along() -> None:
    world = new_world()
    world.create(statefulset())
    world.step()
    world.delete(current(world))
    world.step()
    assert names(world) == []
    assert list(world.store.list(ControllerRevision)) == []


# --- whatever happens ----------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("scale"), st.integers(0, 5)),
        st.tuples(st.just("image"), st.integers(1, 3)),
        st.tuples(st.just("partition"), st.integers(0, 4)),
        st.tuples(st.just("start"), st.integers(0, 2)),
        st.tuples(st.just("kill"), st.integers(0, 5)),
        st.tuples(st.just("fail"), st.integers(0, 5)),
        st.tuples(st.just("unready"), st.integers(0, 5)),
        st.tuples(st.just("relabel"), st.integers(0, 5)),
        st.tuples(st.just("kubelet"), st.integers(0, 3)),
    ),
    max_size=30,
)


def apply(world: World, what: str, number: int) -> None:
    found = world.store.get(Pod, "default", f"web-{number}")
    match what:
        case "scale":
            change(world, replicas=number)
        case "image":
            with_image(world, f"emucluster/echo:{number}")
        case "partition":
            tree = {"rollingUpdate": {"partition": number}}
            change(world, update_strategy=statefulset(updateStrategy=tree).spec.update_strategy)
        case "start":
            change(world, ordinals=statefulset(ordinals={"start": number}).spec.ordinals)
        case "kill" if found is not None:
            world.delete(found)
        case "fail" if found is not None:
            world.update_status(replace(found, status=replace(found.status, phase="Failed")))
        case "unready" if found is not None and found.status.phase == "Running":
            world.set_ready(found, is_ready=False)
        case "relabel" if found is not None:
            labels = {k: v for k, v in (found.metadata.labels or {}).items() if "/" not in k}
            world.update(replace(found, metadata=replace(found.metadata, labels=labels)))
        case "kubelet":
            for _ in range(number):
                one_kubelet_step(world)
                world.step()


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_the_index_is_what_a_new_controller_would_build(
    policy: str, steps: list[tuple[str, int]]
) -> None:
    world = new_world(kubelets=False)
    world.create(statefulset(podManagementPolicy=policy))
    world.step()
    for what, number in steps:
        apply(world, what, number)
        world.step()
    assert index_of(world) == rebuilt(world)
    for each in world.store.list(Pod):
        if each.status.phase == "Running":
            world.set_ready(each)
    to_rest(world)
    world.run(30)
    to_rest(world)
    spec = current(world).spec
    start = (spec.ordinals.start if spec.ordinals else None) or 0
    assert names(world) == sorted(f"web-{start + i}" for i in range(spec.replicas or 0))
    status = current(world).status
    assert (status.ready_replicas or 0) == spec.replicas
    rolling = spec.update_strategy.rolling_update
    held_back = (rolling.partition if rolling else None) or 0
    assert (status.updated_replicas or 0) >= (spec.replicas or 0) - held_back


def index_of(world: World) -> dict[str, object]:
    (controller,) = (c for c in world.plane._controllers if isinstance(c, StatefulSetController))
    (members,) = controller._members.values()
    return seen(members)


def rebuilt(world: World) -> dict[str, object]:
    plane, world.plane = world.plane, world.new_plane()
    fresh = index_of(world)
    world.plane = plane
    return fresh


def seen(members: StatefulMembers) -> dict[str, object]:
    return {
        name: list(value) if isinstance(value, Ordinals) else value
        for name, value in vars(members).items()
        if not name.startswith("_") or name == "_ordinal_of"
    }
