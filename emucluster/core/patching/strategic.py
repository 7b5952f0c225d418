"""Strategic merge patches: a merge patch that knows which lists have keys.

Strategies and keys come from the schema (`patchStrategy`, `patchMergeKey` of k8s.io/api).
Algorithm, directives and texts: k8s.io/apimachinery/pkg/util/strategicpatch, StrategicMergePatch;
codes of errors: k8s.io/apiserver/pkg/endpoints/handlers/patch.go.

Directives: `$patch: replace | delete | merge`, `$retainKeys`, `$setElementOrder/LIST`,
`$deleteFromPrimitiveList/LIST`. A list without a merge key is replaced, null removes a field.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.errors import BadRequest
from emucluster.core.schemas.schema import Schema

from .element_order import in_order
from .trees import Tree, clone, identity, same

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"

_BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
_BAD_ORDER = "invalid patch format of setElementOrder list"
_BAD_DELETIONS = "invalid patch format of primitive list"


def apply(original: Tree, patch: Any, schema: Schema) -> Tree:
    """The object as the patch makes it.

    Args:
        original: the object as it is.
        patch: what the client sent.
        schema: of the object's kind, a published one: custom resources take no such patches (415).

    Raises BadRequest for a patch that is malformed.
    """
    if not isinstance(patch, dict):
        raise BadRequest("invalid JSON document")
    return _map(clone(original), clone(patch), schema)


def _map(original: Tree, patch: Tree, schema: Schema | None) -> Tree:
    if (directive := patch.pop(PATCH, None)) is not None:
        if directive == "replace":
            return {k: _without_nulls(v) for k, v in patch.items() if v is not None}
        if directive == "delete":
            return {}
        if directive != "merge":
            raise BadRequest(f"unknown patch type: {directive} in map: {patch}")
    if RETAIN_KEYS in patch:
        _retain(original, patch)
    orders = {k: patch.pop(k) for k in [k for k in patch if k.startswith(ORDER)]}
    deletions = {k: patch.pop(k) for k in [k for k in patch if k.startswith(DELETE_FROM)]}
    for key, order in orders.items():
        name = key.removeprefix(ORDER)
        below = None if schema is None else schema.field(name)
        _check_order(order, patch.get(name), below)
    for key, unwanted in deletions.items():
        name = key.removeprefix(DELETE_FROM)
        if not isinstance(unwanted, list):
            raise BadRequest(_BAD_DELETIONS)
        if isinstance(original.get(name), list):
            gone = set(map(identity, unwanted))
            original[name] = [i for i in original[name] if identity(i) not in gone]
    for key, value in patch.items():
        if value is None:
            original.pop(key, None)
            continue
        below = None if schema is None else schema.field(key)
        order = orders.pop(ORDER + key, None)
        merged = _value(original.get(key), value, below, order)
        if merged is _GONE:
            original.pop(key, None)
        else:
            original[key] = merged
    for key, order in orders.items():  # lists that the patch only puts into another order
        name = key.removeprefix(ORDER)
        if isinstance(original.get(name), list) and name not in patch:
            below = None if schema is None else schema.field(name)
            merge_key = "" if below is None else below.merge_key
            original[name] = in_order(original[name], order, original[name], merge_key)
    return original


_GONE = object()


def _value(original: Any, patch: Any, schema: Schema | None, order: Any) -> Any:
    if isinstance(patch, dict):
        if not isinstance(original, dict):
            return _GONE if PATCH in patch else _fresh(patch)
        if schema is not None and "replace" in schema.strategies:
            return _fresh(patch)
        return _map(original, patch, schema)
    if isinstance(patch, list):
        if isinstance(original, list) and schema is not None and "merge" in schema.strategies:
            return _list(original, patch, schema, order)
        items = _fresh(patch)
        if order is not None:
            key = "" if schema is None else schema.merge_key
            return in_order(items, order, [], key)
        return items
    return patch


def _list(original: list[Any], patch: list[Any], schema: Schema, order: Any) -> list[Any]:
    """Merges a list whose strategy is `merge`."""
    if not any(isinstance(item, dict) for item in (*original, *patch)):
        merged = list({identity(item): item for item in (*original, *patch)}.values())
        return in_order(merged, patch if order is None else order, original, "")
    key = schema.merge_key
    if not key:
        raise BadRequest(f"cannot merge lists without merge key for {schema.name or 'the field'}")
    replace = False
    gone: set[Any] = set()
    wanted = []
    for item in patch:
        directive = item.get(PATCH) if isinstance(item, dict) else None
        if directive is None:
            wanted.append(_keyed(item, key))
        elif directive == "replace":
            replace = True
        elif directive == "delete":
            gone.add(identity(_keyed(item, key)[key]))
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise BadRequest(f"unknown patch type: {directive} in map: {item}")
    if replace:
        return [_without_nulls(item) for item in wanted]
    result = [item for item in original if identity(_keyed(item, key)[key]) not in gone]
    places: dict[Any, int] = {}
    for place, item in enumerate(result):
        places.setdefault(identity(item[key]), place)
    for item in wanted:
        name = identity(item[key])
        if name in places:
            result[places[name]] = _map(result[places[name]], item, schema.items)
        else:
            places[name] = len(result)
            result.append(_fresh(item))
    return in_order(result, wanted if order is None else order, original, key)


def _keyed(item: Any, key: str) -> Tree:
    if not isinstance(item, dict):
        raise BadRequest(
            f"expected a map[string]interface {{}}, but received a {type(item).__name__}"
        )
    if key not in item:
        raise BadRequest(f"map: {item} does not contain declared merge key: {key}")
    return item


def _retain(original: Tree, patch: Tree) -> None:
    """Drops fields of the original that the directive does not name."""
    names = patch.pop(RETAIN_KEYS)
    if not isinstance(names, list):
        raise BadRequest(_BAD_RETAIN_KEYS)
    kept = {key for key in names if isinstance(key, str)}
    for key, value in patch.items():
        if value is not None and not key.startswith((ORDER, DELETE_FROM)) and key not in kept:
            raise BadRequest(_BAD_RETAIN_KEYS)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _check_order(order: Any, patch: Any, schema: Schema | None) -> None:
    """The items of a patched list have to be in the order that is asked for, all of them."""
    if not isinstance(order, list) or not (patch is None or isinstance(patch, list)):
        raise BadRequest(_BAD_ORDER)
    key = "" if schema is None else schema.merge_key
    rest = iter(order)
    for item in patch or ():
        if isinstance(item, dict) and PATCH in item:
            continue
        wanted = _keyed(item, key)[key] if key else item
        if order and not any(same(_keyed(o, key)[key] if key else o, wanted) for o in rest):
            text = f"The order in patch list:\n{patch}\n doesn't match $setElementOrder list:"
            raise BadRequest(f"{text}\n{order}\n")


def _fresh(value: Any) -> Any:
    """What is new: without the directives and nulls of the patch."""
    if isinstance(value, dict):
        return {
            k: _fresh(v)
            for k, v in value.items()
            if v is not None and not (isinstance(v, dict) and PATCH in v) and not _is_directive(k)
        }
    if isinstance(value, list):
        return [_fresh(v) for v in value if not (isinstance(v, dict) and PATCH in v)]
    return value


def _is_directive(key: str) -> bool:
    return key == RETAIN_KEYS or key.startswith((ORDER, DELETE_FROM))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
