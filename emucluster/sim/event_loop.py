"""One queue of things to come; the next of them is the next moment."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from .clock import VirtualClock

Callback = Callable[[], object]


class Timer:
    """Something to come, which may be called off."""

    __slots__ = ("_callback", "at_s")

    def __init__(self, at_s: float, callback: Callback) -> None:
        self.at_s = at_s
        self._callback: Callback | None = callback

    @property
    def is_pending(self) -> bool:
        return self._callback is not None

    def cancel(self) -> None:
        """It will not happen."""
        self._callback = None

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class EventLoop:
    """Runs callbacks in the order of their times; at one time in the order of their arrival."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.events = 0
        """How many callbacks have run."""
        self._queue: list[tuple[float, int, Timer]] = []
        self._arrival = count()

    def now_s(self) -> float:
        return self.clock.now_s()

    def call_at(self, at_s: float, callback: Callback) -> Timer:
        """Run `callback` at a moment, or at once if that is past."""
        timer = Timer(max(at_s, self.clock.now_s()), callback)
        heapq.heappush(self._queue, (timer.at_s, next(self._arrival), timer))
        return timer

    def call_later(self, delay_s: float, callback: Callback) -> Timer:
        """Run `callback` in so many seconds."""
        return self.call_at(self.clock.now_s() + delay_s, callback)

    def next_due_s(self) -> float | None:
        """When the next callback is due; None: nothing is to come."""
        while self._queue and not self._queue[0][2].is_pending:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def run_one(self, until_s: float) -> bool:
        """Jump to the next callback and run it; if none is due by `until_s`, jump there.

        Returns whether one was run.
        """
        due_s = self.next_due_s()
        if due_s is None or due_s > until_s:
            self.clock.jump_to(until_s)
            return False
        self.clock.jump_to(due_s)
        timer = heapq.heappop(self._queue)[2]
        self.events += 1
        timer.fire()
        return True

    def run_until(self, end_s: float) -> None:
        """Run everything that is due by `end_s`, and jump there."""
        while self.run_one(end_s):
            pass
