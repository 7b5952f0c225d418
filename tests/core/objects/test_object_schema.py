"""The classes against the published schema, from which they were generated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import msgspec
import pytest

import emucluster.core.objects as objects
from emucluster.core.objects.registry import RESOURCES, VIEWS

RELEASE = "v1.32.0-local"
RENAMED = {
    "io.k8s.api.core.v1.EndpointPort": "EndpointsPort",
    "io.k8s.api.events.v1.Event": "EventsEvent",
    "io.k8s.api.events.v1.EventSeries": "EventsEventSeries",
    **{
        f"io.k8s.api.autoscaling.v1.{name}": f"{name}V1"
        for name in (
            *("CrossVersionObjectReference", "HorizontalPodAutoscaler"),
            *("HorizontalPodAutoscalerSpec", "HorizontalPodAutoscalerStatus"),
        )
    },
}
TREES = {  # what is kept as it comes
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
}
JSON_TYPES = {"string": str, "boolean": bool, "integer": int}


def _definitions() -> Mapping[str, Any]:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / RELEASE
    return dict(json.loads((folder / "_definitions.json").read_text())["$defs"])


DEFINITIONS = _definitions()


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rsplit("/", 1)[-1]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


WRITTEN_EMPTY = {"ServiceStatus": ("loadBalancer",), "IngressStatus": ("loadBalancer",)}
"""Fields that are there also where they are empty, although the schema does not require them."""


def short(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _reachable() -> list[str]:
    by_kind = {
        (served["group"], served["version"], served["kind"]): name
        for name, definition in DEFINITIONS.items()
        for served in definition.get("x-kubernetes-group-version-kind", ())
    }
    todo = [by_kind[row.group, row.version, row.kind] for row in (*RESOURCES, *VIEWS)]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen | TREES:
            seen.add(name)
            todo += _references(DEFINITIONS[name])
    return sorted(name for name in seen if "properties" in DEFINITIONS[name])


def _class(name: str) -> type[msgspec.Struct]:
    cls: type[msgspec.Struct] = getattr(objects, RENAMED.get(name, name.rsplit(".", 1)[-1]))
    return cls


def _json_names(cls: type[msgspec.Struct]) -> set[str]:
    names = {field.encode_name for field in msgspec.structs.fields(cls)}
    tag = cls.__struct_config__.tag_field
    return names | ({tag} if tag else set())


def _samples(prop: Mapping[str, Any]) -> object:
    """A value of the type that the schema gives to a property."""
    if "$ref" in prop:
        target = prop["$ref"].rsplit("/", 1)[-1]
        definition = DEFINITIONS[target]
        if "properties" in definition:
            wanted = (*definition.get("required", ()), *WRITTEN_EMPTY.get(short(target), ()))
            of_kind = {}
            for served in definition.get("x-kubernetes-group-version-kind", ()):  # core kinds only
                of_kind = {"kind": served["kind"], "apiVersion": served["version"]}
            return of_kind | {name: _samples(definition["properties"][name]) for name in wanted}
        if target.endswith(("FieldsV1", "JSONSchemaProps", "SubresourceStatus")):
            return {"f:spec": {}}
        return "1"  # Quantity, IntOrString and times may all be strings
    if "enum" in prop:
        return prop["enum"][0]
    kind = prop["type"] if isinstance(prop["type"], str) else prop["type"][0]
    match kind:
        case "array":
            return [_samples(prop["items"])]
        case "object":
            return {"key": _samples(prop["additionalProperties"])}
        case _:
            return JSON_TYPES[kind](1)


def test_the_closure_of_the_kinds_is_as_wide_as_expected() -> None:
    assert len(_reachable()) == 325


@pytest.mark.parametrize("name", _reachable())
def test_no_field_of_the_schema_is_undeclared_and_none_is_invented(name: str) -> None:
    assert _json_names(_class(name)) == set(DEFINITIONS[name]["properties"])


@pytest.mark.parametrize("name", _reachable())
def test_each_field_takes_a_value_of_its_schemas_type_and_gives_it_back(name: str) -> None:
    for field, prop in DEFINITIONS[name]["properties"].items():
        tree = {field: _samples(prop)}
        encoded = msgspec.json.decode(msgspec.json.encode(msgspec.convert(tree, _class(name))))
        assert encoded[field] == tree[field]


@pytest.mark.parametrize("name", _reachable())
def test_a_required_field_is_encoded_even_when_it_is_zero(name: str) -> None:
    cls = _class(name)
    encoded = msgspec.json.decode(msgspec.json.encode(cls()))
    scalars = {"string", "integer", "boolean", "array"}
    for field in DEFINITIONS[name].get("required", ()):
        if DEFINITIONS[name]["properties"][field].get("type") in scalars:
            assert field in encoded


@pytest.mark.parametrize("name", _reachable())
def test_every_class_is_frozen_untracked_and_strict(name: str) -> None:
    config = _class(name).__struct_config__
    assert config.frozen
    assert not config.gc
    assert config.forbid_unknown_fields
