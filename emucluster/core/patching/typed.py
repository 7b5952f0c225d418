"""Whether a configuration can be applied: fields that are declared, types, keys of lists.

Source: sigs.k8s.io/structured-merge-diff, typed/validate.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emucluster.core.schemas.schema import Schema

from .fieldset import paths
from .structured import NotListed, item_element

_SCALARS = {"string": "string", "boolean": "boolean", "integer": "numeric (int or float)"}
_SCALARS["number"] = _SCALARS["integer"]


def problems(tree: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """What is wrong with a tree, each with its path; nothing if it can be applied."""
    before = f"{path}: " if path else ""
    if tree is None:
        return
    if schema.type in _SCALARS:
        if not _is(tree, schema.type):
            yield f"{before}expected {_SCALARS[schema.type]}, got {_shown(tree)}"
    elif isinstance(tree, dict):
        if schema.type == "array":
            yield f"{before}expected list, got &{tree}"
            return
        for name, value in tree.items():
            child = schema.field(name)
            if child is None:
                yield f"{path}.{name}: field not declared in schema"
            else:
                yield from problems(value, child, f"{path}.{name}")
    elif isinstance(tree, list):
        if schema.type == "object":
            yield f"{before}expected map, got &{tree}"
            return
        yield from _problems_of_items(tree, schema, path)
    elif schema.type in ("object", "array"):
        yield f"{before}expected {'map' if schema.type == 'object' else 'list'}, got &{{{tree}}}"


def _problems_of_items(items: list[Any], schema: Schema, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        if schema.list_type != "atomic":
            try:
                key = item_element(item, schema)
            except NotListed as error:
                yield f"{path}: element {index}: {error}"
                return
            where = path + next(paths({key: {}}))
            if key in seen:
                yield f"{path}: duplicate entries for key {where.removeprefix(path)}"
            seen.add(key)
        yield from problems(item, schema.items, where)


def _is(value: Any, kind: str) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, int | float) else f"&{{{value}}}"
