"""Quantities as people write them: `30s`, `500ms`, `99.9%`, `p99`."""

from __future__ import annotations

import re
from typing import Any

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h)")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_QUANTILE = re.compile(r"p([0-9]+(?:\.[0-9]+)?)")
PERCENT_PATTERN = r"^0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)\s*%$"
"""From 0 to 100 %, for a JSON Schema."""

SECONDS_MAX = 86_400.0
"""A day: whoever waits longer has mistyped, and timers of the platform end not far above."""
DURATION_WORDS = "a duration such as 30s, 500ms, 1m30s, or a number of seconds"
SECONDS_WORDS = f"{DURATION_WORDS}, from 0 to 24h"
SHARE_WORDS = "a share such as 99.9% or 0.999, from 0 to 1"
QUANTILE_WORDS = "a quantile such as p50, p99, p99.9 or 0.99, above 0 and below 1"


class Seconds(float):
    """A duration in seconds, from zero to a day."""

    @classmethod
    def parse(cls, value: object) -> Seconds:
        """`30s`, `500ms`, `1m30s`, or a number of seconds. Raises ValueError saying so."""
        found: float | None = None
        if isinstance(value, str):
            found = _duration_s(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = _float(value)
        if found is None or not 0 <= found <= SECONDS_MAX:
            raise ValueError(f"must be {SECONDS_WORDS}; got {shortly(value)}")
        return cls(found)


class Share(float):
    """A part of a whole, 0 to 1."""

    @classmethod
    def parse(cls, value: object) -> Share:
        """`99.9%` or `0.999`. Raises ValueError saying so."""
        found: float | None = None
        if isinstance(value, str) and (matched := _PERCENT.fullmatch(value.strip())):
            # 99.9 / 100 is not 0.999 in binary; the rounding makes both ways of writing one value.
            found = round(float(matched[1]) / 100, 15)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = _float(value)
        if found is None or not 0 <= found <= 1:
            raise ValueError(f"must be {SHARE_WORDS}; got {shortly(value)}")
        return cls(found)


class Quantile(float):
    """A quantile, above 0 and below 1."""

    @classmethod
    def parse(cls, value: object) -> Quantile:
        """`p99` or `0.99`. Raises ValueError saying so."""
        found: float | None = None
        if isinstance(value, str) and (matched := _QUANTILE.fullmatch(value.strip())):
            found = round(float(matched[1]) / 100, 15)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = _float(value)
        if found is None or not 0 < found < 1:
            raise ValueError(f"must be {QUANTILE_WORDS}; got {shortly(value)}")
        return cls(found)

    @property
    def words(self) -> str:
        """`p99.9`."""
        return f"p{round(self * 100, 9):g}"


def shortly(value: object) -> str:
    """A value that was given, for an error; a long one is cut."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _float(value: int | float) -> float | None:
    """The number; None for one beyond what a float holds."""
    try:
        return float(value)
    except OverflowError:
        return None


def decode_quantity(kind: type, value: Any) -> Any:
    """The `dec_hook` of msgspec for the three. Raises ValueError for a value that is none."""
    if issubclass(kind, Seconds | Share | Quantile):
        return kind.parse(value)
    raise NotImplementedError(f"cannot read a {kind.__name__}")


def encode_quantity(value: Any) -> float:
    """The `enc_hook` of msgspec for the three."""
    if isinstance(value, Seconds | Share | Quantile):
        return float(value)
    raise NotImplementedError(f"cannot write a {type(value).__name__}")


def quantity_words(value: Any) -> str:
    """In place of `encode_quantity`, for people: `500ms`, `90s`, `99.9%`, `p99`."""
    if isinstance(value, Seconds):
        return f"{value * 1000:.10g}ms" if 0 < value < 1 else f"{float(value):.10g}s"
    if isinstance(value, Share):
        return f"{value * 100:.10g}%"
    if isinstance(value, Quantile):
        return value.words
    raise NotImplementedError(f"cannot write a {type(value).__name__}")


def quantity_schema(kind: type) -> dict[str, Any]:
    """The `schema_hook` of msgspec for the three: what an editor accepts."""
    number: dict[str, Any] = {"type": "number", "minimum": 0}
    if issubclass(kind, Seconds):
        pattern = r"^([0-9]+(\.[0-9]+)?(us|ms|s|m|h))+$"
        return {
            "anyOf": [{"type": "string", "pattern": pattern}, number | {"maximum": SECONDS_MAX}],
            "description": SECONDS_WORDS,
        }
    if issubclass(kind, Share):
        text = {"type": "string", "pattern": PERCENT_PATTERN}
        return {"anyOf": [text, number | {"maximum": 1}], "description": SHARE_WORDS}
    if issubclass(kind, Quantile):
        text = {"type": "string", "pattern": r"^p(?!0+(\.0+)?$)0*[0-9]{1,2}(\.[0-9]+)?$"}
        number = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
        return {"anyOf": [text, number], "description": QUANTILE_WORDS}
    raise NotImplementedError(f"no schema for {kind.__name__}")


def _duration_s(text: str) -> float | None:
    parts = _PART.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
