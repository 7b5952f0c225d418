"""Rules of the store: versions, optimistic concurrency, parts, generation, deletion."""

from __future__ import annotations

import random

import pytest

from emucluster.core.errors import AlreadyExists, Conflict, Gone, Invalid, NotFound
from emucluster.core.objects import (
    ConfigMap,
    Container,
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
    Namespace,
    NamespaceSpec,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
    replace,
)
from emucluster.core.store import Store

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def store() -> Store:
    return Store(ids=random.Random(1))


def pod(name: str = "a", *, node: str | None = "node-1", grace_s: int | None = 30) -> Pod:
    spec = PodSpec(
        containers=(Container(name="c"),),
        node_name=node,
        termination_grace_period_seconds=grace_s,
    )
    return Pod(metadata=ObjectMeta(namespace="default", name=name), spec=spec)


def deployment() -> Deployment:
    return Deployment(
        metadata=ObjectMeta(namespace="default", name="web"), spec=DeploymentSpec(replicas=1)
    )


def types(store: Store, since: int = 0) -> list[str]:
    return [event.type for event in store.events_since(since)]


class TestCreate:
    def test_a_new_object_gets_uid_time_version_and_generation(self, store: Store) -> None:
        made = store.create(deployment(), stamp=NOW).metadata
        assert (made.resource_version, made.generation, made.creation_timestamp) == ("1", 1, NOW)
        assert len(made.uid) == 36
        assert made.uid[14] == "4"
        assert made.uid[19] in "89ab"

    def test_equal_seeds_give_equal_uids_and_each_object_another(self) -> None:
        def uids(seed: int) -> list[str]:
            store = Store(ids=random.Random(seed))
            return [store.create(pod(name), stamp=NOW).metadata.uid for name in "abc"]

        assert uids(1) == uids(1)
        assert uids(1) != uids(2)
        assert len(set(uids(1))) == 3

    def test_a_name_is_taken_only_within_its_kind_and_namespace(self, store: Store) -> None:
        store.create(pod(), stamp=NOW)
        with pytest.raises(AlreadyExists, match='pods "a" already exists'):
            store.create(pod(), stamp=NOW)
        store.create(ConfigMap(metadata=ObjectMeta(namespace="default", name="a")), stamp=NOW)
        store.create(Pod(metadata=ObjectMeta(namespace="other", name="a")), stamp=NOW)

    def test_kinds_without_generation_get_none(self, store: Store) -> None:
        made = store.create(ConfigMap(metadata=ObjectMeta(namespace="x", name="c")), stamp=NOW)
        assert made.metadata.generation is None


class TestUpdate:
    def test_a_write_based_on_an_older_version_is_refused(self, store: Store) -> None:
        made = store.create(deployment(), stamp=NOW)
        first = replace(made, spec=replace(made.spec, replicas=2))
        store.update(first, expect=made.metadata.resource_version)
        with pytest.raises(Conflict, match=r'on deployments\.apps "web": the object has been mod'):
            store.update(first, expect=made.metadata.resource_version)

    def test_an_object_of_the_same_name_but_another_uid_is_not_touched(self, store: Store) -> None:
        made = store.create(pod(), stamp=NOW)
        store.delete("Pod", "default", "a", stamp=NOW, grace_period_s=0)
        store.create(pod(), stamp=NOW)
        with pytest.raises(Conflict, match="UID in precondition"):
            store.update(replace(made, status=PodStatus(phase="Running")), subresource="status")

    def test_an_update_that_changes_nothing_writes_nothing(self, store: Store) -> None:
        made = store.create(deployment(), stamp=NOW)
        same = replace(made, metadata=replace(made.metadata, resource_version="", uid=""))
        assert store.update(same) is made
        assert store.version == 1

    def test_only_a_change_of_spec_raises_the_generation(self, store: Store) -> None:
        made = store.create(deployment(), stamp=NOW)
        labelled = store.update(replace(made, metadata=replace(made.metadata, labels={"a": "b"})))
        assert labelled.metadata.generation == 1
        assert labelled.spec is made.spec
        ready = replace(labelled, status=DeploymentStatus(ready_replicas=1))
        assert store.update(ready, subresource="status").metadata.generation == 1
        scaled = store.update(replace(labelled, spec=replace(made.spec, replicas=5)))
        assert scaled.metadata.generation == 2

    def test_binding_a_pod_does_not_raise_its_generation(self, store: Store) -> None:
        made = store.create(pod(node=None), stamp=NOW)
        bound = store.update(replace(made, spec=replace(made.spec, node_name="node-1")))
        assert bound.metadata.generation == 1
        changed = replace(bound.spec, active_deadline_seconds=5)
        assert store.update(replace(bound, spec=changed)).metadata.generation == 2

    def test_a_main_update_keeps_status_and_a_status_update_all_else(self, store: Store) -> None:
        made = store.create(deployment(), stamp=NOW)
        both = replace(
            made, spec=replace(made.spec, replicas=3), status=DeploymentStatus(replicas=7)
        )
        assert store.update(both, subresource="status").spec is made.spec
        after = store.update(replace(both, status=DeploymentStatus()))
        assert (after.spec.replicas, after.status.replicas) == (3, 7)

    def test_system_fields_cannot_be_changed_by_a_request(self, store: Store) -> None:
        made = store.create(pod(), stamp=NOW)
        metadata = replace(made.metadata, creation_timestamp="2000-01-01T00:00:00Z", generation=9)
        assert store.update(replace(made, metadata=metadata)) is made

    def test_what_is_not_there_cannot_be_updated(self, store: Store) -> None:
        with pytest.raises(NotFound, match=r'deployments\.apps "web" not found'):
            store.update(deployment())


class TestDelete:
    def test_an_object_without_finalizers_goes_at_once(self, store: Store) -> None:
        store.create(deployment(), stamp=NOW)
        gone = store.delete("Deployment", "default", "web", stamp=NOW)
        assert gone.metadata.resource_version == "2"
        assert store.get("Deployment", "default", "web") is None
        assert types(store) == ["ADDED", "DELETED"]

    def test_a_running_pod_is_marked_with_its_own_grace_period(self, store: Store) -> None:
        store.create(pod(grace_s=20), stamp=NOW)
        marked = store.delete("Pod", "default", "a", stamp=NOW).metadata
        assert marked.deletion_timestamp == "2026-01-01T00:00:20Z"
        assert marked.deletion_grace_period_seconds == 20
        assert marked.generation == 2

    def test_a_pod_that_names_no_period_is_granted_thirty_seconds(self, store: Store) -> None:
        store.create(pod(grace_s=None), stamp=NOW)
        marked = store.delete("Pod", "default", "a", stamp=NOW).metadata
        assert marked.deletion_grace_period_seconds == 30

    def test_a_second_delete_can_only_shorten_the_period(self, store: Store) -> None:
        store.create(pod(), stamp=NOW)
        store.delete("Pod", "default", "a", stamp=NOW, grace_period_s=10)
        later = "2026-01-01T00:00:05Z"
        longer = store.delete("Pod", "default", "a", stamp=later, grace_period_s=60)
        assert longer.metadata.deletion_timestamp == "2026-01-01T00:00:10Z"
        shorter = store.delete("Pod", "default", "a", stamp=later, grace_period_s=2)
        assert shorter.metadata.deletion_timestamp == "2026-01-01T00:00:02Z"
        store.delete("Pod", "default", "a", stamp=later, grace_period_s=0)
        assert types(store)[-1] == "DELETED"

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_a_finished_pod_goes_at_once(self, store: Store, phase: str) -> None:
        store.create(replace(pod(), status=PodStatus(phase=phase)), stamp=NOW)
        store.delete("Pod", "default", "a", stamp=NOW)
        assert store.get(Pod, "default", "a") is None

    def test_an_unscheduled_pod_goes_at_once(self, store: Store) -> None:
        store.create(pod(node=None), stamp=NOW)
        store.delete("Pod", "default", "a", stamp=NOW)
        assert store.get(Pod, "default", "a") is None

    def test_the_last_finalizer_lets_it_go(self, store: Store) -> None:
        made = store.create(
            replace(deployment(), metadata=replace(deployment().metadata, finalizers=("x", "y"))),
            stamp=NOW,
        )
        marked = store.delete(made.kind, "default", "web", stamp=NOW)
        assert marked.metadata.deletion_timestamp == NOW
        one = store.update(replace(marked, metadata=replace(marked.metadata, finalizers=("y",))))
        store.update(replace(one, metadata=replace(one.metadata, finalizers=())))
        assert types(store) == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
        assert store.get("Deployment", "default", "web") is None

    def test_a_pod_without_finalizers_still_waits_for_its_grace_period(self, store: Store) -> None:
        held = replace(pod(), metadata=replace(pod().metadata, finalizers=("x",)))
        store.create(held, stamp=NOW)
        marked = store.delete("Pod", "default", "a", stamp=NOW)
        store.update(replace(marked, metadata=replace(marked.metadata, finalizers=())))
        assert store.get(Pod, "default", "a") is not None
        store.delete("Pod", "default", "a", stamp=NOW, grace_period_s=0)
        assert store.get(Pod, "default", "a") is None

    def test_a_deletion_cannot_be_taken_back(self, store: Store) -> None:
        store.create(pod(), stamp=NOW)
        marked = store.delete("Pod", "default", "a", stamp=NOW)
        undone = replace(marked, metadata=replace(marked.metadata, deletion_timestamp=None))
        assert store.update(undone).metadata.deletion_timestamp is not None

    def test_no_finalizer_can_be_added_to_what_is_being_deleted(self, store: Store) -> None:
        store.create(pod(), stamp=NOW)
        marked = store.delete("Pod", "default", "a", stamp=NOW)
        with pytest.raises(Invalid, match=r'found new finalizers \[\]string\{"x"\}'):
            store.update(replace(marked, metadata=replace(marked.metadata, finalizers=("x",))))

    def test_a_namespace_terminates_until_its_own_finalizer_is_gone(self, store: Store) -> None:
        store.create(
            Namespace(metadata=ObjectMeta(name="n"), spec=NamespaceSpec(finalizers=("k",))),
            stamp=NOW,
        )
        store.delete("Namespace", "", "n", stamp=NOW)
        marked = store.get(Namespace, "", "n")
        assert marked is not None
        assert marked.status.phase == "Terminating"
        emptied = replace(marked, spec=NamespaceSpec())
        assert store.update(emptied) is marked
        store.update(emptied, subresource="finalize")
        assert store.get(Namespace, "", "n") is None

    def test_preconditions_are_checked_first(self, store: Store) -> None:
        store.create(pod(), stamp=NOW)
        with pytest.raises(Conflict, match=r"the UID in the precondition \(other\) does not match"):
            store.delete("Pod", "default", "a", stamp=NOW, uid="other")


class TestReading:
    def test_writes_do_not_disturb_a_list_that_is_being_read(self, store: Store) -> None:
        for name in "abc":
            store.create(pod(name), stamp=NOW)
        seen = []
        for found in store.list(Pod):
            seen.append(found.metadata.name)
            store.delete("Pod", "default", found.metadata.name, stamp=NOW, grace_period_s=0)
        assert seen == ["a", "b", "c"]

    def test_selectors_choose(self, store: Store) -> None:
        for name, node, app in (("a", "n1", "x"), ("b", "n2", "x"), ("c", "n1", "y")):
            base = pod(name, node=node)
            labels = replace(base.metadata, labels={"app": app})
            store.create(replace(base, metadata=labels), stamp=NOW)

        def names(**selectors: str) -> list[str]:
            return [p.metadata.name for p in store.list(Pod, **selectors)]

        assert names(label_selector="app=x") == ["a", "b"]
        assert names(field_selector="spec.nodeName=n1") == ["a", "c"]
        assert names(label_selector="app=x", field_selector="spec.nodeName=n1") == ["a"]
        assert names(field_selector="metadata.name!=a") == ["b", "c"]
        assert names(label_selector="app notin (x)") == ["c"]
        assert [p.metadata.name for p in store.pods_on("n1")] == ["a", "c"]

    def test_owned_objects_are_found_by_the_owners_uid(self, store: Store) -> None:
        owner = store.create(deployment(), stamp=NOW)
        reference = OwnerReference(kind="Deployment", name="web", uid=owner.metadata.uid)
        owned = replace(pod(), metadata=replace(pod().metadata, owner_references=(reference,)))
        made = store.create(owned, stamp=NOW)
        assert list(store.owned_by(owner.metadata.uid)) == [made]
        assert store.by_uid(made.metadata.uid) is made


class TestEventsAndBatches:
    def test_an_event_has_the_object_before_and_after(self, store: Store) -> None:
        made = store.create(pod(), stamp=NOW)
        ready = replace(made, status=PodStatus(phase="Running"))
        after = store.update(ready, subresource="status")
        (event,) = store.events_since(1)
        assert (event.version, event.old, event.object) == (2, made, after)
        assert event.old is not None
        assert event.object.spec is made.spec  # type: ignore[attr-defined]

    def test_a_reader_held_back_at_the_durable_version_sees_no_more(self, store: Store) -> None:
        for name in "abc":
            store.create(pod(name), stamp=NOW)
        assert [event.version for event in store.events_since(0, until=2)] == [1, 2]
        assert [event.version for event in store.events_since(2)] == [3]

    def test_dropped_events_and_unknown_versions_are_gone(self) -> None:
        store = Store(ids=random.Random(1), window_events=2)
        for name in "abc":
            store.create(pod(name), stamp=NOW)
        assert [event.version for event in store.events_since(1)] == [2, 3]
        with pytest.raises(Gone, match=r"too old resource version: 0 \(1\)"):
            store.events_since(0)
        with pytest.raises(Gone, match="too large resource version: 9, current: 3"):
            store.events_since(9)

    def test_the_window_is_bounded_by_bytes_too(self) -> None:
        store = Store(ids=random.Random(1), window_bytes=10_000)
        for number in range(30):
            meta = ObjectMeta(namespace="default", name=f"c{number}")
            store.create(ConfigMap(metadata=meta, data={"x": "x" * 2_000}), stamp=NOW)
        assert [event.version for event in store.events_since(27)] == [28, 29, 30]
        with pytest.raises(Gone):
            store.events_since(20)

    def test_a_removal_is_told_at_once_whatever_caused_it(self, store: Store) -> None:
        removed: list[str] = []
        store.on_removal(lambda obj: removed.append(obj.metadata.name))
        store.create(deployment(), stamp=NOW)
        store.delete("Deployment", "default", "web", stamp=NOW)
        held = replace(pod(), metadata=replace(pod().metadata, finalizers=("x",)))
        store.create(held, stamp=NOW)
        marked = store.delete("Pod", "default", "a", stamp=NOW, grace_period_s=0)
        assert removed == ["web"]
        store.update(replace(marked, metadata=replace(marked.metadata, finalizers=())))
        assert removed == ["web", "a"]

    def test_a_batch_has_each_object_once_and_the_counter(self, store: Store) -> None:
        made = store.create(pod(), stamp=NOW)
        store.update(replace(made, status=PodStatus(phase="Running")), subresource="status")
        store.create(pod("b"), stamp=NOW)
        store.delete("Pod", "default", "b", stamp=NOW, grace_period_s=0)
        batch = store.take_pending()
        assert [(row.key[2], row.version, row.json is None) for row in batch.rows] == [
            ("a", 2, False),
            ("b", 4, True),
        ]
        assert batch.version == 4
        assert store.take_pending().rows == ()

    def test_a_restored_store_is_equal_and_goes_on_counting(self, store: Store) -> None:
        for name in "abc":
            store.create(pod(name), stamp=NOW)
        store.delete("Pod", "default", "c", stamp=NOW, grace_period_s=0)
        batch = store.take_pending()
        again = Store(ids=random.Random(2))
        again.restore(batch.rows, batch.version)
        assert list(again.list(Pod)) == list(store.list(Pod))
        assert again.create(pod("d"), stamp=NOW).metadata.resource_version == "5"
        with pytest.raises(Gone):
            again.events_since(3)

    def test_restored_pods_of_one_template_share_its_parts(self, store: Store) -> None:
        for name in "ab":
            store.create(pod(name, node=f"node-{name}"), stamp=NOW)
        batch = store.take_pending()
        store.restore(batch.rows, batch.version)
        first, second = store.list(Pod)
        assert first.spec.containers is second.spec.containers
        assert (first.spec.node_name, second.spec.node_name) == ("node-a", "node-b")
