"""One clock for a whole load: wall-clock seconds that never jump."""

from __future__ import annotations

import time


class LoadClock:
    """The monotonic clock, moved once to the wall clock's date.

    Differences between its readings are durations, whatever happens to the date meanwhile.
    """

    def __init__(self) -> None:
        before_s = time.monotonic()
        wall_s = time.time()
        self._offset_s = wall_s - (before_s + time.monotonic()) / 2

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return time.monotonic() + self._offset_s
