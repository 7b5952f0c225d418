"""Accounts of writes, for objects as the store has them."""

import pytest

from emucluster.core.objects import CustomObject, ManagedFieldsEntry, ObjectMeta, replace
from emucluster.core.objects.codec import decode_tree, to_tree
from emucluster.core.patching import managed
from emucluster.core.patching.accounts import Account, CreatedPods, entries_of, settled
from emucluster.core.schemas.schema import custom_schema, schema_of

POD, DEPLOYMENT = schema_of("v1", "Pod"), schema_of("apps/v1", "Deployment")


def pod(name="p", **labels):
    return decode_tree(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": labels},
            "spec": {"containers": [{"name": "c", "image": "echo:1"}]},
        }
    )


def account(manager="m", stamp="t1", schema=POD, **options):
    return Account(manager=manager, stamp=stamp, schema=schema, has_status=True, **options)


def test_a_pod_is_accounted_for_as_any_tree_is():
    obj = account()(None, pod(a="1"))
    tree = managed.updated(None, to_tree(pod(a="1")), manager="m", stamp="t1", schema=POD)
    assert entries_of(obj.metadata.managed_fields) == tree["metadata"]["managedFields"]


def test_pods_of_one_shape_share_their_fields():
    created = CreatedPods()
    one, other = (account(created=created)(None, pod(name, a=name)) for name in "xy")
    third = account(created=created)(None, pod("z", b="1"))
    fields = [o.metadata.managed_fields[0].fields_v1 for o in (one, other, third)]
    assert fields[0] is fields[1]
    assert fields[2] != fields[0]
    assert "f:b" in fields[2]["f:metadata"]["f:labels"]


def test_an_update_is_accounted_for_by_what_differs():
    old = account("a")(None, pod(a="1"))
    labels = {"a": "2"}
    new = replace(old, metadata=replace(old.metadata, labels=labels))
    after = account("b", "t2")(old, new)
    by_name = {e["manager"]: e["fieldsV1"] for e in entries_of(after.metadata.managed_fields)}
    assert by_name["b"] == {"f:metadata": {"f:labels": {"f:a": {}}}}
    assert by_name["a"]["f:metadata"] == {"f:labels": {}}
    tree = managed.updated(
        to_tree(old), to_tree(new), manager="b", stamp="t2", schema=POD, sent=None
    )
    assert entries_of(after.metadata.managed_fields) == tree["metadata"]["managedFields"]


def test_an_update_that_leaves_the_entries_out_does_not_lose_them():
    old = account("a")(None, pod(a="1"))
    bare = replace(old, metadata=replace(old.metadata, managed_fields=()))
    assert account("b", "t2")(old, bare) == old


@pytest.mark.parametrize("sent", [[], [{}]])
def test_an_update_can_reset_the_entries(sent):
    old = account("a")(None, pod(a="1"))
    assert account("b", sent=sent)(old, old).metadata.managed_fields == ()


def test_status_has_an_entry_of_its_own():
    old = account("a")(None, pod())
    new = replace(old, status=replace(old.status, phase="Running"))
    after = account("kubelet", "t2", subresource="status")(old, new)
    (entry,) = (e for e in after.metadata.managed_fields if e.subresource == "status")
    assert entry == ManagedFieldsEntry(
        api_version="v1",
        fields_type="FieldsV1",
        fields_v1={"f:status": {"f:phase": {}}},
        manager="kubelet",
        operation="Update",
        subresource="status",
        time="t2",
    )


def test_new_times_alone_change_nothing():
    old = account("a")(None, pod(a="1"))
    later = tuple(replace(e, time="t9") for e in old.metadata.managed_fields)
    new = replace(old, metadata=replace(old.metadata, managed_fields=later))
    assert settled(old, new) == old
    changed = replace(new, metadata=replace(new.metadata, labels={"a": "2"}))
    assert settled(old, changed) == changed


def test_a_custom_object():
    def widget(spec):
        meta = ObjectMeta(name="w", namespace="default")
        return CustomObject(
            kind="Widget", api_version="example.com/v1", metadata=meta, content={"spec": spec}
        )

    schema = custom_schema(None)
    old = account("a", schema=schema)(None, widget({"size": 1, "deep": {"x": [1]}}))
    (entry,) = entries_of(old.metadata.managed_fields)
    assert entry["apiVersion"] == "example.com/v1"
    assert entry["fieldsV1"] == {"f:spec": {".": {}, "f:size": {}, "f:deep": {".": {}, "f:x": {}}}}
    new = replace(old, content={"spec": {"size": 2, "deep": {"x": [1]}}})
    after = account("b", "t2", schema=schema)(old, new)
    by_name = {e["manager"]: e["fieldsV1"] for e in entries_of(after.metadata.managed_fields)}
    assert by_name["b"] == {"f:spec": {"f:size": {}}}
    assert "f:size" not in by_name["a"]["f:spec"]
