"""The two clocks of a live process: monotonic for durations, the wall only to stamp objects."""

import time
from datetime import UTC, datetime
from functools import lru_cache


def now_s() -> float:
    """Monotonic seconds; never a date."""
    return time.monotonic()


def wall_s() -> float:
    """Seconds since the epoch, for records that people compare between processes."""
    return time.time()


def stamp() -> str:
    """Now as `metav1.Time` prints it: `2026-01-31T12:00:00Z`."""
    return _second(int(time.time()))


@lru_cache(maxsize=1)  # thousands of writes fall into one second
def _second(seconds: int) -> str:
    return stamp_at(seconds)


def stamp_at(seconds: float) -> str:
    """The same for a moment in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp() -> str:
    """Now as `metav1.MicroTime` prints it: `2026-01-31T12:00:00.000000Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
