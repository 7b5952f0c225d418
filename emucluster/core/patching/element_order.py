"""The order of a merged list: as the patch says, and for the rest as it was.

Source: normalizeElementOrder in k8s.io/apimachinery/pkg/util/strategicpatch/patch.go.
"""

from __future__ import annotations

from typing import Any

from .trees import identity


def in_order(merged: list[Any], order: Any, original: list[Any], key: str) -> list[Any]:
    """The merged items, those of the patch in the order that it asks for.

    Args:
        merged: all items.
        order: the patch's items, or their keys, in the order wanted.
        original: the list before the patch; says where the items go that the patch does not name.
        key: the merge key, "" for scalars.
    """
    wanted, before = _places(order, key), _places(original, key)
    ours = [item for item in merged if _name(item, key) in wanted]
    others = [item for item in merged if _name(item, key) not in wanted]
    ours.sort(key=lambda item: wanted[_name(item, key)])
    others.sort(key=lambda item: before.get(_name(item, key), len(before)))
    result, left = [], iter(others)
    other = next(left, _NONE)
    for item in ours:
        place = before.get(_name(item, key))
        while other is not _NONE and place is not None:
            theirs = before.get(_name(other, key))
            if theirs is None or theirs >= place:
                break
            result.append(other)
            other = next(left, _NONE)
        result.append(item)
    if other is not _NONE:
        result += [other, *left]
    return result


_NONE = object()


def _places(items: list[Any], key: str) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for place, item in enumerate(items):
        places.setdefault(_name(item, key), place)
    return places


def _name(item: Any, key: str) -> Any:
    """What tells an item from others."""
    return identity(item.get(key) if key and isinstance(item, dict) else item)
