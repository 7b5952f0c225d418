"""The kinds that a store serves: built-in, custom, and shown twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from emucluster.core.errors import BadRequest
from emucluster.core.objects import (
    CustomObject,
    CustomResourceDefinition,
    CustomResourceDefinitionVersion,
    Event,
    EventsEvent,
    ObjectMeta,
    replace,
)
from emucluster.core.objects.codec import (
    decode_custom,
    decode_json,
    decode_tree,
    encode_json,
    to_tree,
)
from emucluster.core.objects.kinds import Kinds, version_order
from emucluster.core.objects.registry import RESOURCES, VIEWS
from emucluster.core.objects.views import as_served, as_stored

MANIFESTS = Path(__file__).parent / "manifests"


def definition(*, kind: str = "Widget", group: str = "example.com") -> CustomResourceDefinition:
    tree = yaml.safe_load((MANIFESTS / "CustomResourceDefinition.yaml").read_text())
    names = {"plural": f"{kind.lower()}s", "kind": kind, "categories": ["all"]}
    tree["metadata"]["name"] = f"{kind.lower()}s.{group}"
    tree["spec"] |= {"group": group, "names": names}
    tree["status"]["acceptedNames"] = names
    old = {"name": "v1beta1", "served": True, "storage": False}
    hidden = {"name": "v1alpha1", "served": False, "storage": False}
    tree["spec"]["versions"] = [hidden, old, *tree["spec"]["versions"]]
    obj = decode_tree(tree)
    assert isinstance(obj, CustomResourceDefinition)
    return obj


WIDGET = {
    "apiVersion": "example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "w", "namespace": "default"},
    "spec": {"size": 3, "odd": [None, {"deep": 1.5}]},
    "extra": True,
}


@pytest.fixture
def kinds() -> Kinds:
    kinds = Kinds()
    kinds.define(definition())
    return kinds


def test_every_built_in_kind_is_found_by_path_and_by_kind() -> None:
    kinds = Kinds()
    for row in (*RESOURCES, *VIEWS):
        assert kinds.find(row.group, row.version, row.plural) is row
        assert kinds.named(row.api_version, row.kind) is row
    assert kinds.stored() == RESOURCES
    assert kinds.all() == (*RESOURCES, *VIEWS)


def test_no_two_resources_share_a_name_that_kubectl_accepts_within_a_group() -> None:
    for rows in ((*RESOURCES,), VIEWS):
        names = [
            (row.group, name)
            for row in rows
            for name in {row.plural, row.singular, *row.short_names}
        ]
        assert len(names) == len(set(names))


def test_a_definition_serves_its_versions_best_first_and_hides_what_is_not_served(
    kinds: Kinds,
) -> None:
    rows = [row for row in kinds.all() if row.group == "example.com"]
    assert [row.version for row in rows] == ["v1", "v1beta1"]
    assert {row.kind_key for row in rows} == {"Widget.example.com"}
    assert rows[0].subresources == ("scale", "status")
    assert rows[1].subresources == ()
    assert rows[0].categories == ("all",)
    stored = kinds.get("Widget.example.com")
    assert stored is rows[0]
    assert (stored.singular, stored.namespaced, stored.cls) == ("widget", True, CustomObject)


def test_a_definition_that_is_not_established_serves_nothing() -> None:
    kinds = Kinds()
    pending = definition()
    kinds.define(replace(pending, status=replace(pending.status, conditions=())))
    assert kinds.get("Widget.example.com") is None
    assert kinds.changes == 0


def test_changes_are_counted_and_an_equal_definition_is_none(kinds: Kinds) -> None:
    assert kinds.changes == 1
    kinds.define(definition())
    assert kinds.changes == 1
    kinds.undefine("widgets.example.com")
    assert kinds.changes == 2
    assert kinds.stored() == RESOURCES
    kinds.undefine("widgets.example.com")
    assert kinds.changes == 2


def test_a_custom_kind_called_service_leaves_service_alone() -> None:
    kinds = Kinds()
    kinds.define(definition(kind="Service"))
    built_in = kinds.find("", "v1", "services")
    assert built_in is not None
    assert kinds.get("Service") is built_in
    custom = kinds.find("example.com", "v1", "services")
    assert custom is not None
    assert kinds.get("Service.example.com") is custom
    kinds.undefine("services.example.com")
    assert kinds.get("Service") is built_in


def test_a_custom_object_comes_back_as_it_went_in(kinds: Kinds) -> None:
    obj = decode_tree(WIDGET, kinds=kinds)
    assert isinstance(obj, CustomObject)
    assert obj.kind_key == "Widget.example.com"
    assert obj.content == {"spec": WIDGET["spec"], "extra": True}
    assert to_tree(obj) == WIDGET
    assert decode_json(encode_json(obj), kinds=kinds) == obj
    assert decode_custom(encode_json(obj)) == obj
    assert kinds.of(obj) is kinds.get("Widget.example.com")


def test_a_custom_object_needs_its_definition_and_proper_metadata(kinds: Kinds) -> None:
    with pytest.raises(
        BadRequest, match=r'no matches for kind "Widget" in version "example\.com/v1"'
    ):
        decode_tree(WIDGET)
    with pytest.raises(BadRequest, match=r'unknown field "metadata\.nam"'):
        decode_tree({**WIDGET, "metadata": {"nam": "x"}}, kinds=kinds)
    with pytest.raises(BadRequest, match="of type object"):
        decode_tree({**WIDGET, "metadata": 3}, kinds=kinds)


def test_an_object_of_a_version_that_is_served_no_more_keeps_its_kind(kinds: Kinds) -> None:
    old = CustomObject(kind="Widget", api_version="example.com/v1alpha1", content={})
    assert kinds.of(old) is kinds.get("Widget.example.com")


def test_another_version_of_a_custom_object_is_the_same_but_for_its_version(kinds: Kinds) -> None:
    obj = decode_tree(WIDGET, kinds=kinds)
    beta = kinds.find("example.com", "v1beta1", "widgets")
    stored = kinds.get("Widget.example.com")
    assert beta is not None
    assert stored is not None
    shown = as_served(obj, beta)
    assert shown.api_version == "example.com/v1beta1"
    assert as_stored(shown, stored) == obj
    assert as_served(obj, stored) is obj


def test_an_event_is_shown_by_both_groups_and_loses_nothing_between_them() -> None:
    event = decode_tree(yaml.safe_load((MANIFESTS / "Event.yaml").read_text()))
    assert isinstance(event, Event)
    view = VIEWS[0]
    shown = as_served(event, view)
    assert isinstance(shown, EventsEvent)
    assert (shown.note, shown.regarding) == (event.message, event.involved_object)
    assert shown.deprecated_source == event.source
    assert shown.kind_key == "Event"
    assert to_tree(as_stored(shown, view)) == to_tree(event)


def test_an_event_of_the_newer_group_is_decoded_and_null_stands_for_no_time() -> None:
    tree = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "note": "hello",
        "regarding": {"kind": "Pod", "name": "web"},
    }
    event = decode_tree(tree)
    assert event == EventsEvent(
        metadata=ObjectMeta(name="e", namespace="default"),
        note="hello",
        regarding=event.regarding,  # type: ignore[attr-defined]
    )
    assert to_tree(event)["eventTime"] is None
    assert decode_json(encode_json(event)) == event


def test_versions_are_ordered_as_the_api_lists_them() -> None:
    best_first = [
        "v10",
        "v2",
        "v1",
        "v11beta2",
        "v10beta3",
        "v3beta1",
        "v12alpha1",
        "v11alpha2",
        "foo1",
        "foo10",
    ]
    assert sorted(reversed(best_first), key=version_order) == best_first


def test_whoever_uses_a_deprecated_version_is_told_which_one_is_better() -> None:
    crd = definition()
    hidden, beta, stable = crd.spec.versions

    def told(*versions: CustomResourceDefinitionVersion) -> str:
        kinds = Kinds()
        kinds.define(replace(crd, spec=replace(crd.spec, versions=versions)))
        row = kinds.find("example.com", "v1beta1", "widgets")
        assert row is not None
        return kinds.deprecation(row)

    old = replace(beta, deprecated=True)
    assert told(hidden, beta, stable) == ""
    assert (
        told(old, stable) == "example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget"
    )
    assert told(replace(old, storage=True)) == "example.com/v1beta1 Widget is deprecated"
    assert told(replace(old, deprecation_warning="go away"), stable) == "go away"
