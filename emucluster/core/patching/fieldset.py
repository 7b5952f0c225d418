"""Sets of field paths, in the form in which objects carry them: FieldsV1.

A set is a tree of dicts. Its keys are path elements: `f:name` a field, `k:{"name":"web"}` an item
of a list with keys, `v:"x"` an item of a list without, `i:0` an index. An element is a member when
it has nothing below it or a `.`; otherwise only what is below it is.

    {"f:spec": {"f:replicas": {}, "f:template": {".": {}, "f:spec": {}}}}
    holds .spec.replicas, .spec.template and .spec.template.spec

Sets are never changed once made, and share their parts. Source: sigs.k8s.io/structured-merge-diff,
fieldpath/set.go and serialize.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from emucluster.core.objects.codec import MAX_DEPTH

FieldSet: TypeAlias = Mapping[str, Any]

EMPTY: FieldSet = {}
MEMBER: FieldSet = {}
"""What is below an element that is a member and has nothing below it."""
SELF = "."

_encode = msgspec.json.Encoder(order="deterministic").encode


def field(name: str) -> str:
    """The element of an object's field."""
    return f"f:{name}"


def item_with(keys: Mapping[str, Any]) -> str:
    """The element of an item that its keys tell from others."""
    return f"k:{_encode(keys).decode()}"


def item_being(value: Any) -> str:
    """The element of a scalar in a list."""
    return f"v:{_encode(value).decode()}"


def is_member(below: FieldSet) -> bool:
    """Whether an element with this below it is a member itself."""
    return not below or SELF in below


def inside(below: FieldSet) -> FieldSet:
    """The set below an element."""
    return {k: v for k, v in below.items() if k != SELF} if SELF in below else below


def element(member: bool, below: FieldSet) -> FieldSet | None:
    """What stands at an element; None where there is nothing."""
    if not below:
        return MEMBER if member else None
    return {SELF: MEMBER, **below} if member else below


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in either."""
    if not one or not other or one is other:
        return one or other
    result = dict(one)
    for key, theirs in other.items():
        ours = result.get(key)
        if ours is None:
            result[key] = theirs
        elif ours is not theirs:
            member = is_member(ours) or is_member(theirs)
            result[key] = element(member, union(inside(ours), inside(theirs)))
    return result


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in the first only. A member's going takes nothing that is below it."""
    if not one or not other:
        return one
    result = {}
    for key, ours in one.items():
        theirs = other.get(key)
        if theirs is None:
            result[key] = ours
            continue
        member = is_member(ours) and not is_member(theirs)
        left = element(member, difference(inside(ours), inside(theirs)))
        if left is not None:
            result[key] = left
    return result


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both."""
    result = {}
    for key, ours in one.items():
        theirs = other.get(key)
        if theirs is None:
            continue
        member = is_member(ours) and is_member(theirs)
        both = element(member, intersection(inside(ours), inside(theirs)))
        if both is not None:
            result[key] = both
    return result


def paths(fields: FieldSet, before: str = "") -> Iterator[str]:
    """Every member as messages write it, `.spec.ports[port=80,protocol="TCP"].name`, in order."""
    elements = sorted((k for k in fields if k != SELF), key=_order)
    for key in elements:
        if is_member(fields[key]):
            yield before + _text(key)
    for key in elements:
        yield from paths(inside(fields[key]), before + _text(key))


def _order(key: str) -> tuple[int, str]:
    return ("fkvi".find(key[0]), key)


def _text(key: str) -> str:
    kind, rest = key[0], key[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys = msgspec.json.decode(rest)
        return f"[{','.join(f'{name}={_encode(value).decode()}' for name, value in keys.items())}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def parse(fields: Any, depth: int = 0) -> FieldSet:
    """A set from what a client sent, in canonical form.

    Elements of kinds that are unknown are dropped, as upstream does. Raises ValueError for what is
    no set of fields.
    """
    if not isinstance(fields, dict):
        raise ValueError("fieldsV1 is not an object")
    if depth > MAX_DEPTH:
        raise ValueError(f"fieldsV1 is nested deeper than {MAX_DEPTH} levels")
    result: dict[str, FieldSet] = {}
    for key, below in fields.items():
        if key == SELF:
            continue
        name = key if key[:2] == "f:" else _canonical(key)
        if name is None:
            continue
        if below == {}:
            result[name] = MEMBER
            continue
        inner = parse(below, depth + 1)
        found = element(SELF in below, inner)
        if found is not None:
            result[name] = found
    return result


@lru_cache(maxsize=4096)
def _canonical(key: str) -> str | None:
    if len(key) < 2 or key[1] != ":":
        raise ValueError(f"missing colon: {key}")
    kind, rest = key[0], key[2:]
    if kind == "f":
        return key
    if kind not in "kvi":
        return None
    try:
        value = msgspec.json.decode(rest)
    except msgspec.MsgspecError as error:
        raise ValueError(f"parsing key as path element: {error}") from None
    if kind == "k":
        if not isinstance(value, dict):
            raise ValueError(f"parsing key as path element: {key}")
        return item_with(value)
    if kind == "i":
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"parsing key as path element: {key}")
        return key
    return item_being(value)
