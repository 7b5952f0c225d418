"""An open loop as a machine: what to begin now, what to give up, when to look again.

Calls are due whether or not earlier ones are answered. What cannot begin, because as many calls are
in flight as allowed, waits; what waited too long is given up and told, never passed over, since
the slowest moments of the system under load would be missing from its figures otherwise
("coordinated omission").
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Due:
    """Intended starts, seconds of the pacer's clock.

    Attributes:
        begin: to be begun now, for the first time possible.
        begin_delayed: to be begun now, after they had to wait for others to end.
        expired_waiting: given up; as many calls were in flight as allowed.
        expired_late: given up; nobody looked in time, so the generator was too slow.
    """

    begin: list[float] = field(default_factory=list)
    begin_delayed: list[float] = field(default_factory=list)
    expired_waiting: list[float] = field(default_factory=list)
    expired_late: list[float] = field(default_factory=list)


class OpenLoop:
    """Paces one group.

    Args:
        offsets: seconds after `start_s` at which calls are due, never decreasing.
        max_in_flight: no more calls than these at a time.
        start_within_s: a call that did not begin so long after it was due is given up.
        waits: False: a call that is due while `max_in_flight` are, is given up at once.
    """

    def __init__(
        self,
        offsets: Iterator[float],
        *,
        start_s: float,
        max_in_flight: int,
        start_within_s: float,
        waits: bool = True,
    ) -> None:
        self._offsets = offsets
        self._start_s = start_s
        self._max_in_flight = max_in_flight
        self._start_within_s = start_within_s
        self._waits = waits
        self._waiting: deque[float] = deque()
        self.in_flight = 0
        self._next_s = self._advance()

    def wake(self, now_s: float) -> Due:
        """What is to be done at `now_s`; everything to begin counts as in flight from here on."""
        due = Due()
        give_up_s = now_s - self._start_within_s
        while self._waiting and self._waiting[0] < give_up_s:
            due.expired_waiting.append(self._waiting.popleft())
        while self._waiting and self.in_flight < self._max_in_flight:
            due.begin_delayed.append(self._waiting.popleft())
            self.in_flight += 1
        while self._next_s <= now_s:
            if self._next_s < give_up_s:
                due.expired_late.append(self._next_s)
            elif self.in_flight < self._max_in_flight:
                due.begin.append(self._next_s)
                self.in_flight += 1
            elif self._waits:
                self._waiting.append(self._next_s)
            else:
                due.expired_waiting.append(self._next_s)
            self._next_s = self._advance()
        return due

    def ended(self) -> bool:
        """A call ended; whether `wake` is worth calling at once, since another waits."""
        self.in_flight -= 1
        return bool(self._waiting)

    def stop(self) -> list[float]:
        """Nothing more is due; returns what was still waiting."""
        waiting, self._waiting = list(self._waiting), deque()
        self._next_s = math.inf
        return waiting

    def next_wake_s(self) -> float:
        """When to call `wake` again at the latest; `inf` when nothing more will be due."""
        if not self._waiting:
            return self._next_s
        # Strictly after the limit, as `wake` compares.
        return min(self._next_s, math.nextafter(self._waiting[0] + self._start_within_s, math.inf))

    def _advance(self) -> float:
        return self._start_s + next(self._offsets, math.inf)
