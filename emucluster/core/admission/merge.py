"""The three-way strategic merge of `kubectl apply`, on plain trees.

What the manifest says is set; what the last manifest said and this one does not is removed; what
neither says, others set, and it stays. Lists whose items have a key are merged item by item.
Strategies and keys come from the schema; algorithm: k8s.io/apimachinery/pkg/util/strategicpatch
(CreateThreeWayMergePatch). Differs: where server-side apply has more keys, they count here too, so
that two protocols of one port do not lose one another (kubernetes#39188).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from emucluster.core.schemas.schema import ANY, Schema

Tree: TypeAlias = dict[str, Any]


def three_way(original: Tree, modified: Tree, current: Tree, *, schema: Schema) -> Tree:
    """The new state of an object.

    Args:
        original: what the last manifest said, {} if unknown.
        modified: what this one says.
        current: the object as it is.
        schema: of the object's kind; of custom ones, lists are replaced.

    Nothing is changed in place; the result may share parts with its arguments.
    """
    return _maps(original, modified, current, schema)


def _maps(original: Tree, modified: Tree, current: Tree, schema: Schema) -> Tree:
    result = {k: v for k, v in current.items() if k in modified or k not in original}
    for key, value in modified.items():
        below = schema.field(key) or ANY
        result[key] = _value(original.get(key), value, current.get(key), below)
    return result


def _value(original: Any, modified: Any, current: Any, schema: Schema) -> Any:
    if isinstance(modified, dict) and isinstance(current, dict):
        merged = _maps(_tree(original), modified, current, schema)
        if "retainKeys" in schema.strategies:
            return _only_named(merged, modified, current)
        return merged
    if isinstance(modified, list) and isinstance(current, list) and "merge" in schema.strategies:
        before = original if isinstance(original, list) else []
        if not schema.merge_key:  # scalars
            removed = [item for item in before if item not in modified]
            return [i for i in current if i not in removed] + [
                i for i in modified if i not in current
            ]
        return _items(before, modified, current, schema)
    return modified


def _only_named(merged: Tree, modified: Tree, current: Tree) -> Tree:
    """Strategy retainKeys: where something changes, fields that are not named go."""
    return merged if merged == current else {k: v for k, v in merged.items() if k in modified}


def _items(
    original: list[Any], modified: list[Any], current: list[Any], schema: Schema
) -> list[Any]:
    fields = schema.keys or (schema.merge_key,)
    before, wanted, now = (
        _by_key(items, fields, schema.items) for items in (original, modified, current)
    )
    if before is None or wanted is None or now is None:
        return modified
    merged = {}
    for key, item in wanted.items():
        merged[key] = item
        if key in now:
            merged[key] = _maps(before.get(key, {}), item, now[key], schema.items)
            if "retainKeys" in schema.strategies:
                merged[key] = _only_named(merged[key], item, now[key])
    others = {key: item for key, item in now.items() if key not in wanted and key not in before}
    stay = [key for key in now if key in wanted or key in others]
    if [key for key in stay if key in wanted] == list(wanted):
        return [merged[key] if key in merged else others[key] for key in stay]
    return [*merged.values(), *others.values()]


def _by_key(
    items: list[Any], fields: tuple[str, ...], schema: Schema
) -> dict[tuple[Any, ...], Tree] | None:
    """The items by their keys; None when a key is missing or there twice."""
    defaults = [of.default if (of := schema.field(name)) is not None else None for name in fields]
    result: dict[tuple[Any, ...], Tree] = {}
    for item in items:
        if not isinstance(item, dict) or fields[0] not in item:
            return None
        key = tuple(item.get(name, other) for name, other in zip(fields, defaults, strict=True))
        if key in result:
            return None
        result[key] = item
    return result


def _tree(value: Any) -> Tree:
    return value if isinstance(value, dict) else {}
