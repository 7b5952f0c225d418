"""Trees beside their schema: which fields one has, how two differ, one merged into another.

Objects are taken apart by field and lists by their items' keys, as far as the schema says so:
`x-kubernetes-list-type` and `x-kubernetes-map-type`; what is atomic is one field. Source:
sigs.k8s.io/structured-merge-diff, typed/tofieldset.go, compare.go, merge.go and remove.go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from emucluster.core.schemas.schema import ANY, Schema

from .fieldset import (
    EMPTY,
    MEMBER,
    FieldSet,
    element,
    field,
    inside,
    is_member,
    item_being,
    item_with,
    union,
)
from .trees import Tree, same


class NotListed(Exception):
    """An item of a list that the list's keys do not tell from others."""


def _parts(value: Any, schema: Schema) -> bool:
    """Whether a value is taken apart, and not one field."""
    if isinstance(value, dict):
        return not schema.atomic
    return isinstance(value, list) and schema.list_type != "atomic"


def _child(schema: Schema, name: str) -> Schema:
    return schema.field(name) or ANY


def item_element(item: Any, schema: Schema) -> str:
    """The path element of an item of a list with this schema. Raises NotListed."""
    if schema.list_type == "set":
        if isinstance(item, dict | list) or item is None:
            raise NotListed("associative list without keys has an element that's no scalar")
        return item_being(item)
    if not isinstance(item, dict):
        raise NotListed("associative list with keys may not have non-map elements")
    keys = {}
    for name in schema.keys:
        if name in item:
            keys[name] = item[name]
        else:
            of = schema.items.field(name)
            if of is not None and of.default is not None:
                keys[name] = of.default
    if not keys:
        quoted = " ".join(f'"{name}"' for name in schema.keys)
        raise NotListed(
            f"associative list with keys has an element that omits all key fields [{quoted}] "
            "(and doesn't have default values for any key fields)"
        )
    return item_with(keys)


def _items(values: Any, schema: Schema) -> dict[str, list[Any]]:
    """Items by their path element, in order; more than one where a list has duplicates."""
    found: dict[str, list[Any]] = {}
    for value in values or ():
        try:
            found.setdefault(item_element(value, schema), []).append(value)
        except NotListed:
            continue  # nobody can own it
    return found


# --- the fields of one tree ----------------------------------------------------------------------


def fields_of(tree: Tree, schema: Schema) -> FieldSet:
    """The set of a tree's fields: its leaves, items of lists, and keys of maps."""
    result: dict[str, FieldSet] = {}
    for name, value in tree.items():
        child = _child(schema, name)
        if value is None or not _parts(value, child):
            result[field(name)] = MEMBER
            continue
        if isinstance(value, dict):
            below = fields_of(value, child)
            found = element(not value or not schema.declares(name), below)
        else:
            found = element(not schema.declares(name), _fields_of_items(value, child))
        if found is not None:
            result[field(name)] = found
    return result


def _fields_of_items(values: list[Any], schema: Schema) -> FieldSet:
    result: dict[str, FieldSet] = {}
    for key, items in _items(values, schema).items():
        below = EMPTY
        if len(items) == 1 and isinstance(items[0], dict) and not schema.items.atomic:
            below = fields_of(items[0], schema.items)
        result[key] = element(True, below) or MEMBER
    return result


# --- two trees -----------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Fields that came, that changed, that went."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet


class _Absent:
    """What is not there, while null is."""


_ABSENT = _Absent()


def compare(old: Tree, new: Tree, schema: Schema) -> Comparison:
    """How a tree differs from another."""
    return _compare_maps(old, new, schema)


def _compare_maps(old: Any, new: Any, schema: Schema) -> Comparison:
    added: dict[str, FieldSet] = {}
    modified: dict[str, FieldSet] = {}
    removed: dict[str, FieldSet] = {}
    before, after = old or {}, new or {}
    for name in (*before, *(n for n in after if n not in before)):
        was, now = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if was is now:
            continue
        child = _child(schema, name)
        if old is not None and was is _ABSENT:
            was = _unsaid(name, child, schema)
        if new is not None and now is _ABSENT:
            now = _unsaid(name, child, schema)
        _note(field(name), was, now, child, (added, modified, removed))
    return Comparison(added, modified, removed)


def _unsaid(name: str, child: Schema, owner: Schema) -> Any:
    """What stands for a field that an object does not have.

    Go holds some structs by value, and writes `null` for an empty list that is required: these are
    there whether anybody says so or not, and do not come or go.
    """
    if isinstance(child.default, dict):
        return {}
    return None if child.type == "array" and name in owner.required else _ABSENT


def _note(
    key: str,
    was: Any,
    now: Any,
    schema: Schema,
    into: tuple[dict[str, FieldSet], dict[str, FieldSet], dict[str, FieldSet]],
) -> None:
    """Notes under a path element how the two values there differ."""
    added, modified, removed = into
    came, went = was is _ABSENT, now is _ABSENT
    present = was if went or now is None else now
    one_type = came or went or was is None or now is None or type(was) is type(now)
    both_empty = all(value is _ABSENT or not value for value in (was, now))
    if not _parts(present, schema) or not one_type or both_empty:
        if came:
            added[key] = MEMBER
        elif went:
            removed[key] = MEMBER
        elif not same(was, now):
            modified[key] = MEMBER
        return
    before, after = (None if v is _ABSENT else v for v in (was, now))
    if isinstance(present, dict):
        below = _compare_maps(before, after, schema)
    else:
        below = _compare_lists(before, after, schema)
    for target, member, inner in (
        (added, came, below.added),
        (modified, False, below.modified),
        (removed, went, below.removed),
    ):
        found = element(member, inner)
        if found is not None:
            target[key] = found


def _compare_lists(old: Any, new: Any, schema: Schema) -> Comparison:
    added: dict[str, FieldSet] = {}
    modified: dict[str, FieldSet] = {}
    removed: dict[str, FieldSet] = {}
    before, after = _items(old, schema), _items(new, schema)
    for key in (*before, *(k for k in after if k not in before)):
        was, now = before.get(key, []), after.get(key, [])
        if len(was) > 1 or len(now) > 1:
            if len(was) > 1 and len(now) > 1:
                if not same(was, now):
                    modified[key] = MEMBER
            else:
                (removed if len(was) > 1 else added)[key] = MEMBER
            continue
        one, other = was[0] if was else _ABSENT, now[0] if now else _ABSENT
        if one is not other:
            _note(key, one, other, schema.items, (added, modified, removed))
    return Comparison(added, modified, removed)


# --- merging and removing ------------------------------------------------------------------------


def merge(live: Any, applied: Any, schema: Schema) -> Any:
    """What was applied on top of what there is."""
    if isinstance(live, dict) and isinstance(applied, dict) and not schema.atomic:
        result = dict(live)
        for name, value in applied.items():
            below = _child(schema, name)
            result[name] = merge(result[name], value, below) if name in result else value
        return result
    if isinstance(live, list) and isinstance(applied, list) and schema.list_type != "atomic":
        return _merge_lists(live, applied, schema)
    if applied is None and live and _parts(live, schema):
        return live  # null is an empty map or list
    return applied


def _merge_lists(live: list[Any], applied: list[Any], schema: Schema) -> list[Any]:
    """Applied items in their order, and those that only the live list has where they were."""
    left = [(_place(item, n, schema), item) for n, item in enumerate(live)]
    right = [(item_element(i, schema), i) for i in applied]
    ours, theirs = dict(right), {key for key, _ in left}
    counted: dict[str, Any] = {}
    for key, item in left:  # duplicates are not merged with
        counted[key] = _ABSENT if key in counted else item
    shared = iter([key for key, _ in right if key in theirs])
    next_shared = next(shared, None)
    result: list[Any] = []
    done: set[str] = set()
    at = to = 0

    def take(key: str) -> None:
        done.add(key)
        one = counted.get(key, _ABSENT)
        result.append(ours[key] if one is _ABSENT else merge(one, ours[key], schema.items))

    while at < len(left) or to < len(right):
        if at < len(left) and to < len(right):
            key = left[at][0]
            if key == right[to][0]:
                take(key)
                at, to = at + 1, to + 1
                next_shared = next(shared, None)
                continue
            if key in ours and next_shared is not None and key != next_shared:
                at += 1  # shared, and its turn comes later
                continue
        if at < len(left):
            key, item = left[at]
            if key not in ours:
                result.append(item)
                at += 1
                continue
            if key in done:
                at += 1
        if to < len(right):
            key = right[to][0]
            take(key)
            to += 1
            if key == next_shared:
                next_shared = next(shared, None)
    return result


def _place(item: Any, index: int, schema: Schema) -> str:
    """The path element of a live item; one that no key tells from others is like none."""
    try:
        return item_element(item, schema)
    except NotListed:
        return f"i:{index}"


def without(tree: Any, fields: FieldSet, schema: Schema) -> Any:
    """The tree less some fields; a map or list that loses all it had goes with them: None."""
    if not tree or not _parts(tree, schema):
        return tree
    if isinstance(tree, dict):
        kept = {}
        for name, value in tree.items():
            below = fields.get(field(name))
            if below is None:
                kept[name] = value
            elif not is_member(below):
                left = without(value, below, _child(schema, name))
                if left is not None:
                    kept[name] = left
        return kept or None
    items = []
    for value in tree:
        try:
            below = fields.get(item_element(value, schema))
        except NotListed:
            below = None
        if below is None:
            items.append(value)
        elif not is_member(below):
            left = without(value, below, schema.items)
            if left is not None:
                items.append(left)
    return items or None


def with_named(fields: FieldSet, schema: Schema) -> FieldSet:
    """The set with every declared field that has a member below it as a member too."""
    result: dict[str, FieldSet] = {}
    for key, below in fields.items():
        inner = inside(below)
        if key.startswith("f:"):
            child, named = _child(schema, key[2:]), schema.declares(key[2:])
        else:
            child, named = schema.items, False
        found = element(
            is_member(below) or (named and bool(inner)),
            with_named(inner, child) if inner else EMPTY,
        )
        if found is not None:
            result[key] = found
    return result


def joined(sets: list[FieldSet]) -> FieldSet:
    """The union of many sets."""
    result = EMPTY
    for each in sets:
        result = union(result, each)
    return result
