"""JSON merge patches, RFC 7386: null removes, objects are merged, anything else replaces."""

from __future__ import annotations

from typing import Any

from .trees import clone


def apply(target: Any, patch: Any) -> Any:
    """The target as the patch makes it.

    Raises BadRequest for a patch nested deeper than any object may be.
    """
    return _merged(clone(target), clone(patch))


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
