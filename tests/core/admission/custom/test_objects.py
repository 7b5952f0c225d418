"""Objects of custom kinds: created, changed, scaled, deleted, restored."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emucluster.core.admission.scale import Scale, scale_of
from emucluster.core.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Invalid,
    MethodNotAllowed,
    NotFound,
)
from emucluster.core.objects import (
    ConfigMap,
    CustomObject,
    Namespace,
    ObjectMeta,
    OwnerReference,
    Service,
    replace,
)
from emucluster.core.store import Store, list_page, parse_fields, parse_labels

from .world import LATER, NOW, World, decoded, definition, version, widget

KIND = "Widget.example.com"


@pytest.fixture
def world() -> World:
    world = World()
    world.define(definition(version(), version("v1beta1", storage=False)))
    return world


def changed(obj: CustomObject, **content: Any) -> CustomObject:
    return replace(obj, content={**obj.content, **content})


class TestWrites:
    def test_a_new_one_is_filled_pruned_and_without_status(self, world: World) -> None:
        made = world.create(widget(spec={"size": 2, "x": 1}, status={"size": 9}, y=1))
        assert made.content == {"spec": {"size": 2, "mode": "fast"}}
        assert (made.metadata.generation, made.api_version) == (1, "example.com/v1")
        assert world.store.get(KIND, "default", "w") == made

    def test_what_was_pruned_can_be_told(self, world: World) -> None:
        obj = decoded(widget(spec={"size": 2, "x": 1}, y=1), world.store)
        assert isinstance(obj, CustomObject)
        shaped, unknown = world.admission.preparation.pruned(obj)
        assert unknown == ("spec.x", "y")
        assert shaped.content == {"spec": {"size": 2, "mode": "fast"}}

    def test_any_served_version_is_stored_in_the_one_for_that(self, world: World) -> None:
        made = world.create(widget(version="v1beta1"))
        assert made.api_version == "example.com/v1"
        with pytest.raises(AlreadyExists, match=r'widgets\.example\.com "w" already exists'):
            world.create(widget())

    def test_a_bad_one_is_invalid_with_field_and_reason(self, world: World) -> None:
        with pytest.raises(Invalid) as caught:
            world.create(widget(spec={"size": "x"}))
        assert caught.value.message == (
            'Widget.example.com "w" is invalid: [spec.size: Invalid value: "string": spec.size in '
            'body must be of type integer: "string", .spec.size: Invalid value: 0: .spec.size '
            "accessor error: x is of the type string, expected int64]"
        )
        with pytest.raises(Invalid, match=r"spec\.size: Required value"):
            world.create(widget(spec={}))
        with pytest.raises(Invalid, match=r"metadata\.name: Invalid value"):
            world.create(widget("W"))
        with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
            world.create(widget() | {"metadata": {"name": "w", "namespace": "nowhere"}})

    def test_an_update_keeps_the_status_and_counts_what_is_desired(self, world: World) -> None:
        made = world.create(widget())
        told = world.admission.update(
            changed(made, status={"size": 1}), stamp=NOW, subresource="status"
        )
        assert told.metadata.generation == 1
        assert told.content["status"] == {"size": 1}
        more = world.admission.update(
            changed(told, spec={"size": 5}, status={"size": 7}), stamp=NOW
        )
        assert more.content == {"spec": {"size": 5, "mode": "fast"}, "status": {"size": 1}}
        assert more.metadata.generation == 2
        labelled = replace(more, metadata=replace(more.metadata, labels={"a": "b"}))
        assert world.admission.update(labelled, stamp=NOW).metadata.generation == 2
        again = world.store.get(KIND, "default", "w")
        assert isinstance(again, CustomObject)
        assert world.admission.update(again, stamp=NOW) is again

    def test_an_update_names_its_version_and_a_stale_one_is_a_conflict(self, world: World) -> None:
        made = world.create(widget())
        blind = replace(made, metadata=replace(made.metadata, resource_version=""))
        with pytest.raises(Invalid, match="must be specified for an update"):
            world.admission.update(blind, stamp=NOW)
        world.admission.update(changed(made, spec={"size": 2}), stamp=NOW)
        with pytest.raises(Conflict, match=r'widgets\.example\.com "w": the object has been mod'):
            world.admission.update(changed(made, spec={"size": 3}), stamp=NOW)

    def test_a_bad_status_is_refused(self, world: World) -> None:
        made = world.create(widget())
        with pytest.raises(Invalid, match=r"status\.size: Invalid value"):
            world.admission.update(
                changed(made, status={"size": "x"}), stamp=NOW, subresource="status"
            )

    def test_without_the_subresource_status_is_a_field_like_others(self) -> None:
        world = World()
        world.define(definition(version(subresources={})))
        made = world.create(widget(spec={"size": 1}, status={"size": 3}))
        assert made.content["status"] == {"size": 3}
        with pytest.raises(NotFound):
            world.admission.update(made, stamp=NOW, subresource="status")

    def test_names_are_generated(self, world: World) -> None:
        tree = widget() | {"metadata": {"generateName": "w-"}}
        assert world.create(tree).metadata.name.startswith("w-")

    def test_a_kind_that_nobody_defined_cannot_be_written(self, world: World) -> None:
        stray = CustomObject(api_version="other.com/v1", kind="Widget", content={})
        with pytest.raises(BadRequest, match='no matches for kind "Widget"'):
            world.admission.create(stray, stamp=NOW)

    def test_items_of_sets_and_maps_differ(self) -> None:
        world = World()
        one = version()
        spec = one["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        item = {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}}
        spec["map"] = {
            "type": "array",
            "items": item,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
        }
        spec["set"] = {
            "type": "array",
            "items": {"type": "string"},
            "x-kubernetes-list-type": "set",
        }
        world.define(definition(one))
        with pytest.raises(Invalid) as caught:
            world.create(widget(spec={"size": 1, "map": [{"k": "a"}] * 2, "set": ["x", "x"]}))
        assert [str(cause) for cause in caught.value.causes] == [
            'spec.map[1]: Duplicate value: map[string]interface {}{"k":"a"}',
            'spec.set[1]: Duplicate value: "x"',
        ]


class TestScale:
    def test_replicas_are_read_and_set_where_the_definition_says(self, world: World) -> None:
        world.create(widget(spec={"size": 2}))
        scaled = world.admission.scale(KIND, "default", "w", 4, stamp=NOW)
        row = world.store.kinds.get(KIND)
        assert row is not None
        assert scale_of(scaled, row) == Scale(wanted=4, current=0)
        with pytest.raises(Invalid, match=r"spec\.replicas: Invalid value: -1"):
            world.admission.scale(KIND, "default", "w", -1, stamp=NOW)

    def test_replicas_are_counts(self, world: World) -> None:
        with pytest.raises(Invalid, match=r"\.spec\.size: Invalid value: 2147483648: should be"):
            world.create(widget(spec={"size": 2**31}))


class TestReads:
    def test_lists_selectors_and_pages_work_as_for_any_kind(self, world: World) -> None:
        for name in "cab":
            tree = widget(name)
            tree["metadata"]["labels"] = {"n": name}
            world.create(tree)
        page = list_page(world.store, KIND, "default", limit=2)
        assert [obj.metadata.name for obj in page.objects] == ["a", "b"]
        assert page.remaining == 1
        found = list_page(world.store, KIND, labels=parse_labels("n=c"))
        assert [obj.metadata.name for obj in found.objects] == ["c"]

    def test_fields_that_the_definition_names_can_be_selected_by(self) -> None:
        world = World()
        world.define(definition(version(selectableFields=[{"jsonPath": ".spec.mode"}])))
        world.create(widget("a", spec={"size": 1, "mode": "slow"}))
        world.create(widget("b"))
        row = world.store.kinds.get(KIND)
        assert row is not None
        fields = parse_fields(row, "spec.mode=slow")
        (found,) = list_page(world.store, KIND, fields=fields).objects
        assert found.metadata.name == "a"
        with pytest.raises(BadRequest, match=r"field label not supported: spec\.size"):
            parse_fields(row, "spec.size=1")

    def test_a_kind_called_service_leaves_service_alone(self) -> None:
        world = World()
        world.define(definition(kind="Service"))
        tree = widget("kubernetes") | {"kind": "Service"}
        world.create(tree)
        assert isinstance(world.store.get("Service", "default", "kubernetes"), Service)
        found = world.store.get("Service.example.com", "default", "kubernetes")
        assert isinstance(found, CustomObject)
        world.admission.delete("CustomResourceDefinition", "", "services.example.com", stamp=NOW)
        world.settle()
        assert isinstance(world.store.get("Service", "default", "kubernetes"), Service)
        assert world.store.count("Service.example.com") == 0


class TestEnds:
    def test_a_definition_takes_its_objects_along(self, world: World) -> None:
        world.create(widget("a"))
        world.create(widget("b"))
        marked = world.admission.delete(
            "CustomResourceDefinition", "", "widgets.example.com", stamp=NOW
        )
        assert marked.metadata.finalizers == ("customresourcecleanup.apiextensions.k8s.io",)
        with pytest.raises(MethodNotAllowed, match="create not allowed while custom resource"):
            world.create(widget("c"))
        world.settle()
        assert world.crd() is None
        assert world.store.kinds.get(KIND) is None
        assert world.store.count(KIND) == 0

    def test_and_waits_for_their_finalizers(self, world: World) -> None:
        tree = widget()
        tree["metadata"]["finalizers"] = ["example.com/hold"]
        world.create(tree)
        world.admission.delete("CustomResourceDefinition", "", "widgets.example.com", stamp=NOW)
        world.settle()
        crd = world.crd()
        assert crd is not None
        assert crd.status.conditions[-1].reason == "InstanceDeletionInProgress"
        held = world.store.get(KIND, "default", "w")
        assert held is not None
        assert held.metadata.deletion_timestamp
        world.admission.update(
            replace(held, metadata=replace(held.metadata, finalizers=())), stamp=NOW
        )
        world.settle()
        assert world.crd() is None

    def test_a_defined_again_kind_starts_empty(self, world: World) -> None:
        world.create(widget())
        world.admission.delete("CustomResourceDefinition", "", "widgets.example.com", stamp=NOW)
        world.settle()
        world.define()
        assert list(world.store.list(KIND)) == []

    def test_a_namespace_takes_them_along(self, world: World) -> None:
        world.admission.create(Namespace(metadata=ObjectMeta(name="shop")), stamp=NOW)
        world.create(widget() | {"metadata": {"name": "w", "namespace": "shop"}})
        world.admission.delete("Namespace", "", "shop", stamp=NOW)
        world.settle()
        assert world.store.get(Namespace, "", "shop") is None
        assert world.store.count(KIND) == 0

    def test_owners_may_be_custom(self, world: World) -> None:
        owner = world.create(widget())
        reference = OwnerReference(
            api_version=owner.api_version, kind="Widget", name="w", uid=owner.metadata.uid
        )
        meta = ObjectMeta(name="c", namespace="default", owner_references=(reference,))
        world.admission.create(ConfigMap(metadata=meta), stamp=NOW)
        world.settle()
        assert world.store.get(ConfigMap, "default", "c") is not None
        world.admission.delete(KIND, "default", "w", stamp=NOW)
        world.settle()
        assert world.store.get(ConfigMap, "default", "c") is None


def test_a_restart_restores_kinds_and_objects_in_whatever_order_they_were_written(
    world: World,
) -> None:
    made = world.create(widget())
    crd = world.crd()
    assert crd is not None
    world.admission.update(  # now the definition is the newer row
        replace(crd, metadata=replace(crd.metadata, labels={"a": "b"})), stamp=LATER
    )
    rows = world.store.take_pending()
    again = Store(ids=random.Random(3))
    kinds = again.kinds
    again.restore(rows.rows, rows.version)
    assert again.kinds is kinds
    assert again.get(KIND, "default", "w") == made
    assert again.kinds.find("example.com", "v1beta1", "widgets") is not None
    restarted = World(again)
    with pytest.raises(AlreadyExists):
        restarted.create(widget())
    restarted.admission.delete(KIND, "default", "w", stamp=NOW)
    assert again.count(KIND) == 0
