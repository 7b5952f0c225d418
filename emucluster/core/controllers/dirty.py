"""What a controller still has to look at, now or later."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class DirtyQueue(Generic[K]):
    """Keys without duplicates: due at once, at a given time, or after a failure with back-off.

    The back-off of a key doubles from `base_s` to `cap_s` until `forget`; it is never scaled by
    `--speed` (defaults: k8s.io/client-go/util/workqueue, 5 ms to 1000 s).
    """

    def __init__(self, *, base_s: float = 0.005, cap_s: float = 1000.0) -> None:
        self._base_s, self._cap_s = base_s, cap_s
        self._now: dict[K, None] = {}
        self._at_s: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._failures: dict[K, int] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._now)

    def __contains__(self, key: object) -> bool:
        return key in self._now

    def mark(self, key: K) -> None:
        """Due at once."""
        self._now[key] = None

    def mark_at(self, key: K, when_s: float) -> None:
        """Due at `when_s` at the latest; an earlier time already set stays."""
        if self._at_s.get(key, float("inf")) <= when_s:
            return
        self._at_s[key] = when_s
        self._order += 1
        heapq.heappush(self._heap, (when_s, self._order, key))

    def retry(self, key: K, *, now_s: float) -> float:
        """Due again after its back-off, which is returned."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s = min(self._cap_s, self._base_s * 2.0 ** min(failures, 40))
        self.mark_at(key, now_s + delay_s)
        return delay_s

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure starts the back-off anew."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """The key is gone for good."""
        self._now.pop(key, None)
        self._at_s.pop(key, None)
        self._failures.pop(key, None)

    def take(self, now_s: float) -> list[K]:
        """Everything due at `now_s`, in the order in which it became due."""
        while self._heap and self._heap[0][0] <= now_s:
            when_s, _, key = heapq.heappop(self._heap)
            if self._at_s.get(key) == when_s:
                del self._at_s[key]
                self._now[key] = None
        taken = list(self._now)
        self._now.clear()
        return taken

    def next_wake_s(self) -> float | None:
        """When the next key is due; `-inf` if one is due at once, None if there is none."""
        if self._now:
            return float("-inf")
        while self._heap and self._at_s.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None


def earliest(*times: float | None) -> float | None:
    """The earliest of some wake-up times, where None is never."""
    return min((each for each in times if each is not None), default=None)
