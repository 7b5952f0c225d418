"""Trees: what JSON holds, as dicts, lists and scalars."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from emucluster.core.errors import BadRequest
from emucluster.core.objects.codec import MAX_DEPTH

Tree: TypeAlias = dict[str, Any]


def clone(value: Any, depth: int = 0) -> Any:
    """A copy that shares nothing that can change.

    Raises BadRequest for what is nested deeper than any object may be.
    """
    if isinstance(value, dict):
        if depth > MAX_DEPTH:
            raise BadRequest(f"nested deeper than {MAX_DEPTH} levels")
        return {key: clone(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if depth > MAX_DEPTH:
            raise BadRequest(f"nested deeper than {MAX_DEPTH} levels")
        return [clone(item, depth + 1) for item in value]
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two values are one JSON value: `true` is no 1, and 1 is 1.0."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(item, other[key]) for key, item in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def identity(value: Any) -> Any:
    """Something that can be hashed and is equal for the same values."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, order="deterministic")
    return (isinstance(value, bool), value)
