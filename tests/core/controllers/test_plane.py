"""The controllers together: restarts, rebuilds, and when they want to be woken."""

from __future__ import annotations

import random

from emucluster.core.admission.admission import Admission
from emucluster.core.controllers import ControlPlane
from emucluster.core.durations import Speed
from emucluster.core.objects import Event, Namespace, ObjectMeta, Pod, replace
from emucluster.core.store import Store

from .world import World, deployment, pod, service


def busy_world() -> World:
    world = World(cloud=None)
    for i in (1, 2, 3):
        world.add_node(f"node-{i}", zone=f"z{i % 2}")
    world.deploy(replicas=5)
    world.expose()
    world.create(service("gate", type="LoadBalancer"))
    world.create(pod("nowhere", nodeSelector={"no": "such"}))
    world.run(30)
    return world


def test_a_restarted_control_plane_writes_nothing_where_nothing_changed() -> None:
    world = busy_world()
    before = {
        (o.kind, o.metadata.name): o.metadata.resource_version
        for kind in ("Pod", "ReplicaSet", "Deployment", "EndpointSlice", "Node", "Service")
        for o in world.store.list(kind)
    }
    world.plane = world.new_plane()
    world.run(9)
    after = {
        (o.kind, o.metadata.name): o.metadata.resource_version
        for kind in ("Pod", "ReplicaSet", "Deployment", "EndpointSlice", "Node", "Service")
        for o in world.store.list(kind)
    }
    assert after == before


def test_a_plane_that_fell_behind_the_event_window_rebuilds_itself() -> None:
    store = Store(ids=random.Random(1), window_events=5)
    admission = Admission(store, rng=random.Random(2))
    stamp = "2026-01-01T00:00:00Z"
    admission.bootstrap(stamp)
    plane = ControlPlane(admission, speed=Speed(), cloud=None, rng=random.Random(3))
    plane.start(0.0)
    for i in range(10):
        admission.create(pod(f"p{i}"), stamp=stamp)
    admission.create(deployment("web", 4), stamp=stamp)
    for _ in range(50):
        plane.step(0.0, stamp)
    assert len(list(store.list(Pod))) == 14
    plane.step(1.0, stamp)
    wake_s = plane.next_wake_s()
    assert wake_s is None or wake_s > 1.0


def test_a_quiet_plane_sleeps_until_something_is_due() -> None:
    world = World(cloud=None)
    world.step()
    version = world.store.version
    wake_s = world.plane.next_wake_s()
    assert wake_s is None or wake_s > world.now_s
    world.add_node("node-1")
    assert world.plane.next_wake_s() == float("-inf")
    world.step()
    assert world.store.version > version
    wake_s = world.plane.next_wake_s()
    assert wake_s is not None
    assert world.now_s < wake_s <= world.now_s + 5


def test_events_are_forgotten_after_an_hour_without_repetition() -> None:
    world = busy_world()
    assert world.told("FailedScheduling")
    world.run(3700)
    assert not any(e.reason == "FailedScheduling" for e in world.store.list(Event))


def test_a_deleted_namespace_takes_everything_in_it_along() -> None:
    world = World(cloud=None)
    world.add_node("node-1")
    space = world.create(Namespace(metadata=ObjectMeta(name="space")))
    inside = pod("p", {})
    metadata = replace(inside.metadata, namespace="space")
    world.create(replace(inside, metadata=metadata))
    world.step()
    world.delete(space)
    world.run(1)
    assert world.store.get(Namespace, "", "space") is None
