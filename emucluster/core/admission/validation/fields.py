"""Causes in the words of k8s.io/apimachinery/pkg/util/validation/field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from emucluster.core import errors
from emucluster.core.errors import Cause

from .go_values import shown

IMMUTABLE = "field is immutable"


def required(path: str, detail: str = "") -> Cause:
    return Cause(path, errors.REQUIRED, f"Required value: {detail}" if detail else "Required value")


def invalid(path: str, value: object, detail: str) -> Cause:
    return Cause(path, errors.INVALID, f"Invalid value: {shown(value)}: {detail}")


def not_supported(path: str, value: object, supported: Iterable[str]) -> Cause:
    listed = ", ".join(shown(s) for s in supported)
    text = f"Unsupported value: {shown(value)}: supported values: {listed}"
    return Cause(path, errors.NOT_SUPPORTED, text)


def duplicate(path: str, value: object) -> Cause:
    return Cause(path, errors.DUPLICATE, f"Duplicate value: {shown(value)}")


def forbidden(path: str, detail: str) -> Cause:
    return Cause(path, errors.FORBIDDEN, f"Forbidden: {detail}")


def too_long(path: str, most: int) -> Cause:
    return Cause(path, errors.TOO_LONG, f"Too long: may not be more than {most} bytes")


def too_many(path: str, actual: int, most: int) -> Cause:
    text = f"Too many: {actual}: must have at most {most} item{'s' * (most != 1)}"
    return Cause(path, errors.TOO_MANY, text)


def not_found(path: str, value: object) -> Cause:
    return Cause(path, errors.NOT_FOUND, f"Not found: {shown(value)}")


def one_of(path: str, value: str | None, supported: Iterable[str]) -> list[Cause]:
    """A required value out of a set."""
    if not value:
        return [required(path)]
    return [] if value in supported else [not_supported(path, value, supported)]


def non_negative(path: str, value: int | None) -> list[Cause]:
    """Absence is no error."""
    if value is None or value >= 0:
        return []
    return [invalid(path, value, "must be greater than or equal to 0")]


def immutable_by_its_own_word(new: Any, old: Any, fields: Mapping[str, str]) -> list[Cause]:
    """For kinds that may be marked `immutable`, which is not taken back.

    `fields`: the path of each field that is then kept, and the attribute that holds it.
    """
    if not old.immutable:
        return []
    text = "field is immutable when `immutable` is set"
    causes = [] if new.immutable else [forbidden("immutable", text)]
    return causes + [
        forbidden(path, text)
        for path, name in fields.items()
        if (getattr(new, name) or {}) != (getattr(old, name) or {})
    ]


def immutable(path: str, new: Any, old: Any) -> list[Cause]:
    return [] if new == old else [invalid(path, new, IMMUTABLE)]
