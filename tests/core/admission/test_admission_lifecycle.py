"""Rules of garbage collection and of namespaces' ends."""

from __future__ import annotations

import random

import pytest

from emucluster.core.admission import Admission
from emucluster.core.admission.lifecycle import GarbageCollector, NamespaceLifecycle
from emucluster.core.objects import (
    ConfigMap,
    Container,
    Namespace,
    Object,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodSpec,
    Service,
    ServicePort,
    ServiceSpec,
    replace,
)
from emucluster.core.store import Store, StoreEvent

NOW = "2026-01-01T00:00:00Z"


class World:
    """A store with both machines, stepped until nothing happens any more."""

    def __init__(self) -> None:
        self.store = Store(ids=random.Random(1))
        self.admission = Admission(self.store, rng=random.Random(2))
        self.machines = (GarbageCollector(self.admission), NamespaceLifecycle(self.admission))
        self._seen = 0
        self.admission.bootstrap(NOW)
        self.settle()

    def settle(self) -> None:
        while self._seen < self.store.version:
            events = self.store.events_since(self._seen)
            self._seen = self.store.version
            for machine in self.machines:
                for event in events:
                    machine.handle(event, now_s=0.0)
                machine.flush(now_s=0.0, stamp=NOW)

    def config(
        self, name: str, *owners: Object, namespace: str = "default", blocks: bool = True
    ) -> ConfigMap:
        references = tuple(
            OwnerReference(
                api_version="v1",
                kind=owner.kind,
                name=owner.metadata.name,
                uid=owner.metadata.uid,
                block_owner_deletion=blocks,
            )
            for owner in owners
        )
        meta = ObjectMeta(name=name, namespace=namespace, owner_references=references)
        made = self.admission.create(ConfigMap(metadata=meta), stamp=NOW)
        self.settle()
        return made

    def delete(self, obj: Object, propagation: str = "Background") -> None:
        meta = obj.metadata
        self.admission.delete(
            obj.kind, meta.namespace, meta.name, stamp=NOW, propagation=propagation
        )
        self.settle()

    def names(self, kind: str = "ConfigMap", namespace: str = "default") -> list[str]:
        return [obj.metadata.name for obj in self.store.list(kind, namespace)]


@pytest.fixture
def world() -> World:
    return World()


def test_in_the_background_what_is_owned_follows_its_owner(world: World) -> None:
    top = world.config("top")
    middle = world.config("middle", top)
    world.config("bottom", middle)
    world.config("other")
    world.delete(top)
    assert world.names() == ["other"]


def test_an_object_lives_as_long_as_one_of_its_owners(world: World) -> None:
    first, second = world.config("first"), world.config("second")
    world.config("both", first, second)
    world.delete(first)
    both = world.store.get(ConfigMap, "default", "both")
    assert both is not None
    assert [owner.name for owner in both.metadata.owner_references] == ["second"]
    world.delete(second)
    assert world.names() == []


def test_orphans_stay_and_name_no_owner(world: World) -> None:
    top = world.config("top")
    world.config("child", top)
    world.delete(top, "Orphan")
    assert world.names() == ["child"]
    child = world.store.get(ConfigMap, "default", "child")
    assert child is not None
    assert child.metadata.owner_references == ()


def test_in_the_foreground_the_owner_waits_for_what_blocks_it(world: World) -> None:
    top = world.config("top")
    child = world.config("child", top)
    held = replace(child, metadata=replace(child.metadata, finalizers=("a/b",)))
    world.store.update(held)
    world.config("free", top, blocks=False)
    world.delete(top, "Foreground")
    assert world.names() == ["top", "child"]
    child_now = world.store.get(ConfigMap, "default", "child")
    assert child_now is not None
    world.store.update(replace(child_now, metadata=replace(child_now.metadata, finalizers=())))
    world.settle()
    assert world.names() == []


def test_foreground_reaches_down_so_that_the_lowest_goes_first(world: World) -> None:
    top = world.config("top")
    middle = world.config("middle", top)
    world.config("bottom", middle)
    before = world.store.version
    world.delete(top, "Foreground")
    gone = [
        event.object.metadata.name
        for event in world.store.events_since(before)
        if event.type == "DELETED"
    ]
    assert gone == ["bottom", "middle", "top"]


def test_an_object_whose_owner_never_was_there_is_collected(world: World) -> None:
    top = world.config("top")
    ghost = replace(top, metadata=replace(top.metadata, uid="another"))
    world.config("lost", ghost)
    assert world.names() == ["top"]


def test_an_owner_in_another_namespace_does_not_count(world: World) -> None:
    top = world.config("top", namespace="kube-system")
    world.config("child", top)
    assert world.names() == []


def test_a_start_finds_what_was_left_undone() -> None:
    world = World()
    top = world.config("top")
    world.config("child", top)
    world.store.delete("ConfigMap", "default", "top", stamp=NOW)  # and the process dies
    batch = world.store.take_pending()
    world.store.restore(batch.rows, batch.version)
    fresh = GarbageCollector(world.admission)
    for event in _as_added(world.store):
        fresh.handle(event, now_s=0.0)
    fresh.flush(now_s=0.0, stamp=NOW)
    assert world.names() == []


def _as_added(store: Store) -> list[StoreEvent]:
    return [
        StoreEvent(store.version, "ADDED", obj.kind, obj, None, b"")
        for obj in store.list("ConfigMap")
    ]


def test_a_namespace_goes_when_its_contents_are_gone(world: World) -> None:
    world.admission.create(Namespace(metadata=ObjectMeta(name="team")), stamp=NOW)
    world.config("c", namespace="team")
    meta = ObjectMeta(name="web", namespace="team")
    service = Service(metadata=meta, spec=ServiceSpec(ports=(ServicePort(port=80),)))
    address = world.admission.create(service, stamp=NOW).spec.cluster_ip
    spec = PodSpec(containers=(Container(name="c", image="emucluster/echo"),), node_name="node-1")
    pod = Pod(metadata=ObjectMeta(name="p", namespace="team"), spec=spec)
    world.admission.create(pod, stamp=NOW)
    world.settle()
    world.admission.delete("Namespace", "", "team", stamp=NOW)
    world.settle()
    namespace = world.store.get(Namespace, "", "team")
    assert namespace is not None
    assert namespace.status.phase == "Terminating"
    assert world.names("ConfigMap", "team") == []
    assert world.names("Pod", "team") == ["p"]  # its node has not ended it yet
    assert address not in world.admission.allocations._ips
    world.store.delete("Pod", "team", "p", stamp=NOW, grace_period_s=0)
    world.settle()
    assert world.store.get(Namespace, "", "team") is None


def test_an_empty_namespace_goes_at_once(world: World) -> None:
    world.admission.create(Namespace(metadata=ObjectMeta(name="team")), stamp=NOW)
    world.admission.delete("Namespace", "", "team", stamp=NOW)
    world.settle()
    assert world.store.get(Namespace, "", "team") is None
