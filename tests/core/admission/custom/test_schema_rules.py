"""Which schemas are structural."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.core.admission.custom.patterns import PatternBudget
from emucluster.core.admission.custom.schema import parsed
from emucluster.core.admission.custom.schema_rules import schema_causes

INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
X = "x-kubernetes-"


def problems(**properties: Any) -> list[str]:
    tree = {"type": "object", "properties": properties}
    return [str(cause) for cause in schema_causes(parsed(tree, "s"), "s", PatternBudget())]


@pytest.mark.parametrize(
    "property_",
    [
        {"type": "string", "nullable": True, "default": "a", "pattern": "^a"},
        {X + "int-or-string": True, "anyOf": INT_OR_STRING},
        {X + "int-or-string": True, "allOf": [{"anyOf": INT_OR_STRING}, {"minimum": 1}]},
        {X + "preserve-unknown-fields": True},
        {"type": "object", X + "embedded-resource": True, X + "preserve-unknown-fields": True},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "required": ["a"], "oneOf": [{"required": ["b"]}, {"not": {}}]},
        {"type": "array", X + "list-type": "set", "items": {"type": "string"}},
        {
            "type": "array",
            X + "list-type": "map",
            X + "list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}},
            },
        },
    ],
)
def test_a_structural_one_is_accepted(property_: dict[str, Any]) -> None:
    assert problems(p=property_) == []


P = "s.properties[p]"


@pytest.mark.parametrize(
    ("property_", "expected"),
    [
        ({}, f"{P}.type: Required value: must not be empty for specified object fields"),
        ({"type": "array"}, f"{P}.items: Required value: must be specified"),
        (
            {"type": "array", "items": {}},
            f"{P}.items.type: Required value: must not be empty for specified array items",
        ),
        (
            {"type": "text"},
            f'{P}.type: Unsupported value: "text": supported values: "array", "boolean", '
            '"integer", "number", "object", "string"',
        ),
        (
            {"type": "string", "anyOf": [{"type": "string"}]},
            f"{P}.anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            {"type": "string", "not": {"default": 1}},
            f"{P}.not.default: Forbidden: must be undefined to be structural",
        ),
        (
            {"type": "string", "pattern": "("},
            f'{P}.pattern: Invalid value: "(": must be a valid regular expression, but isn\'t',
        ),
        (
            {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
            f"{P}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
            "complexity becomes quadratic",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": {"type": "string"},
            },
            f"{P}.additionalProperties: Forbidden: additionalProperties and properties are mutual "
            "exclusive",
        ),
        ({"type": "object", "$ref": "#/x"}, f"{P}.$ref: Forbidden: $ref is not supported"),
        (
            {"type": "object", X + "preserve-unknown-fields": False},
            f"{P}.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or "
            "undefined",
        ),
        (
            {"type": "string", X + "list-type": "set"},
            f'{P}.type: Invalid value: "string": must be array if x-kubernetes-list-type is '
            "specified",
        ),
        (
            {"type": "array", X + "list-type": "map", "items": {"type": "object"}},
            f"{P}.x-kubernetes-list-map-keys: Required value: must not be empty if "
            "x-kubernetes-list-type is map",
        ),
        (
            {"type": "array", X + "list-type": "set", "items": {"type": "object"}},
            f'{P}.items.x-kubernetes-map-type: Invalid value: "null": must be atomic as item of a '
            "list with x-kubernetes-list-type=set",
        ),
        (
            {"type": "integer", "default": "x"},
            f'{P}.default: Invalid value: "string": {P}.default in body must be of type integer: '
            '"string"',
        ),
        (
            {"type": "object", "default": {"a": 1}},
            f'{P}.default: Invalid value: map[string]interface {{}}{{"a":1}}: must not have '
            "unknown fields",
        ),
    ],
)
def test_what_is_not_structural_is_named(property_: dict[str, Any], expected: str) -> None:
    assert expected in problems(p=property_)


def test_keys_of_a_map_are_required_scalars_of_its_items() -> None:
    tree = {
        "type": "array",
        X + "list-type": "map",
        X + "list-map-keys": ["a", "b", "b"],
        "items": {"type": "object", "properties": {"a": {"type": "object", "nullable": True}}},
    }
    assert [cause.split(": ", 1)[0] for cause in problems(p=tree)] == [
        f"{P}.x-kubernetes-list-map-keys",
        f"{P}.items.properties[a].type",
        f"{P}.items.properties[a].default",
        f"{P}.items.properties[a].nullable",
        f"{P}.x-kubernetes-list-map-keys",
        f"{P}.x-kubernetes-list-map-keys",
    ]


def test_metadata_is_given_and_only_names_may_be_restricted() -> None:
    names = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}
    assert problems(metadata=names) == []
    more = {"type": "object", "properties": {"labels": {"type": "object"}}}
    assert problems(metadata=more) == [
        "s.properties[metadata]: Forbidden: must not specify anything other than name and "
        "generateName, but metadata is implicitly specified"
    ]
    filled = {"type": "object", "default": {}}
    assert "s.properties[metadata].default: Forbidden: must not be set in top-level metadata" in (
        problems(metadata=filled)
    )


def test_the_root_is_an_object_and_not_null() -> None:
    schema = parsed({"type": "string", "nullable": True}, "s")
    found = [str(cause) for cause in schema_causes(schema, "s", PatternBudget())]
    assert found == [
        "s.nullable: Forbidden: nullable cannot be true at the root",
        's.type: Invalid value: "string": must be object at the root',
    ]
