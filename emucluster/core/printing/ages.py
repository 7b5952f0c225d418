"""How long ago, in kubectl's words. Source: k8s.io/apimachinery pkg/util/duration."""

from __future__ import annotations

from datetime import UTC, datetime

from .column import UNKNOWN


def human_duration(seconds: float) -> str:
    """`45s`, `5m12s`, `3h`, `2d4h`, `1y10d`: at most two units, fewer the longer it is."""
    s = int(seconds)
    if s < -1:
        return "<invalid>"
    s = max(0, s)
    m, h, d = s // 60, s // 3600, s // 86400
    if s < 120:
        return f"{s}s"
    if m < 10:
        return _two(m, "m", s % 60, "s")
    if m < 180:
        return f"{m}m"
    if h < 8:
        return _two(h, "h", m % 60, "m")
    if h < 48:
        return f"{h}h"
    if h < 24 * 8:
        return _two(d, "d", h % 24, "h")
    if d < 365 * 2:
        return f"{d}d"
    if d < 365 * 8:
        return _two(d // 365, "y", d % 365, "d")
    return f"{d // 365}y"


def seconds_of(stamp: str | None) -> float | None:
    """An RFC 3339 stamp as seconds since the epoch; None where there is none."""
    if not stamp:
        return None
    moment = datetime.fromisoformat(stamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def age(stamp: str | None, now_s: float) -> str:
    """Time since `stamp`; `now_s` in seconds since the epoch."""
    since_s = seconds_of(stamp)
    return UNKNOWN if since_s is None else human_duration(now_s - since_s)


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
