"""PodDisruptionBudgets: what they count, and that evictions keep to them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.controllers.disruption import DisruptionController
from emucluster.core.errors import (
    Conflict,
    Forbidden,
    InternalError,
    NotFound,
    TooManyRequests,
    from_status,
    to_status,
)
from emucluster.core.objects import Deployment, Pod, PodDisruptionBudget, ReplicaSet, replace

from .test_daemonsets import daemonset
from .test_statefulsets import statefulset
from .world import World, pod, ready


def budget(name: str = "pdb", **spec: Any) -> PodDisruptionBudget:
    tree = {
        "kind": "PodDisruptionBudget",
        "apiVersion": "policy/v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }
    return msgspec.convert(tree, PodDisruptionBudget)


def new_world(replicas: int = 3, **spec: Any) -> World:
    world = World(cloud=None)
    for i in range(2):
        world.add_node(f"node-{i}")
    world.renew_leases()
    world.deploy(replicas=replicas)
    world.create(budget(**spec))
    world.step()
    return world


def found(world: World) -> tuple[int, int, int, int]:
    """expected, desired, healthy, allowed"""
    status = world.get(PodDisruptionBudget, "pdb").status
    return (
        status.expected_pods,
        status.desired_healthy,
        status.current_healthy,
        status.disruptions_allowed,
    )


def allowed(world: World) -> tuple[str, str, str]:
    (condition,) = world.get(PodDisruptionBudget, "pdb").status.conditions
    return condition.type, condition.status, condition.reason


def evict(world: World, which: Pod | str, **how: Any) -> None:
    name = which if isinstance(which, str) else which.metadata.name
    world.admission.evict("default", name, stamp=world.stamp, **how)


@pytest.mark.parametrize(
    ("spec", "expected", "desired"),
    [
        ({"minAvailable": 2}, 3, 2),
        ({"minAvailable": 0}, 3, 0),
        ({"minAvailable": "50%"}, 3, 2),
        ({"maxUnavailable": 1}, 3, 2),
        ({"maxUnavailable": "50%"}, 3, 1),
        ({"maxUnavailable": 9}, 3, 0),
    ],
)
def test_the_status_counts(spec: dict[str, Any], expected: int, desired: int) -> None:
    world = new_world(**spec)
    assert found(world) == (expected, desired, 3, 3 - desired)
    assert allowed(world) == ("DisruptionAllowed", "True", "SufficientPods")
    assert world.get(PodDisruptionBudget, "pdb").status.observed_generation == 1


def test_a_share_is_of_what_the_deployment_is_scaled_to_not_of_what_there_is() -> None:
    world = new_world(maxUnavailable=1)
    world.kubelets = False
    world.admission.scale("Deployment", "default", "web", 5, stamp=world.stamp)
    world.step()
    assert found(world) == (5, 4, 3, 0)
    assert allowed(world) == ("DisruptionAllowed", "False", "InsufficientPods")


def test_pods_of_a_statefulset_count_as_well_and_those_of_a_daemonset_do_not() -> None:
    world = World(cloud=None)
    world.add_node("node-0")
    world.create(statefulset(replicas=2))
    world.create(budget(maxUnavailable=1))
    world.run(2)
    assert found(world) == (2, 1, 2, 1)
    world.create(daemonset("web"))
    world.run(2)
    status = world.get(PodDisruptionBudget, "pdb").status
    (told,) = status.conditions
    assert (status.disruptions_allowed, told.reason) == (0, "SyncFailed")
    assert told.message == "daemonsets.apps does not implement the scale subresource"


def test_bare_pods_count_for_a_number_and_are_told_of_for_a_share() -> None:
    world = World(cloud=None)
    world.add_node("node-0")
    world.create(budget(minAvailable=1))
    for name in ("a", "b"):
        world.create(pod(name, {"app": "web"}))
    world.step()
    assert found(world) == (2, 1, 2, 1)
    old = world.get(PodDisruptionBudget, "pdb")
    world.update(replace(old, spec=replace(old.spec, min_available="50%")))
    world.step()
    assert found(world) == (0, 0, 2, 0)
    (told,) = world.told("UnmanagedPods")
    assert "(selector: &LabelSelector{MatchLabels:map[string]string{app: web,}," in told


def test_no_pods_no_disruptions() -> None:
    world = World(cloud=None)
    world.create(budget(minAvailable=0))
    world.step()
    assert found(world) == (0, 0, 0, 0)
    assert world.told("NoPods") == ["No matching pods found"]


def test_an_eviction_takes_one_and_the_next_is_refused_at_once() -> None:
    world = new_world(minAvailable=2)
    first, second, _ = world.pods()
    world.kubelets = False
    evict(world, first)
    status = world.get(PodDisruptionBudget, "pdb").status
    assert status.disruptions_allowed == 0
    assert status.disrupted_pods == {first.metadata.name: world.stamp}
    with pytest.raises(TooManyRequests) as refusal:
        evict(world, second)
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    assert str(refusal.value) == message
    (cause,) = refusal.value.causes
    assert (cause.reason, cause.field) == ("DisruptionBudget", "")
    assert cause.message == "The disruption budget pdb needs 2 healthy pods and has 3 currently"
    assert from_status(to_status(refusal.value)).causes == (cause,)
    (target,) = (
        c for c in world.get(Pod, first.metadata.name).status.conditions if "Disr" in c.type
    )
    assert (target.status, target.reason) == ("True", "EvictionByEvictionAPI")
    assert target.message == "Eviction API: evicting"
    world.step()
    assert found(world) == (4, 2, 2, 0)
    with pytest.raises(TooManyRequests):
        evict(world, second)
    world.kubelets = True
    world.step()
    assert found(world) == (3, 2, 3, 1)
    evict(world, second)


def test_a_budget_that_was_changed_has_to_be_looked_at_first() -> None:
    world = new_world(minAvailable=2)
    old = world.get(PodDisruptionBudget, "pdb")
    world.update(replace(old, spec=replace(old.spec, min_available=3)))
    with pytest.raises(TooManyRequests) as refusal:
        evict(world, world.pods()[0])
    assert refusal.value.retry_after_s == 10
    assert "still being processed" in refusal.value.causes[0].message
    world.step()
    with pytest.raises(TooManyRequests) as refusal:
        evict(world, world.pods()[0])
    assert refusal.value.retry_after_s == 0


def test_several_budgets_over_a_pod_are_an_error() -> None:
    world = new_world(minAvailable=1)
    world.create(budget("other", minAvailable=1))
    world.step()
    with pytest.raises(InternalError, match="more than one PodDisruptionBudget"):
        evict(world, world.pods()[0])


def test_pods_without_a_budget_and_pods_that_are_nobodys_loss_just_go() -> None:
    world = new_world(minAvailable=3)
    world.create(pod("free"))
    world.create(pod("pending", {"app": "web"}, nodeSelector={"no": "such"}))
    world.step()
    evict(world, "free")
    evict(world, "pending")
    failed = world.pods(app="web")[0]
    world.update_status(replace(failed, status=replace(failed.status, phase="Failed")))
    evict(world, failed)
    world.step()
    assert world.store.get(Pod, "default", "pending") is None
    with pytest.raises(NotFound):
        evict(world, "nobody")


@pytest.mark.parametrize(
    ("policy", "ready_pods", "goes"),
    [
        (None, 2, True),
        ("IfHealthyBudget", 2, True),
        ("IfHealthyBudget", 1, False),
        ("AlwaysAllow", 1, True),
    ],
)
def test_pods_that_are_not_ready_go_as_the_policy_says(
    policy: str | None, ready_pods: int, goes: bool
) -> None:
    world = new_world(minAvailable=2, unhealthyPodEvictionPolicy=policy)
    world.kubelets = False
    broken = world.pods()[ready_pods:]
    for each in broken:
        world.set_ready(each, is_ready=False)
    world.step()
    before = world.get(PodDisruptionBudget, "pdb").status
    if goes:
        evict(world, broken[0])
        assert world.get(PodDisruptionBudget, "pdb").status == before
    else:
        with pytest.raises(TooManyRequests):
            evict(world, broken[0])


def test_preconditions_and_dry_runs() -> None:
    world = new_world(minAvailable=2)
    version = world.store.version
    one = world.pods()[0]
    evict(world, one, dry_run=True)
    with pytest.raises(Conflict):
        evict(world, one, uid="another")
    with pytest.raises(Conflict):
        evict(world, one, expect="1")
    assert world.store.version == version
    evict(world, one, uid=one.metadata.uid, expect=one.metadata.resource_version, grace_period_s=5)
    assert world.get(Pod, one.metadata.name).metadata.deletion_grace_period_seconds == 5


def test_a_budget_in_disorder_is_refused() -> None:
    world = new_world(minAvailable=2)
    old = world.get(PodDisruptionBudget, "pdb")
    many = {f"p{i}": world.stamp for i in range(2001)}
    world.update_status(replace(old, status=replace(old.status, disrupted_pods=many)))
    with pytest.raises(Forbidden, match="DisruptedPods map too big"):
        evict(world, world.pods()[0])


def test_a_promise_that_is_not_kept_is_forgotten_after_two_minutes() -> None:
    world = new_world(minAvailable=2)
    old = world.get(PodDisruptionBudget, "pdb")
    name = world.pods()[0].metadata.name
    told = replace(old.status, disruptions_allowed=0, disrupted_pods={name: world.stamp})
    world.update_status(replace(old, status=told))
    world.step()
    assert found(world) == (3, 2, 2, 0)
    world.run(125)
    assert found(world) == (3, 2, 3, 1)
    assert len(world.told("NotDeleted")) == 1


def test_a_pod_that_was_not_disrupted_after_all_is_no_target_any_more() -> None:
    world = new_world(minAvailable=1)
    one = world.pods()[0]
    target = replace(one.status.conditions[0], type="DisruptionTarget", status="True", reason="x")
    conditions = (*one.status.conditions, target)
    world.update_status(replace(one, status=replace(one.status, conditions=conditions)))
    world.run(100)

    def status() -> str:
        found = world.get(Pod, one.metadata.name).status.conditions
        return next(c.status for c in found if c.type == "DisruptionTarget")

    assert status() == "True"
    world.run(30)
    assert status() == "False"


# --- whatever happens ----------------------------------------------------------------------------

NUMBERS = st.integers(0, 4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["evict", "evict", "evict", "unready", "ready", "scale", "kill", "wait", "kubelet"]
        ),
        NUMBERS,
    ),
    max_size=40,
)
SPECS = st.sampled_from(
    [
        {"minAvailable": 2},
        {"minAvailable": "60%"},
        {"maxUnavailable": 1},
        {"maxUnavailable": "30%"},
        {"minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    ]
)


def healthy(world: World) -> int:
    return sum(1 for each in world.pods(app="web") if ready(each))


@settings(max_examples=25, deadline=None)
@given(SPECS, STEPS)
def test_no_eviction_ever_breaks_a_budget(
    spec: dict[str, Any], steps: list[tuple[str, int]]
) -> None:
    world = new_world(replicas=4, **spec)
    world.kubelets = False
    for what, number in steps:
        pods = world.pods(app="web")
        one = pods[number % len(pods)] if pods else None
        match what:
            case "evict" if one is not None:
                before = healthy(world)
                desired = world.get(PodDisruptionBudget, "pdb").status.desired_healthy
                try:
                    evict(world, one)
                except TooManyRequests:
                    assert one.status.phase == "Running"
                    continue
                # It may take a healthy pod only where enough others are left.
                assert healthy(world) == before or healthy(world) >= desired
                continue  # the next one comes before any controller has looked
            case "unready" if one is not None and one.status.phase == "Running":
                world.set_ready(one, is_ready=False)
            case "ready" if one is not None and one.spec.node_name:
                world.set_ready(one)
            case "scale":
                world.admission.scale("Deployment", "default", "web", number, stamp=world.stamp)
            case "kill" if one is not None:
                world.delete(one)
            case "kubelet":
                world.kubelets = True
                world.step()
                world.kubelets = False
            case "wait":
                world.run(number)
        world.step()
        assert index_of(world) == rebuilt(world)


def index_of(world: World) -> list[object]:
    (controller,) = (c for c in world.plane._controllers if isinstance(c, DisruptionController))
    return [
        (sorted(c.pods), sorted(c.healthy), dict(c.owners), sorted(c.unmanaged))
        for c in controller._budgets.values()
    ]


def rebuilt(world: World) -> list[object]:
    plane, world.plane = world.plane, world.new_plane()
    fresh = index_of(world)
    world.plane = plane
    return fresh


def test_owners_that_change_are_heard_of() -> None:
    world = new_world(maxUnavailable=1)
    world.delete(world.get(Deployment, "web"), propagation="Orphan")
    world.step()
    (replicaset,) = world.store.list(ReplicaSet)
    assert replicaset.metadata.owner_references == ()
    world.admission.scale("ReplicaSet", "default", replicaset.metadata.name, 4, stamp=world.stamp)
    world.run(2)
    assert found(world) == (4, 3, 4, 1)
