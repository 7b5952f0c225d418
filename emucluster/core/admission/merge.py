"""The three-way strategic merge of `kubectl apply`, on plain trees.

What the manifest says is set; what the last manifest said and this one does not is removed; what
neither says, others set, and it stays. Lists whose items have a key are merged item by item.
Merge keys and strategies: the patchMergeKey and patchStrategy tags of k8s.io/api; algorithm:
k8s.io/apimachinery/pkg/util/strategicpatch (CreateThreeWayMergePatch). Differs: the protocol is
part of a port's key, without which two protocols of one port lose one another (kubernetes#39188).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Tree: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]

_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_UNIONS = frozenset([("metadata", "finalizers")])
"""Lists of scalars that are merged; all other ones are replaced."""


def three_way(original: Tree, modified: Tree, current: Tree, *, kind: str) -> Tree:
    """The new state of an object.

    Args:
        original: what the last manifest said, {} if unknown.
        modified: what this one says.
        current: the object as it is.
        kind: of the object.

    Nothing is changed in place; the result may share parts with its arguments.
    """
    return _maps(original, modified, current, (), kind)


def _maps(original: Tree, modified: Tree, current: Tree, path: Path, kind: str) -> Tree:
    result = {k: v for k, v in current.items() if k in modified or k not in original}
    for key, value in modified.items():
        below = (*path, key)
        result[key] = _value(original.get(key), value, current.get(key), below, kind)
    return result


def _value(original: Any, modified: Any, current: Any, path: Path, kind: str) -> Any:
    if isinstance(modified, dict) and isinstance(current, dict):
        merged = _maps(_tree(original), modified, current, path, kind)
        if kind == "Deployment" and path == ("spec", "strategy"):
            return _only_named(merged, modified, current)
        return merged
    if isinstance(modified, list) and isinstance(current, list):
        before = original if isinstance(original, list) else []
        if path in _UNIONS:
            removed = [item for item in before if item not in modified]
            return [i for i in current if i not in removed] + [
                i for i in modified if i not in current
            ]
        if (fields := _merge_key(path, kind)) is not None:
            return _items(before, modified, current, fields, path, kind)
    return modified


def _only_named(merged: Tree, modified: Tree, current: Tree) -> Tree:
    """Strategy retainKeys: where something changes, fields that are not named go."""
    return merged if merged == current else {k: v for k, v in merged.items() if k in modified}


def _merge_key(path: Path, kind: str) -> tuple[str, ...] | None:
    if path[-1] != "ports":
        return _KEYS.get(path[-1])
    if kind == "EndpointSlice":
        return None
    return ("port" if kind == "Service" else "containerPort", "protocol")


def _items(
    original: list[Any],
    modified: list[Any],
    current: list[Any],
    fields: tuple[str, ...],
    path: Path,
    kind: str,
) -> list[Any]:
    before, wanted, now = (_by_key(items, fields) for items in (original, modified, current))
    if before is None or wanted is None or now is None:
        return modified
    merged = {}
    for key, item in wanted.items():
        merged[key] = item
        if key in now:
            merged[key] = _maps(before.get(key, {}), item, now[key], path, kind)
            if path[-1] == "volumes":
                merged[key] = _only_named(merged[key], item, now[key])
    others = {key: item for key, item in now.items() if key not in wanted and key not in before}
    stay = [key for key in now if key in wanted or key in others]
    if [key for key in stay if key in wanted] == list(wanted):
        return [merged[key] if key in merged else others[key] for key in stay]
    return [*merged.values(), *others.values()]


def _by_key(items: list[Any], fields: tuple[str, ...]) -> dict[tuple[Any, ...], Tree] | None:
    """The items by their keys; None when a key is missing or there twice."""
    result: dict[tuple[Any, ...], Tree] = {}
    for item in items:
        if not isinstance(item, dict) or fields[0] not in item:
            return None
        key = tuple(item.get(field, "TCP" if field == "protocol" else None) for field in fields)
        if key in result:
            return None
        result[key] = item
    return result


def _tree(value: Any) -> Tree:
    return value if isinstance(value, dict) else {}
