"""How much an object may hold.

Bytes alone bound little: three million of them can be a million values, and each costs time in
decoding, validation and accounting, during which all others wait. Pure.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.errors import TooLarge

VALUES_MAX = 30_000
"""Maps, lists and scalars in one object; the largest EndpointSlice has some ten thousand. A
ConfigMap of so many takes 0.3 s of CPU time to create, and 0.5 s to apply."""
OPERATIONS_VALUES_MAX = 100_000
"""Values of a JSON patch, whose ten thousand operations have three or more each."""
MANAGED_MAX = 4 * VALUES_MAX
"""Values of `metadata.managedFields` that a client sends back: the server made them, one for each
field and manager."""


def require_few_values(
    tree: Any, data: bytes | None = None, *, values_max: int = VALUES_MAX
) -> None:
    """Raises TooLarge for a tree of too many values. `data`: the JSON it was.

    An object's managedFields count apart, so that what could be created can be changed.
    """
    if data is not None and sum(map(data.count, (b",", b"[", b"{"))) <= values_max // 2:
        return  # each mark begins two values at most: a list and its first item
    require_few_of_its_own(tree, values_max=values_max)
    managed = managed_in(tree)
    if managed is not None:
        _count([managed], MANAGED_MAX)


def require_few_of_its_own(tree: Any, *, values_max: int = VALUES_MAX) -> None:
    """The same without regard to managedFields."""
    _count([tree], values_max, without=managed_in(tree))


def managed_in(tree: Any) -> Any:
    """`metadata.managedFields`, if there is such a list."""
    metadata = tree.get("metadata") if isinstance(tree, dict) else None
    managed = metadata.get("managedFields") if isinstance(metadata, dict) else None
    return managed if isinstance(managed, list) else None


def _count(pending: list[Any], most: int, *, without: Any = None) -> None:
    left = most
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list) and value is not without:
            left -= len(value)
            if left < 0:
                raise TooLarge(f"Request entity too large: limit is {most} values")
            inner = value.values() if isinstance(value, dict) else value
            pending.extend(each for each in inner if isinstance(each, dict | list))
