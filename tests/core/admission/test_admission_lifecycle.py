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
from emucluster.core.store.deletion import later

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

    def settle(self, now_s: float = 0.0) -> None:
        while self._seen < self.store.version or self.wake_s() <= now_s:
            events = self.store.events_since(self._seen)
            self._seen = self.store.version
            for machine in self.machines:
                for event in events:
                    machine.handle(event, now_s=now_s)
                machine.flush(now_s=now_s, stamp=later(NOW, int(now_s)))

    def wake_s(self) -> float:
        wake_s = self.machines[1].next_wake_s()
        return float("inf") if wake_s is None else wake_s

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


@pytest.mark.parametrize("length", [1, 2, 3, 1200])
def test_owners_in_a_circle_do_not_wait_for_one_another(world: World, length: int) -> None:
    first = last = world.config("o0")
    for number in range(1, length):
        last = world.config(f"o{number}", last)
    closing = OwnerReference(
        api_version="v1",
        kind="ConfigMap",
        name=last.metadata.name,
        uid=last.metadata.uid,
        block_owner_deletion=True,
    )
    metadata = replace(first.metadata, owner_references=(closing,))
    first = world.store.update(replace(first, metadata=metadata))
    world.settle()
    world.delete(first, "Foreground")
    assert world.names() == []


def test_an_object_whose_owner_never_was_there_is_collected(world: World) -> None:
    top = world.config("top")
    ghost = replace(top, metadata=replace(top.metadata, uid="another"))
    world.config("lost", ghost)
    assert world.names() == ["top"]


def test_an_owner_in_another_namespace_does_not_count(world: World) -> None:
    top = world.config("top", namespace="kube-system")
    world.config("child", top)
    assert world.names() == []


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("v1", "Nope"), ("gone.example.com/v1", "Thing"), ("v2", "ConfigMap")],
)
def test_an_owner_of_a_kind_that_is_not_served_is_no_reason_to_delete(
    world: World, api_version: str, kind: str
) -> None:
    unknown = OwnerReference(api_version=api_version, kind=kind, name="n", uid="u")
    meta = ObjectMeta(name="child", namespace="default", owner_references=(unknown,))
    world.admission.create(ConfigMap(metadata=meta), stamp=NOW)
    world.settle()
    assert world.names() == ["child"]
    # Nor while another owner of it goes: who knows about the first?
    top = world.config("top")
    both = (unknown, _reference(top))
    child = world.store.get(ConfigMap, "default", "child")
    assert child is not None
    world.store.update(replace(child, metadata=replace(child.metadata, owner_references=both)))
    world.delete(top)
    assert world.names() == ["child"]
    kept = world.store.get(ConfigMap, "default", "child")
    assert kept is not None
    assert kept.metadata.owner_references == both


def test_an_object_without_namespace_is_not_deleted_for_an_owner_with_one(world: World) -> None:
    owner = OwnerReference(api_version="v1", kind="ConfigMap", name="none", uid="u")
    meta = ObjectMeta(name="space", owner_references=(owner,))
    world.admission.create(Namespace(metadata=meta), stamp=NOW)
    world.settle()
    assert world.store.get(Namespace, "", "space") is not None


def _reference(owner: Object) -> OwnerReference:
    meta = owner.metadata
    return OwnerReference(api_version="v1", kind=owner.kind, name=meta.name, uid=meta.uid)


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


def conditions(world: World) -> dict[str, tuple[str | None, ...]]:
    namespace = world.store.get(Namespace, "", "team")
    assert namespace is not None
    return {
        each.type: (each.status, each.reason, each.message, each.last_transition_time)
        for each in namespace.status.conditions
    }


FINE = {
    "NamespaceDeletionDiscoveryFailure": (
        *("False", "ResourcesDiscovered", "All resources successfully discovered"),
        NOW,
    ),
    "NamespaceDeletionGroupVersionParsingFailure": (
        *("False", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
        NOW,
    ),
    "NamespaceDeletionContentFailure": (
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
        NOW,
    ),
    "NamespaceContentRemaining": (
        *("False", "ContentRemoved", "All content successfully removed"),
        NOW,
    ),
    "NamespaceFinalizersRemaining": (
        *("False", "ContentRemoved", "All content successfully removed"),
        NOW,
    ),
}


def a_pod(world: World, name: str, *, finalizers: tuple[str, ...] = (), node: str = "") -> Pod:
    spec = PodSpec(containers=(Container(name="c", image="emucluster/echo"),), node_name=node)
    meta = ObjectMeta(name=name, namespace="team", finalizers=finalizers)
    return world.admission.create(Pod(metadata=meta, spec=spec), stamp=NOW)


def test_a_namespace_under_deletion_tells_what_is_left_in_it(world: World) -> None:
    world.admission.create(Namespace(metadata=ObjectMeta(name="team")), stamp=NOW)
    a_pod(world, "a", finalizers=("x.io/y", "x.io/a"))
    a_pod(world, "b", finalizers=("x.io/y",))
    world.admission.create(
        ConfigMap(metadata=ObjectMeta(name="c", namespace="team", finalizers=("x.io/y",))),
        stamp=NOW,
    )
    world.admission.delete("Namespace", "", "team", stamp=NOW)
    world.settle()
    assert conditions(world) == FINE | {
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances, pods. has 2 "
            "resource instances",
            NOW,
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: x.io/a in 1 resource "
            "instances, x.io/y in 3 resource instances",
            NOW,
        ),
    }
    assert list(conditions(world)) == list(FINE)
    version = world.store.version
    world.settle(1000.0)  # pods' grace periods are over, their finalizers are not
    assert world.store.version == version
    for kind, name in (("Pod", "a"), ("ConfigMap", "c")):
        held = world.store.get(kind, "team", name)
        assert held is not None
        world.store.update(replace(held, metadata=replace(held.metadata, finalizers=())))
    world.settle(2000.0)
    remaining = conditions(world)["NamespaceFinalizersRemaining"]
    assert remaining[2:] == (
        "Some content in the namespace has finalizers remaining: x.io/y in 1 resource instances",
        NOW,
    )


def test_pods_that_end_in_time_are_no_failure_and_others_are(world: World) -> None:
    world.admission.create(Namespace(metadata=ObjectMeta(name="team")), stamp=NOW)
    a_pod(world, "p", node="node-1")
    world.admission.delete("Namespace", "", "team", stamp=NOW)
    world.settle()
    remaining = ("True", "SomeResourcesRemain", "Some resources are remaining: pods. has 1 ")
    told = conditions(world)
    assert told["NamespaceContentRemaining"][:2] == remaining[:2]
    assert told["NamespaceFinalizersRemaining"] == FINE["NamespaceFinalizersRemaining"]
    assert told["NamespaceDeletionContentFailure"] == FINE["NamespaceDeletionContentFailure"]
    assert world.wake_s() == 16
    world.settle(16.0)
    assert conditions(world) == told
    assert world.wake_s() == 32
    world.settle(32.0)
    assert conditions(world)["NamespaceDeletionContentFailure"] == (
        "True",
        "ContentDeletionFailed",
        "Failed to delete all resource types, 1 remaining: unexpected items still remain in "
        "namespace: team for gvr: /v1, Resource=pods",
        later(NOW, 32),
    )


def test_the_last_conditions_of_a_namespace_say_that_all_is_gone(world: World) -> None:
    world.admission.create(Namespace(metadata=ObjectMeta(name="team")), stamp=NOW)
    a_pod(world, "p", node="node-1")
    world.admission.delete("Namespace", "", "team", stamp=NOW)
    world.settle()
    world.store.delete("Pod", "team", "p", stamp=NOW, grace_period_s=0)
    version = world.store.version
    world.settle()
    (gone,) = [e for e in world.store.events_since(version) if e.type == "DELETED"]
    assert isinstance(gone.object, Namespace)
    assert [each.status for each in gone.object.status.conditions] == ["False"] * 5
    assert world.machines[1].next_wake_s() is None
