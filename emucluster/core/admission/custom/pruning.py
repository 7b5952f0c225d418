"""What a schema takes from an object, and what it adds: unknown fields, nulls, defaults.

Source: k8s.io/apiextensions-apiserver pkg/apiserver/schema/pruning and .../defaulting. Nothing is
changed in place, and what stays as it is is shared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .schema import Schema, Tree

_HEAD = frozenset(("apiVersion", "kind", "metadata"))


def pruned(content: Tree, schema: Schema, unknown: list[str] | None = None) -> Tree:
    """The object's content without fields that the schema does not know.

    Args:
        content: everything besides apiVersion, kind and metadata.
        unknown: gets the paths of what is left out, `spec.ports[0].nam`.
    """
    pruner = _Pruner([] if unknown is None else unknown)
    result: Tree = pruner.value(content, schema, "")
    return result


class _Pruner:
    def __init__(self, unknown: list[str]) -> None:
        self._unknown = unknown

    def value(self, value: Any, schema: Schema | None, path: str) -> Any:
        if schema is not None and schema.preserve_unknown_fields:
            return self._kept(value, schema, path)
        if isinstance(value, dict):
            return self._object(value, schema, path, keep=False)
        item = schema.item if schema is not None else None
        return _each(value, lambda inner, i: self.value(inner, item, f"{path}[{i}]"))

    def _kept(self, value: Any, schema: Schema | None, path: str) -> Any:
        """Unknown fields stay; below the known ones their own schemas rule."""
        if schema is None:
            return value
        if isinstance(value, dict):
            return self._object(value, schema, path, keep=True)
        return _each(value, lambda inner, i: self._kept(inner, schema.item, f"{path}[{i}]"))

    def _object(self, value: Tree, schema: Schema | None, path: str, *, keep: bool) -> Tree:
        result: Tree = {}
        for key, inner in value.items():
            below = f"{path}.{key}" if path else key
            if schema is not None and schema.embedded_resource and key in _HEAD:
                result[key] = inner
            elif schema is not None and key in schema.properties:
                result[key] = self.value(inner, schema.properties[key], below)
            elif schema is not None and schema.additional_properties is not None:
                result[key] = self.value(inner, schema.additional, below)
            elif keep:
                result[key] = inner
            else:
                self._unknown.append(below)
        return value if _same(result, value) else result


def _each(value: Any, change: Callable[[Any, int], Any]) -> Any:
    """A list with its items changed; whatever else, and a list that stays, as it is."""
    if not isinstance(value, list | tuple):
        return value
    items = [change(inner, index) for index, inner in enumerate(value)]
    same = all(new is old for new, old in zip(items, value, strict=True))
    return value if same else items


def _same(new: Tree, old: Tree) -> bool:
    return new.keys() == old.keys() and all(new[key] is old[key] for key in new)


def defaulted(value: Any, schema: Schema | None) -> Any:
    """The value with every default that the schema has for what is absent.

    A null where none is allowed counts as absent: it becomes the default, or goes.
    """
    if schema is None:
        return value
    if isinstance(value, dict):
        return _with_defaults(value, schema)
    return _each(value, lambda inner, _: _item(inner, schema.item))


def _with_defaults(value: Tree, schema: Schema) -> Tree:
    result: Tree = {}
    for key, inner in value.items():
        below = schema.properties.get(key, schema.additional)
        if inner is None and below is not None and not below.nullable:
            if below.default is None:
                continue
            inner = below.default
        result[key] = defaulted(inner, below)
    for key, below in schema.properties.items():
        if below.default is not None and key not in result:
            result[key] = defaulted(below.default, below)
    return value if _same(result, value) else result


def _item(value: Any, schema: Schema | None) -> Any:
    if value is None and schema is not None and not schema.nullable and schema.default is not None:
        value = schema.default
    return defaulted(value, schema)
