"""Durations as Go writes them: `32s`, `1m30s`, `1.5h`, `500ms`. Pure."""

from __future__ import annotations

import re

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse(text: str) -> float | None:
    """Seconds, or None if it is no duration; negative ones are not taken."""
    if text in ("0", "+0"):
        return 0.0
    rest = text.removeprefix("+")
    if not rest or not re.fullmatch(f"(?:{_PART.pattern})+", rest):
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(rest))
