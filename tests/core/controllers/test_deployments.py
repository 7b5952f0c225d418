"""Deployments and their ReplicaSets, seen from the API."""

from __future__ import annotations

import re

import pytest

from emucluster.core.objects import Deployment, Pod, ReplicaSet, replace

from .world import World, deployment, pod


@pytest.fixture
def world() -> World:
    world = World()
    for i in range(4):
        world.add_node(f"node-{i + 1}", zone=f"zone-{i % 2}")
    world.renew_leases()
    return world


def with_image(world: World, name: str, image: str) -> None:
    old = world.get(Deployment, name)
    template = deployment(name, 1, image=image).spec.template
    world.update(replace(old, spec=replace(old.spec, template=template)))


def condition(world: World, type_: str) -> tuple[str, str | None]:
    (found,) = (c for c in world.get(Deployment, "web").status.conditions if c.type == type_)
    return found.status, found.reason


def test_pods_are_named_after_their_set_and_carry_its_hash(world: World) -> None:
    world.deploy(replicas=2)
    world.step()
    (replicaset,) = world.replicasets()
    hashed = (replicaset.metadata.labels or {})["pod-template-hash"]
    assert replicaset.metadata.name == f"web-{hashed}"
    for each in world.pods():
        assert re.fullmatch(f"web-{hashed}-[bcdfghjklmnpqrstvwxz2456789]{{5}}", each.metadata.name)
        assert (each.metadata.labels or {})["pod-template-hash"] == hashed
        (owner,) = each.metadata.owner_references
        assert (owner.kind, owner.uid, owner.controller) == (
            "ReplicaSet",
            replicaset.metadata.uid,
            True,
        )


def test_status_counts_pods_and_says_that_it_is_complete(world: World) -> None:
    world.deploy(replicas=3)
    world.step()
    status = world.get(Deployment, "web").status
    assert (status.replicas, status.updated_replicas, status.ready_replicas) == (3, 3, 3)
    assert (status.available_replicas, status.unavailable_replicas) == (3, None)
    assert status.observed_generation == 1
    assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
    annotations = world.get(Deployment, "web").metadata.annotations or {}
    assert annotations["deployment.kubernetes.io/revision"] == "1"
    assert len(world.told("ScalingReplicaSet")) == 1


def test_a_rolling_update_keeps_enough_pods_available_and_not_too_many_at_all() -> None:
    world = World(kubelets=False)
    world.add_node("node-1")
    world.deploy(replicas=4, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}})
    world.step()
    for each in world.pods():
        world.set_ready(each)
    world.step()
    with_image(world, "web", "emucluster/echo:2")
    for _ in range(20):
        world.step()
        pods = world.pods()
        assert len(pods) <= 5
        assert sum(1 for each in pods if each.status.phase == "Running") >= 3
        waiting = [each for each in pods if each.status.phase != "Running"]
        if not waiting:
            break
        world.set_ready(waiting[0])
    assert {c.image for each in world.pods() for c in each.spec.containers} == {"emucluster/echo:2"}
    assert len(world.pods()) == 4


def test_recreate_waits_until_every_old_pod_is_gone(world: World) -> None:
    world.deploy(replicas=2, strategy={"type": "Recreate"})
    world.step()
    world.kubelets = False
    with_image(world, "web", "emucluster/echo:2")
    world.step()
    assert world.pods() == []
    assert len(list(world.store.list(Pod))) == 2
    world.kubelets = True
    world.step()
    assert {c.image for each in world.pods() for c in each.spec.containers} == {"emucluster/echo:2"}
    assert len(world.pods()) == 2


def test_a_return_to_an_old_template_reuses_its_set_with_a_new_revision(world: World) -> None:
    world.deploy(replicas=1)
    world.step()
    (first,) = world.replicasets()
    with_image(world, "web", "emucluster/echo:2")
    world.run(2)
    with_image(world, "web", "emucluster/echo")
    world.run(2)
    sets = {each.metadata.name: each for each in world.replicasets()}
    assert len(sets) == 2
    assert sets[first.metadata.name].spec.replicas == 1
    annotations = sets[first.metadata.name].metadata.annotations or {}
    assert annotations["deployment.kubernetes.io/revision"] == "3"


def test_only_so_many_old_sets_are_kept_as_history_says(world: World) -> None:
    world.deploy(replicas=1, revisionHistoryLimit=1)
    for i in range(4):
        world.run(2)
        with_image(world, "web", f"emucluster/echo:{i}")
    world.run(2)
    assert len(world.replicasets()) == 2


def test_a_paused_deployment_scales_but_does_not_roll(world: World) -> None:
    world.deploy(replicas=1, paused=False)
    world.step()
    old = world.get(Deployment, "web")
    world.update(replace(old, spec=replace(old.spec, paused=True)))
    with_image(world, "web", "emucluster/echo:2")
    world.admission.scale("Deployment", "default", "web", 3, stamp=world.stamp)
    world.step()
    assert len(world.replicasets()) == 1
    assert len(world.pods()) == 3
    assert condition(world, "Progressing") == ("Unknown", "DeploymentPaused")


def test_pods_count_as_available_only_after_min_ready_seconds(world: World) -> None:
    world.deploy(replicas=2, minReadySeconds=10)
    world.step()
    assert world.get(Deployment, "web").status.ready_replicas == 2
    assert world.get(Deployment, "web").status.available_replicas is None
    world.run(9)
    assert world.get(Deployment, "web").status.available_replicas is None
    world.run(2)
    assert world.get(Deployment, "web").status.available_replicas == 2


def test_a_roll_out_without_progress_fails_at_its_deadline() -> None:
    world = World(kubelets=False)
    world.add_node("node-1")
    world.deploy(replicas=1, progressDeadlineSeconds=30)
    world.run(25)
    assert condition(world, "Progressing")[0] == "True"
    world.run(10)
    assert condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")


def test_a_deleted_pod_is_replaced_at_once(world: World) -> None:
    world.deploy(replicas=2)
    world.step()
    victim = world.pods()[0]
    world.kubelets = False
    world.delete(victim)
    world.step()
    assert len(world.pods()) == 2
    assert victim.metadata.name not in {each.metadata.name for each in world.pods()}


def test_scaling_down_gives_up_unbound_pods_first_and_then_the_newest_on_the_fullest_node() -> None:
    world = World()
    world.add_node("node-1", pods=2)
    world.deploy(replicas=2)
    world.step()
    bound = {each.metadata.name for each in world.pods()}
    world.run(5)
    world.admission.scale("Deployment", "default", "web", 3, stamp=world.stamp)
    world.step()
    assert len(world.pods()) == 3
    world.admission.scale("Deployment", "default", "web", 2, stamp=world.stamp)
    world.step()
    assert {each.metadata.name for each in world.pods()} == bound


def test_a_matching_orphan_is_adopted_and_a_relabelled_pod_released(world: World) -> None:
    world.deploy(replicas=2)
    world.step()
    (replicaset,) = world.replicasets()
    stray = world.pods()[0]
    world.update(replace(stray, metadata=replace(stray.metadata, labels={"app": "other"})))
    world.step()
    released = world.get(Pod, stray.metadata.name)
    assert released.metadata.owner_references == ()
    assert len(world.pods(app="web")) == 2
    world.create(pod("stranger", dict(replicaset.metadata.labels or {})))
    world.step()
    owners = {o.uid for each in world.pods(app="web") for o in each.metadata.owner_references}
    assert owners == {replicaset.metadata.uid}
    assert len(world.pods(app="web")) == 2


def test_deleting_a_deployment_takes_its_sets_and_pods_along(world: World) -> None:
    world.deploy(replicas=2)
    world.step()
    world.delete(world.get(Deployment, "web"))
    world.step()
    assert list(world.store.list(ReplicaSet)) == []
    assert list(world.store.list(Pod)) == []
