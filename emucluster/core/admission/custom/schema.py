"""Structural schemas, as a CustomResourceDefinition writes them.

Source: k8s.io/apiextensions-apiserver pkg/apis/apiextensions/v1/types_jsonschema.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from emucluster.core.errors import TYPE_INVALID, BadRequest, Cause

Tree: TypeAlias = dict[str, Any]
Number: TypeAlias = int | float

_X = "x-kubernetes-"
_RENAMED = {
    "ref": "$ref",
    "schema": "$schema",
    "not_": "not",
    **{
        name: _X + name.replace("_", "-")
        for name in (
            *("embedded_resource", "int_or_string", "list_map_keys", "list_type", "map_type"),
            *("preserve_unknown_fields", "validations"),
        )
    },
}


def _name(attribute: str) -> str:
    if attribute in _RENAMED:
        return _RENAMED[attribute]
    first, *rest = attribute.split("_")
    return first + "".join(part.capitalize() for part in rest)


class Schema(msgspec.Struct, frozen=True, kw_only=True, rename=_name):
    """One node of a schema. What is absent is None, "" or empty, as in Go."""

    type: str = ""
    format: str = ""
    title: str = ""
    description: str = ""
    default: Any = None
    nullable: bool = False
    example: Any = None
    external_docs: Any = None
    properties: dict[str, Schema] = {}
    additional_properties: Schema | bool | None = None
    items: Schema | list[Schema] | None = None
    required: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    maximum: Number | None = None
    exclusive_maximum: bool = False
    minimum: Number | None = None
    exclusive_minimum: bool = False
    multiple_of: Number | None = None
    max_length: int | None = None
    min_length: int | None = None
    pattern: str = ""
    max_items: int | None = None
    min_items: int | None = None
    unique_items: bool = False
    max_properties: int | None = None
    min_properties: int | None = None
    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    not_: Schema | None = None
    embedded_resource: bool = False
    int_or_string: bool = False
    list_map_keys: tuple[str, ...] = ()
    list_type: str | None = None
    map_type: str | None = None
    preserve_unknown_fields: bool | None = None
    validations: tuple[Tree, ...] = ()
    # What JSON schema has and a definition may not use:
    id: str = ""
    schema: str = ""
    ref: str | None = None
    additional_items: Any = None
    definitions: dict[str, Any] = {}
    dependencies: dict[str, Any] | None = None
    pattern_properties: dict[str, Any] = {}

    @property
    def item(self) -> Schema | None:
        """The schema of an array's items."""
        return self.items if isinstance(self.items, Schema) else None

    @property
    def additional(self) -> Schema | None:
        """The schema of what `properties` does not name; None also where anything may be."""
        more = self.additional_properties
        return more if isinstance(more, Schema) else None


_KEYWORDS = frozenset(field.encode_name for field in msgspec.structs.fields(Schema))
_SCHEMAS = frozenset(("not", "items", "additionalProperties"))
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "items"))
_MAPS = frozenset(("properties",))


def parsed(tree: Tree, path: str) -> Schema:
    """The schema that a tree means. Raises BadRequest: a keyword has a value of a wrong type."""
    try:
        return msgspec.convert(tree, Schema)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        field = path + where.rstrip("`")
        text = f"cannot unmarshal value into field {field}: {problem}"
        message = f"json: {text}"
        raise BadRequest(message, [Cause(field, TYPE_INVALID, text)]) from None


def cleaned(tree: Any, path: str, unknown: list[str]) -> Any:
    """The tree without what no schema has, and without nulls; `unknown` gets the paths.

    What is no schema at all comes back as it is, for `parsed` to refuse.
    """
    if not isinstance(tree, dict):
        return tree
    result: Tree = {}
    for key, value in tree.items():
        below = f"{path}.{key}"
        if key not in _KEYWORDS:
            unknown.append(below)
        elif value is None:
            continue
        elif key in _MAPS and isinstance(value, dict):
            result[key] = {n: cleaned(v, f"{below}.{n}", unknown) for n, v in value.items()}
        elif key in _LISTS and isinstance(value, list | tuple):
            result[key] = [cleaned(v, f"{below}[{i}]", unknown) for i, v in enumerate(value)]
        elif key in _SCHEMAS:
            result[key] = cleaned(value, below, unknown)
        else:
            result[key] = value
    return result


def children(schema: Schema) -> Iterator[Schema]:
    """The schemas right below one."""
    if schema.item is not None:
        yield schema.item
    yield from schema.properties.values()
    if schema.additional is not None:
        yield schema.additional
    yield from (*schema.all_of, *schema.any_of, *schema.one_of)
    if schema.not_ is not None:
        yield schema.not_


def everywhere(schema: Schema) -> Iterator[Schema]:
    """A schema and all below it."""
    yield schema
    for below in children(schema):
        yield from everywhere(below)
