"""RFC 3339 stamps of objects, read as seconds so that durations between them can be computed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=4096)
def wall_s(stamp: str | None) -> float:
    """Seconds since the epoch; an absent or unreadable stamp is long ago."""
    if not stamp:
        return 0.0
    try:
        parsed = datetime.fromisoformat(stamp)
    except ValueError:
        return 0.0
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
