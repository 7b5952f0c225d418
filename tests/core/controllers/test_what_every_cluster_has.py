"""The system namespaces and the Service of the API come back when they were deleted."""

from __future__ import annotations

import pytest

from emucluster.core.admission import node_leases
from emucluster.core.errors import Forbidden, NotFound
from emucluster.core.objects import (
    Endpoints,
    EndpointSlice,
    Lease,
    Namespace,
    Object,
    Service,
    ServiceAccount,
    replace,
)

from .world import World

LEASES = "kube-node-lease"


def namespace(world: World, name: str = LEASES) -> Namespace | None:
    return world.store.get(Namespace, "", name)


def remove(world: World, obj: Object) -> None:
    world.delete(obj)
    world.step()


def renew(world: World, node: str) -> Lease:
    return node_leases.renew(
        world.admission, node, duration_s=40, micro_stamp=world.stamp, stamp=world.stamp
    )


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_a_system_namespace_comes_back_at_the_next_full_minute(speed: float) -> None:
    world = World(cloud=None, speed=speed)
    world.step()
    begin_s, minute_s = world.now_s, 60 / speed
    for passed in (0.5, 2.25):
        world.run(begin_s + passed * minute_s - world.now_s)
        lost = namespace(world)
        assert lost is not None
        remove(world, lost)
        assert namespace(world) is None
        next_s = begin_s + (int(passed) + 1) * minute_s
        assert world.plane.next_wake_s() == pytest.approx(next_s)
        world.run(next_s - world.now_s)
        found = namespace(world)
        assert found is not None
        assert found.metadata.uid != lost.metadata.uid
        assert world.store.get(ServiceAccount, LEASES, "default") is not None


def test_a_system_namespace_that_terminates_is_not_missing() -> None:
    world = World(cloud=None)
    world.step()
    old = namespace(world)
    assert old is not None
    meta = replace(old.metadata, finalizers=("example.com/hold",))
    world.update(replace(old, metadata=meta))
    remove(world, old)
    world.run(200)
    held = namespace(world)
    assert held is not None
    assert held.metadata.uid == old.metadata.uid
    world.update(replace(held, metadata=replace(held.metadata, finalizers=())))
    world.step()
    assert namespace(world) is None
    world.run(60)
    assert namespace(world) is not None


def test_other_namespaces_stay_away_and_nothing_is_woken_for_what_is_there() -> None:
    world = World(cloud=None)
    world.create(Namespace(metadata=replace(Namespace().metadata, name="space")))
    world.run(30)
    assert world.plane.next_wake_s() is None
    remove(world, world.get(Namespace, "space", ""))
    assert world.plane.next_wake_s() is None
    world.run(120)
    assert namespace(world, "space") is None


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_may_not_be_deleted(name: str) -> None:
    world = World(cloud=None)
    world.step()
    found = namespace(world, name)
    assert found is not None
    with pytest.raises(Forbidden, match=f'"{name}" is forbidden: this namespace may not be delet'):
        world.delete(found)


def test_a_node_has_no_lease_where_there_is_no_namespace() -> None:
    world = World(cloud=None)
    world.add_node("node-1")
    world.step()
    made = renew(world, "node-1")
    assert (made.spec.holder_identity, made.spec.lease_duration_seconds) == ("node-1", 40)
    world.now_s += 5
    assert renew(world, "node-1").spec.renew_time == world.stamp
    with pytest.raises(NotFound, match='nodes "node-2" not found'):
        renew(world, "node-2")
    old = namespace(world)
    assert old is not None
    world.update(replace(old, metadata=replace(old.metadata, finalizers=("example.com/hold",))))
    remove(world, old)
    with pytest.raises(Forbidden, match="because it is being terminated"):
        renew(world, "node-1")
    held = namespace(world)
    assert held is not None
    world.update(replace(held, metadata=replace(held.metadata, finalizers=())))
    world.step()
    with pytest.raises(NotFound, match=f'namespaces "{LEASES}" not found'):
        renew(world, "node-1")
    assert list(world.store.list(Lease)) == []
    while namespace(world) is None:
        world.now_s += 1
        world.step()
    assert renew(world, "node-1").metadata.uid != made.metadata.uid


def test_the_service_of_the_api_comes_back_with_its_address_and_its_endpoints() -> None:
    world = World(cloud=None)
    world.step()
    begin_s = world.now_s
    world.plane.serve_at("127.0.0.1", 6443, now_s=world.now_s, stamp=world.stamp)
    world.run(25)
    lost = world.get(Service, "kubernetes")
    remove(world, lost)
    remove(world, world.get(EndpointSlice, "kubernetes"))
    assert world.store.get(Service, "default", "kubernetes") is None
    assert world.store.get(Endpoints, "default", "kubernetes") is None
    assert world.plane.next_wake_s() == begin_s + 30
    world.run(5)
    found = world.get(Service, "kubernetes")
    assert found.metadata.uid != lost.metadata.uid
    assert found.spec.cluster_ip == lost.spec.cluster_ip == "10.96.0.1"
    assert found.spec.ports == lost.spec.ports
    (subset,) = world.get(Endpoints, "kubernetes").subsets
    assert [(a.ip, subset.ports[0].port) for a in subset.addresses] == [("127.0.0.1", 6443)]
    (endpoint,) = world.get(EndpointSlice, "kubernetes").endpoints
    assert endpoint.addresses == ("127.0.0.1",)


def test_what_others_make_of_the_endpoints_of_the_api_is_put_right() -> None:
    world = World(cloud=None)
    world.plane.serve_at("127.0.0.1", 6443, now_s=world.now_s, stamp=world.stamp)
    world.run(25)
    right = world.get(Endpoints, "kubernetes")
    labels = {**(right.metadata.labels or {}), "mine": "yes"}
    world.update(replace(right, subsets=(), metadata=replace(right.metadata, labels=labels)))
    slice_ = world.get(EndpointSlice, "kubernetes")
    world.update(replace(slice_, endpoints=()))
    world.run(10)
    now = world.get(Endpoints, "kubernetes")
    assert now.subsets == right.subsets
    assert now.metadata.labels == labels
    assert world.get(EndpointSlice, "kubernetes").endpoints == slice_.endpoints
    version = world.store.version
    world.run(60)
    assert world.store.version == version
    assert world.plane.next_wake_s() is None


def test_a_plane_without_api_brings_back_the_service_alone() -> None:
    world = World(cloud=None)
    world.step()
    world.run(3)
    remove(world, world.get(Service, "kubernetes"))
    world.run(10)
    assert world.get(Service, "kubernetes").spec.cluster_ip == "10.96.0.1"
    assert world.store.get(Endpoints, "default", "kubernetes") is None
