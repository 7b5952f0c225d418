"""How far the wall clock is from the monotonic one: it stays the same unless somebody sets it.

Linux slews both alike (adjtimex(2)), so that whatever moves one against the other is a step: by
hand, by a time daemon, or by a machine that slept (clock_gettime(2)).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

GOOD_S = 0.0005
READS_MAX = 20

Clock = Callable[[], float]


def wall_offset_s(*, monotonic: Clock | None = None, wall: Clock | None = None) -> float:
    """Wall clock minus monotonic clock, in seconds; of this machine unless others are given.

    They cannot be read at once: of several reads the one counts that took the least time, for the
    process may lose the processor in the midst of one.
    """
    monotonic, wall = monotonic or time.monotonic, wall or time.time
    best_s, offset_s = float("inf"), 0.0
    for _ in range(READS_MAX):
        before_s = monotonic()
        wall_s = wall()
        took_s = monotonic() - before_s
        if took_s < best_s:
            best_s, offset_s = took_s, wall_s - before_s - took_s / 2
        if took_s <= GOOD_S:
            break
    return offset_s


def moved_s(offsets_s: Iterable[float]) -> float:
    """How far the wall clock moved, there and back included; 0 of one reading or none."""
    known = list(offsets_s)
    return max(known) - min(known) if known else 0.0
