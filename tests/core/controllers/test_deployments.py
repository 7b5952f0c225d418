"""Deployments and their ReplicaSets, seen from the API."""

from __future__ import annotations

import re
from typing import Any

import pytest

from emucluster.core.errors import Forbidden
from emucluster.core.objects import Deployment, Object, Pod, ReplicaSet, replace

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


def rolled_back(world: World, to: ReplicaSet) -> None:
    """What `kubectl rollout undo` sends: the set's template without its hash, its annotations."""
    old = world.get(Deployment, "web")
    assert to.spec.template is not None
    labels = {
        name: value
        for name, value in (to.spec.template.metadata.labels or {}).items()
        if name != "pod-template-hash"
    }
    metadata = replace(to.spec.template.metadata, labels=labels)
    template = replace(to.spec.template, metadata=metadata)
    own = {
        name: value
        for name, value in (to.metadata.annotations or {}).items()
        if not name.startswith("deployment.kubernetes.io/")
    }
    kept = {"deployment.kubernetes.io/revision": revision(old)}
    meta = replace(old.metadata, annotations={**kept, **own})
    world.update(replace(old, metadata=meta, spec=replace(old.spec, template=template)))


def revision(obj: Deployment | ReplicaSet) -> str:
    return (obj.metadata.annotations or {})["deployment.kubernetes.io/revision"]


def with_cause(world: World, cause: str) -> None:
    old = world.get(Deployment, "web")
    annotations = {**(old.metadata.annotations or {}), "kubernetes.io/change-cause": cause}
    world.update(replace(old, metadata=replace(old.metadata, annotations=annotations)))


def test_each_revision_keeps_its_cause_and_its_former_numbers(world: World) -> None:
    world.deploy(replicas=1)
    with_cause(world, "first")
    world.run(1)
    (first,) = world.replicasets()
    with_image(world, "web", "emucluster/echo:2")
    with_cause(world, "second")
    world.run(1)
    rolled_back(world, world.get(ReplicaSet, first.metadata.name))
    world.run(1)
    again = world.get(ReplicaSet, first.metadata.name)
    assert revision(world.get(Deployment, "web")) == revision(again) == "3"
    annotations = again.metadata.annotations or {}
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert annotations["kubernetes.io/change-cause"] == "first"
    (other,) = (each for each in world.replicasets() if each.metadata.name != first.metadata.name)
    assert (other.metadata.annotations or {})["kubernetes.io/change-cause"] == "second"
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")


def test_a_resumed_roll_out_goes_on_and_completes(world: World) -> None:
    world.deploy(replicas=2)
    world.step()
    old = world.get(Deployment, "web")
    world.update(replace(old, spec=replace(old.spec, paused=True)))
    with_image(world, "web", "emucluster/echo:2")
    paused = world.get(Deployment, "web")
    world.update(replace(paused, spec=replace(paused.spec, paused=True)))
    world.step()
    assert condition(world, "Progressing") == ("Unknown", "DeploymentPaused")
    paused = world.get(Deployment, "web")
    assert paused.status.observed_generation == paused.metadata.generation
    world.update(replace(paused, spec=replace(paused.spec, paused=None)))
    world.run(2)
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert world.get(Deployment, "web").status.updated_replicas == 2


def test_pods_that_cannot_be_created_are_told_by_a_condition_until_they_can(world: World) -> None:
    world.deploy(replicas=1)
    world.step()
    refusing, asked = world.admission.create, 0

    def refuse(obj: Object, **how: Any) -> Object:
        nonlocal asked
        if isinstance(obj, Pod):
            asked += 1
            # Worded otherwise each time: that must not be news.
            raise Forbidden.of("pods", obj.metadata.name, "exceeded quota")
        return refusing(obj, **how)

    world.admission.create = refuse  # type: ignore[method-assign,assignment]
    world.admission.scale("Deployment", "default", "web", 2, stamp=world.stamp)
    world.run(100)
    assert 5 < asked < 30
    assert condition(world, "ReplicaFailure") == ("True", "FailedCreate")
    assert any("exceeded quota" in each for each in world.told("FailedCreate"))
    world.admission.create = refusing  # type: ignore[method-assign]
    world.run(100)
    types = {each.type for each in world.get(Deployment, "web").status.conditions}
    assert types == {"Available", "Progressing"}
