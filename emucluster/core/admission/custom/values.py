"""An object's content against its schema.

Source of rules and words: k8s.io/kube-openapi pkg/validation (validate, errors) and
k8s.io/apiextensions-apiserver pkg/apiserver/validation (ValidateCustomResource).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from emucluster.core.admission.validation.fields import (
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from emucluster.core.admission.validation.go_values import shown, untyped
from emucluster.core.errors import INVALID, TYPE_INVALID, Cause

from .formats import FORMATS
from .patterns import compiled
from .schema import Number, Schema

ROOT = "<nil>"
"""The field of causes that stand for a whole object, as upstream prints an absent path."""


def causes(value: Any, schema: Schema, path: str = "") -> list[Cause]:
    """Everything that is wrong with a value; [] if nothing is. `path`: of the value."""
    return list(_value(value, schema, path))


def _value(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if value is None:
        if schema.nullable:
            return
        if types := _types(schema):
            yield _type_cause(path, types, "null")
        yield from _enum(value, schema, path)
        return
    actual = _type(value)
    types = _types(schema)
    if types and actual not in types and not _counts_as(value, actual, types):
        yield _type_cause(path, types, actual)
        return
    yield from _enum(value, schema, path)
    match actual:
        case "string":
            yield from _string(value, schema, path)
        case "integer" | "number":
            yield from _number(value, schema, path)
        case "array":
            yield from _array(value, schema, path)
        case "object":
            yield from _object(value, schema, path)
    yield from _composed(value, schema, path)


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.int_or_string:
        return ("integer", "string")
    return (schema.type,) if schema.type else ()


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list | tuple) else "object"


def _counts_as(value: Any, actual: str, types: tuple[str, ...]) -> bool:
    """Whole numbers are numbers, and numbers without a fraction are whole."""
    if actual == "integer":
        return "number" in types
    return actual == "number" and "integer" in types and float(value).is_integer()


def _type_cause(path: str, types: tuple[str, ...], actual: str) -> Cause:
    text = f"{path} in body must be of type {','.join(types)}: {shown(actual)}"
    return Cause(path or ROOT, TYPE_INVALID, f"Invalid value: {shown(actual)}: {text}")


def _enum(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if schema.enum and not any(_equal(value, allowed) for allowed in schema.enum):
        allowed = [v if isinstance(v, str) else json.dumps(v) for v in schema.enum]
        yield not_supported(path or ROOT, untyped(value), allowed)


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _string(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    if schema.max_length is not None and len(value) > schema.max_length:
        yield too_long(path, schema.max_length)
    if schema.min_length is not None and len(value) < schema.min_length:
        yield _wrong(path, value, f"should be at least {schema.min_length} chars long")
    if schema.pattern:
        pattern = compiled(schema.pattern)
        if pattern is not None and not pattern.search(value):
            yield _wrong(path, value, f"should match '{schema.pattern}'")
    check = FORMATS.get(schema.format)
    if check is not None and not check(value):
        text = f"{path} in body must be of type {schema.format}: {shown(value)}"
        yield Cause(path or ROOT, TYPE_INVALID, f"Invalid value: {shown(value)}: {text}")


def _number(value: Number, schema: Schema, path: str) -> Iterator[Cause]:
    most, least, step = schema.maximum, schema.minimum, schema.multiple_of
    if step and abs(value / step - round(value / step)) > 1e-9:
        yield _wrong(path, value, f"should be a multiple of {_plain(step)}")
    if most is not None and (value > most or (schema.exclusive_maximum and value == most)):
        relation = "less than" if schema.exclusive_maximum else "less than or equal to"
        yield _wrong(path, value, f"should be {relation} {_plain(most)}")
    if least is not None and (value < least or (schema.exclusive_minimum and value == least)):
        relation = "greater than" if schema.exclusive_minimum else "greater than or equal to"
        yield _wrong(path, value, f"should be {relation} {_plain(least)}")


def _array(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if schema.item is not None:
        for index, inner in enumerate(value):
            yield from _value(inner, schema.item, f"{path}[{index}]")
    if schema.min_items is not None and len(value) < schema.min_items:
        yield _wrong(path, value, f"should have at least {schema.min_items} items", "array")
    if schema.max_items is not None and len(value) > schema.max_items:
        yield too_many(path, len(value), schema.max_items)


def _object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    if schema.min_properties is not None and len(value) < schema.min_properties:
        text = f"should have at least {schema.min_properties} properties"
        yield _wrong(path, value, text, "object")
    if schema.max_properties is not None and len(value) > schema.max_properties:
        yield too_many(path, len(value), schema.max_properties)
    for name in schema.required:
        if name not in value:
            yield required(_below(path, name))
    for name, inner in value.items():
        below = schema.properties.get(name, schema.additional)
        if below is not None:
            yield from _value(inner, below, _below(path, name))


def _composed(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if schema.any_of:
        failures = [causes(value, below, path) for below in schema.any_of]
        if all(failures):
            yield _whole(f'"{path}" must validate at least one schema (anyOf)')
            yield from failures[0]
    if schema.one_of:
        failures = [causes(value, below, path) for below in schema.one_of]
        valid = sum(1 for failure in failures if not failure)
        if valid != 1:
            found = f"Found {valid} valid alternatives" if valid else "Found none valid"
            text = f'"{path}" must validate one and only one schema (oneOf). {found}'
            yield _whole(text)
            if not valid:
                yield from failures[0]
    if schema.all_of:
        failures = [causes(value, below, path) for below in schema.all_of]
        yield from (cause for failure in failures for cause in failure)
        if any(failures):
            none = ". None validated" if all(failures) else ""
            yield _whole(f'"{path}" must validate all the schemas (allOf){none}')
    if schema.not_ is not None and not causes(value, schema.not_, path):
        yield _whole(f'"{path}" must not validate the schema (not)')


def _whole(text: str) -> Cause:
    return Cause(ROOT, INVALID, f'Invalid value: "": {text}')


def _wrong(path: str, value: Any, text: str, kind: str = "") -> Cause:
    """`kind`: said in place of a value that is no scalar."""
    return invalid(path or ROOT, kind or untyped(value), f"{path} in body {text}")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _plain(number: Number) -> str:
    """A number as Go's %v prints a float: without a fraction where it has none."""
    return str(int(number)) if float(number).is_integer() else str(number)
