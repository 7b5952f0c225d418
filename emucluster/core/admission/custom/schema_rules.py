"""What a schema must be like to be structural.

Source: k8s.io/apiextensions-apiserver pkg/apiserver/schema/validation.go and
pkg/apis/apiextensions/validation/validation.go (ValidateCustomResourceDefinitionOpenAPISchema).
Paths are those of the API server: `...openAPIV3Schema.properties[spec].items`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from emucluster.core.admission.validation.fields import (
    forbidden,
    invalid,
    not_supported,
    required,
)
from emucluster.core.admission.validation.go_values import untyped
from emucluster.core.errors import Cause

from .patterns import PatternBudget
from .pruning import pruned
from .schema import Schema
from .values import causes

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_AT = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_META = ("metadata", "kind", "apiVersion")
_INT_OR_STRING = (Schema(type="integer"), Schema(type="string"))


def schema_causes(schema: Schema, path: str, patterns: PatternBudget) -> list[Cause]:
    """Everything that is wrong with a version's schema; of too many patterns nothing else.

    Args:
        path: of its openAPIV3Schema.
        patterns: of the whole definition.
    """
    bad = list(patterns.causes(schema, path))
    if patterns.spent:
        return bad
    structural = sorted((*bad, *_structural(schema, path, "root")), key=str)
    if schema.nullable:
        structural.insert(0, forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    if not structural:
        structural = list(_defaults(schema, path))
    return structural + list(_open_api(schema, path, _Place(root=True)))


# --- structure -----------------------------------------------------------------------------------


def _structural(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    if schema.type == "array" and schema.items is None:
        yield required(f"{path}.items", "must be specified")
    if schema.item is not None:
        yield from _structural(schema.item, f"{path}.items", "item")
    for name, below in schema.properties.items():
        yield from _structural(below, f"{path}.properties[{name}]", "field")
    if schema.additional_properties is not None:
        if level == "root":
            yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if schema.additional is not None:
            yield from _structural(schema.additional, f"{path}.additionalProperties", "field")
    yield from _exclusive(schema, path)
    yield from _quantifiers(schema, path, top=True)
    yield from _type_causes(schema, path, level)
    yield from _resource_causes(schema, path, level)


def _exclusive(schema: Schema, path: str) -> Iterator[Cause]:
    text = "must be false if x-kubernetes-int-or-string is true"
    if schema.int_or_string and schema.preserve_unknown_fields:
        yield invalid(f"{path}.x-kubernetes-preserve-unknown-fields", True, text)
    if schema.int_or_string and schema.embedded_resource:
        yield invalid(f"{path}.x-kubernetes-embedded-resource", True, text)


def _type_causes(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    if schema.embedded_resource and schema.type != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        field = f"{path}.type"
        yield invalid(field, schema.type, text) if schema.type else required(field, text)
    elif not schema.type and not schema.int_or_string and not schema.preserve_unknown_fields:
        yield required(f"{path}.type", _AT[level])
    if level == "root" and schema.type and schema.type != "object":
        yield invalid(f"{path}.type", schema.type, "must be object at the root")


def _resource_causes(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    is_resource = level == "root" or schema.embedded_resource
    if schema.embedded_resource and schema.additional_properties is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden(f"{path}.additionalProperties", text)
    for name in ("kind", "apiVersion"):
        below = schema.properties.get(name)
        if is_resource and below is not None and below.type != "string":
            yield invalid(f"{path}.properties[{name}].type", below.type, "must be string")
    metadata = schema.properties.get("metadata")
    if metadata is not None:
        field = f"{path}.properties[metadata]"
        if is_resource and metadata.type != "object":
            yield invalid(f"{field}.type", metadata.type, "must be object")
        if level == "root" and not _only_names(metadata):
            text = (
                "must not specify anything other than name and generateName, but metadata is "
                "implicitly specified"
            )
            yield forbidden(field, text)
    alone = schema.embedded_resource and not schema.preserve_unknown_fields
    if alone and not schema.properties:
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )
        yield required(f"{path}.properties", text)


def _only_names(metadata: Schema) -> bool:
    rest = msgspec.structs.replace(metadata, type="", default=None, description="")
    if set(rest.properties) <= {"name", "generateName"}:
        rest = msgspec.structs.replace(rest, properties={})
    return rest == Schema()


def _quantifiers(schema: Schema, path: str, *, top: bool) -> Iterator[Cause]:
    """allOf, anyOf, oneOf, not, and what stands inside of them."""
    any_of, first_any_of = schema.any_of == _INT_OR_STRING, False
    if top and schema.all_of:
        first_any_of = schema.all_of[0].any_of == _INT_OR_STRING
    if not (top and any_of):
        for index, below in enumerate(schema.any_of):
            yield from _nested(below, f"{path}.anyOf[{index}]")
    for index, below in enumerate(schema.all_of):
        skip = first_any_of and index == 0
        yield from _nested(below, f"{path}.allOf[{index}]", skip_any_of=skip)
    for index, below in enumerate(schema.one_of):
        yield from _nested(below, f"{path}.oneOf[{index}]")
    if schema.not_ is not None:
        yield from _nested(schema.not_, f"{path}.not")


def _nested(schema: Schema, path: str, *, skip_any_of: bool = False) -> Iterator[Cause]:
    plain = msgspec.structs.replace(schema, any_of=()) if skip_any_of else schema
    yield from _quantifiers(plain, path, top=False)
    if schema.item is not None:
        yield from _nested(schema.item, f"{path}.items")
    for name, below in schema.properties.items():
        yield from _nested(below, f"{path}.properties[{name}]")
    empty, undefined, false = (
        f"must be {what} to be structural" for what in ("empty", "undefined", "false")
    )
    wrong = {
        "type": (schema.type, empty),
        "additionalProperties": (schema.additional_properties is not None, undefined),
        "default": (schema.default is not None, undefined),
        "title": (schema.title, empty),
        "description": (schema.description, empty),
        "nullable": (schema.nullable, false),
        "x-kubernetes-preserve-unknown-fields": (schema.preserve_unknown_fields, false),
        "x-kubernetes-embedded-resource": (schema.embedded_resource, false),
        "x-kubernetes-int-or-string": (schema.int_or_string, false),
        "x-kubernetes-list-map-keys": (schema.list_map_keys, empty),
        "x-kubernetes-list-type": (schema.list_type is not None, undefined),
        "x-kubernetes-map-type": (schema.map_type is not None, undefined),
        "x-kubernetes-validations": (schema.validations, empty),
    }
    for keyword, (present, text) in wrong.items():
        if present:
            yield forbidden(f"{path}.{keyword}", text)
    if "metadata" in schema.properties:
        text = "must not be specified in a nested context"
        yield forbidden(f"{path}.properties[metadata]", text)


# --- what OpenAPI has and a definition may not use -----------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a schema stands: at the root, inside of metadata; `why` it may have no default."""

    root: bool = False
    in_meta: bool = False
    why: str = ""


def _open_api(schema: Schema, path: str, place: _Place) -> Iterator[Cause]:
    yield from _plain(schema, path, place)
    if schema.unique_items:
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", text)
    more = schema.additional_properties
    if more is not None and schema.properties and more is not True:
        text = "additionalProperties and properties are mutual exclusive"
        yield forbidden(f"{path}.additionalProperties", text)
    inside = _Place(in_meta=place.in_meta, why=place.why)
    if schema.additional is not None:
        why = "inside additionalProperties applying to object metadata" if place.in_meta else ""
        below = _Place(in_meta=place.in_meta, why=why or place.why)
        yield from _open_api(schema.additional, f"{path}.additionalProperties", below)
    for name, property_ in schema.properties.items():
        below = inside
        if (place.root or schema.embedded_resource) and name in _META:
            why = f"in top-level {name}" if place.root else place.why
            below = _Place(in_meta=True, why=why)
        yield from _open_api(property_, f"{path}.properties[{name}]", below)
    if schema.not_ is not None:
        yield from _open_api(schema.not_, f"{path}.not", inside)
    for word, group in (
        ("allOf", schema.all_of),
        ("oneOf", schema.one_of),
        ("anyOf", schema.any_of),
    ):
        for index, each in enumerate(group):
            yield from _open_api(each, f"{path}.{word}[{index}]", inside)
    if schema.item is not None:
        yield from _open_api(schema.item, f"{path}.items", inside)
    yield from _lists_and_maps(schema, path)


def _plain(schema: Schema, path: str, place: _Place) -> Iterator[Cause]:
    if schema.type and schema.type not in TYPES:
        yield not_supported(f"{path}.type", schema.type, TYPES)
    if schema.default is not None and place.why:
        yield forbidden(f"{path}.default", f"must not be set {place.why}")
    unsupported = {
        "id": schema.id,
        "additionalItems": schema.additional_items is not None,
        "patternProperties": schema.pattern_properties,
        "definitions": schema.definitions,
        "dependencies": schema.dependencies is not None,
        "$ref": schema.ref is not None,
    }
    for keyword, present in unsupported.items():
        if present:
            yield forbidden(f"{path}.{keyword}", f"{keyword} is not supported")
    if schema.schema:
        text = "OpenAPIV3Schema 'schema' is not supported"
        yield invalid(path, "", text)
    if schema.type == "null":
        text = "type cannot be set to null, use nullable as an alternative"
        yield forbidden(f"{path}.type", text)
    if isinstance(schema.items, list):
        text = "items must be a schema object and not an array"
        yield forbidden(f"{path}.items", text)
    if place.in_meta and schema.embedded_resource:
        text = "must not be used inside of resource meta"
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", text)
    if schema.preserve_unknown_fields is False:
        text = "must be true or undefined"
        yield invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, text)


def _lists_and_maps(schema: Schema, path: str) -> Iterator[Cause]:
    for keyword, kind, value, allowed in (
        ("x-kubernetes-map-type", "object", schema.map_type, ("atomic", "granular")),
        ("x-kubernetes-list-type", "array", schema.list_type, ("atomic", "set", "map")),
    ):
        if value is None:
            continue
        if schema.type != kind:
            text, field = f"must be {kind} if {keyword} is specified", f"{path}.type"
            yield invalid(field, schema.type, text) if schema.type else required(field, text)
        if value not in allowed:
            yield not_supported(f"{path}.{keyword}", value, allowed)
    yield from _set_items(schema, path)
    yield from _map_keys(schema, path)


def _set_items(schema: Schema, path: str) -> Iterator[Cause]:
    item = schema.item
    if schema.list_type != "set" or schema.type != "array" or item is None:
        return
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if item.type == "array" and item.list_type not in (None, "atomic"):
        yield invalid(f"{path}.items.x-kubernetes-list-type", item.list_type, text)
    if item.type == "object" and item.map_type != "atomic":
        yield invalid(f"{path}.items.x-kubernetes-map-type", item.map_type, text)
    if item.nullable:
        text = "cannot be nullable when x-kubernetes-list-type is set"
        yield forbidden(f"{path}.items.nullable", text)


def _map_keys(schema: Schema, path: str) -> Iterator[Cause]:
    keys, kind = f"{path}.x-kubernetes-list-map-keys", f"{path}.x-kubernetes-list-type"
    if schema.list_map_keys and schema.list_type != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield (
            required(kind, text)
            if schema.list_type is None
            else invalid(kind, schema.list_type, text)
        )
    if schema.list_type != "map":
        return
    if not schema.list_map_keys:
        yield required(keys, "must not be empty if x-kubernetes-list-type is map")
    if schema.items is None:
        yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    item = schema.item
    if item is None:
        return
    if item.type != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{path}.items.type", item.type, text)
        return
    if len(set(schema.list_map_keys)) < len(schema.list_map_keys):
        yield invalid(keys, schema.list_map_keys, "must not contain duplicate entries")
    for key in schema.list_map_keys:
        yield from _map_key(schema, item, key, path)
    if item.nullable:
        text = "cannot be nullable when x-kubernetes-list-type is map"
        yield forbidden(f"{path}.items.nullable", text)


def _map_key(schema: Schema, item: Schema, key: str, path: str) -> Iterator[Cause]:
    below = item.properties.get(key)
    if below is None:
        text = "entries must all be names of item properties"
        yield invalid(f"{path}.x-kubernetes-list-map-keys", schema.list_map_keys, text)
        return
    field = f"{path}.items.properties[{key}]"
    if below.type in ("array", "object"):
        text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        yield invalid(f"{field}.type", below.type, text)
    if key not in item.required and below.default is None:
        text = (
            "this property is in x-kubernetes-list-map-keys, so it must have a default or be a "
            "required property"
        )
        yield required(f"{field}.default", text)
    if below.nullable:
        text = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
        yield forbidden(f"{field}.nullable", text)


# --- defaults ------------------------------------------------------------------------------------


def _defaults(schema: Schema, path: str) -> Iterator[Cause]:
    """Defaults must be what their own schema allows, and know no more than it."""
    field = f"{path}.default"
    if schema.default is not None:
        unknown: list[str] = []
        pruned({"default": schema.default}, Schema(properties={"default": schema}), unknown)
        if unknown:
            yield invalid(field, untyped(schema.default), "must not have unknown fields")
        yield from causes(schema.default, schema, field)
    if schema.item is not None:
        yield from _defaults(schema.item, f"{path}.items")
    for name, below in schema.properties.items():
        yield from _defaults(below, f"{path}.properties[{name}]")
    if schema.additional is not None:
        yield from _defaults(schema.additional, f"{path}.additionalProperties")
