"""How late an event loop is: a timer that should fire at a fixed period, and how late it does."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping

FIRST_S = 1e-4
"""Up to here a lag counts as none: timers of libuv have a grain of 1 ms."""
_RATIO = 1.1
_LOG_RATIO = math.log(_RATIO)
BUCKETS = 256


def bucket_of(lag_s: float) -> int:
    """The number of the bucket, each a tenth wider than the last: 100 us to an hour in 183."""
    if lag_s <= FIRST_S:
        return 0
    return min(BUCKETS - 1, 1 + int(math.log(lag_s / FIRST_S) / _LOG_RATIO))


def upper_s(bucket: int) -> float:
    """The longest lag that a bucket holds."""
    return FIRST_S * _RATIO**bucket


def quantile_s(counts: Mapping[int, int], share: float) -> float:
    """The lag that a share of the ticks did not exceed, a tenth too long at most; 0 of none."""
    wanted = share * sum(counts.values())
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return upper_s(bucket) if bucket else 0.0
    return 0.0


class LagTicker:
    """Calls `on_lag(seconds)` every `period_s` on the running loop, from `start` to `stop`."""

    def __init__(self, period_s: float, on_lag: Callable[[float], None]) -> None:
        self._period_s = period_s
        self._on_lag = on_lag
        self._expected_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._schedule()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self) -> None:
        self._expected_s = time.monotonic() + self._period_s
        self._handle = self._loop.call_later(self._period_s, self._tick)

    def _tick(self) -> None:
        # Timers of libuv may fire up to their grain of 1 ms early.
        self._on_lag(max(0.0, time.monotonic() - self._expected_s))
        self._schedule()
