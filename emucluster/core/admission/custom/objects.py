"""Objects of custom kinds on their way to the store.

Source: k8s.io/apiextensions-apiserver pkg/registry/customresource (strategy.go, validator.go,
status_strategy.go) and pkg/apiserver/schema (pruning, defaulting, listtype, objectmeta).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from emucluster.core.admission.validation.fields import duplicate, invalid
from emucluster.core.admission.validation.go_values import untyped
from emucluster.core.admission.validation.metadata import metadata, metadata_update
from emucluster.core.errors import Cause
from emucluster.core.objects import CustomObject, replace
from emucluster.core.objects.kinds import Kinds
from emucluster.core.objects.registry import Resource

from .pruning import defaulted, pruned
from .schema import Schema, Tree, parsed
from .values import causes

_INT32_MAX = 2**31 - 1


class Schemas:
    """The schemas of custom kinds, each made once for as long as its definition stays."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[object, Schema]] = {}

    def of(self, row: Resource) -> Schema:
        """The schema of a custom resource."""
        key, definition = (row.kind_key, row.version), row.definition
        assert definition is not None
        known = self._made.get(key)
        if known is not None and known[0] is definition:
            return known[1]
        tree = definition.schema.open_apiv3_schema if definition.schema is not None else None
        schema = parsed(tree or {"x-kubernetes-preserve-unknown-fields": True}, "")
        self._made[key] = (definition, schema)
        return schema

    def keep(self, kinds: Kinds) -> None:
        """Forgets the schemas of kinds that are not served any more."""
        self._made = {key: made for key, made in self._made.items() if kinds.get(key[0])}


def shaped(obj: CustomObject, schema: Schema, unknown: list[str] | None = None) -> CustomObject:
    """The object without unknown fields, and with defaults; `unknown` gets their paths."""
    content = pruned(obj.content, schema, unknown)
    content = defaulted(content, schema)
    return obj if content is obj.content else replace(obj, content=content)


def object_causes(obj: CustomObject, row: Resource, schema: Schema) -> list[Cause]:
    """What is wrong with a new object."""
    return [*metadata(obj, row), *_content(obj, row, schema)]


def update_causes(
    new: CustomObject, old: CustomObject, row: Resource, schema: Schema
) -> list[Cause]:
    """What is wrong with an object in the place of another."""
    return [*metadata_update(new, old, row), *_content(new, row, schema)]


def status_causes(new: CustomObject, row: Resource, schema: Schema) -> list[Cause]:
    """What is wrong with an object's status."""
    below = schema.properties.get("status")
    wrong = []
    if below is not None and "status" in new.content:
        wrong = causes(new.content["status"], below, "status")
    return [*wrong, *_scale(new.content, row, status=True)]


def _content(obj: CustomObject, row: Resource, schema: Schema) -> Iterator[Cause]:
    yield from causes(_whole(obj), schema)
    yield from _scale(obj.content, row, status=False)
    yield from _scale(obj.content, row, status=True)
    yield from _lists(obj.content, schema, "")


def _whole(obj: CustomObject) -> Tree:
    """What a schema sees: of the metadata only the names."""
    names = {"name": obj.metadata.name, "generateName": obj.metadata.generate_name}
    names = {field: value for field, value in names.items() if value}
    head = {"apiVersion": obj.api_version, "kind": obj.kind, "metadata": names}
    return head | obj.content


def _scale(content: Tree, row: Resource, *, status: bool) -> Iterator[Cause]:
    """Replicas must be counts, or a scale could not be told."""
    subresources = row.definition.subresources if row.definition is not None else None
    if subresources is None or subresources.scale is None:
        return
    scale = subresources.scale
    path = scale.status_replicas_path if status else scale.spec_replicas_path
    value = at(content, path)
    if value is not None and type(value) is not int:
        text = f"{path} accessor error: {value} is of the type {_go(value)}"
        yield invalid(path, 0, f"{text}, expected int64")
    elif value is not None and value < 0:
        yield invalid(path, value, "should be a non-negative integer")
    elif value is not None and value > _INT32_MAX:
        yield invalid(path, value, f"should be less than or equal to {_INT32_MAX}")


def _go(value: Any) -> str:
    """What Go prints for the type of a decoded value."""
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list | tuple):
        return "[]interface {}"
    return {bool: "bool", float: "float64"}.get(type(value), "string")


def at(content: Tree, json_path: str) -> Any:
    """What stands at a simple path such as `.spec.replicas`; None for nothing."""
    value: Any = content
    for name in json_path.removeprefix(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _lists(value: Any, schema: Schema | None, path: str) -> Iterator[Cause]:
    """Items of lists that are sets or maps must differ."""
    if schema is None:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            below = f"{path}.{name}" if path else name
            yield from _lists(inner, schema.properties.get(name, schema.additional), below)
    elif isinstance(value, list | tuple):
        yield from _same_items(value, schema, path)
        for index, inner in enumerate(value):
            yield from _lists(inner, schema.item, f"{path}[{index}]")


def _same_items(values: list[Any] | tuple[Any, ...], schema: Schema, path: str) -> Iterator[Cause]:
    if schema.list_type not in ("set", "map"):
        return
    seen: set[str] = set()
    for index, item in enumerate(values):
        shown = item
        if schema.list_type == "map" and isinstance(item, dict):
            shown = {key: item[key] for key in schema.list_map_keys if key in item}
        text = json.dumps(shown, sort_keys=True)
        if text in seen:
            yield duplicate(f"{path}[{index}]", untyped(shown))
        seen.add(text)
