"""Go's names for types, which the API's messages about wrong types use.

Source: `data/go_types.json.gz`, see NOTICE, for what a schema does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from .definitions import read
from .schema import Schema


@cache
def _named() -> Mapping[str, Mapping[str, str]]:
    loaded: Mapping[str, Mapping[str, str]] = read("go_types.json.gz")
    return loaded


def type_of_field(owner: Schema, name: str, schema: Schema) -> str:
    """Of a field of a struct: `v1.Protocol`, `[]v1.Container`, `int32`."""
    return _named().get(owner.name, {}).get(name) or type_of(schema)


def type_of(schema: Schema) -> str:
    """Of a value by itself."""
    if schema.name:
        return ".".join(schema.name.rsplit(".", 2)[1:])
    if schema.type == "array":
        return f"[]{type_of(schema.items)}"
    if schema.type == "object" and schema.values is not None:
        return f"map[string]{type_of(schema.values)}"
    if schema.type == "integer":
        return schema.format or "int64"
    return {"boolean": "bool", "number": "float64"}.get(schema.type, "string")


def word_for(value: object) -> str:
    """What encoding/json calls a value: `string`, `number`, `bool`, `array`, `object`."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list | tuple) else "object"


def kind_of(value: object) -> str:
    """What Go calls the kind of a decoded value: `string`, `int64`, `map`, `slice`, ..."""
    if isinstance(value, dict):
        return "map"
    if isinstance(value, list | tuple):
        return "slice"
    names = {bool: "bool", int: "int64", float: "float64"}
    return names.get(type(value), "string")
