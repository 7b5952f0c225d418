"""Bytes of one direction of one connection that wait: for their turn, for their delay.

Stages in the order of the catalogue: loss (only where the kernel cannot drop: a lost segment is
seen as the time until TCP sends it again), bandwidth, latency. Nothing ever overtakes: FIN and RST
wait behind the bytes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from emucluster.live.network.shapes import NONE, Effect

HELD_BYTES = 4 * 1024 * 1024
"""Above this nothing more is read, as with a TCP window of that size (tcp_rmem)."""
_QUEUE_BYTES, _QUEUE_S = 64 * 1024, 0.1
"""What waits before a narrow link: so many bytes, or as many as it carries in that time."""
_SEGMENT_BYTES, _PIECE_S = 1448, 0.005
_EARLY_S = 0.0005
"""A timer of uvloop is rounded to the millisecond."""
RTO_S = 0.2
"""TCP_RTO_MIN of Linux; it doubles with each repetition."""
_RTO_MAX_S = 120.0


class Path(Protocol):
    """Where the bytes go on."""

    @property
    def stopped(self) -> bool:
        """Whether nothing may leave now; `run` is called when that changes."""

    def write(self, data: bytes) -> None:
        """They have arrived."""

    def room_changed(self) -> None:
        """`full` is another than before."""

    def emptied(self) -> None:
        """Nothing waits, and nothing will have to."""


class Bucket:
    """A token bucket: `bytes_per_s`, and as many at once as it carries in 5 ms (or one segment)."""

    def __init__(self, bytes_per_s: int) -> None:
        self.bytes_per_s = bytes_per_s
        self.piece = max(_SEGMENT_BYTES, int(bytes_per_s * _PIECE_S))
        self._empty_until_s = float("-inf")

    def pass_s(self, count: int, now_s: float) -> float:
        """When `count` bytes that come at `now_s` are through."""
        burst_s = self.piece / self.bytes_per_s
        begin_s = max(self._empty_until_s, now_s - burst_s)
        self._empty_until_s = begin_s + count / self.bytes_per_s
        return max(now_s, self._empty_until_s)


class Shaper:
    """Holds what arrives on one side until its time has come."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self._path = path
        self._rng = rng
        self._effect = NONE
        self._stalls = 0.0
        self._buckets: list[Bucket] = []
        self._waiting: deque[tuple[float, bytes | Callable[[], None]]] = deque()
        self._held = 0
        self._last_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.full = False

    def follow(self, effect: Effect, *, stalls: float) -> None:
        """Hold by `effect` from now on; `stalls`: share of segments that TCP had to repeat.

        What waits keeps its time, unless nothing is to wait any more: then it goes at once.
        """
        self._effect, self._stalls = effect, stalls
        if tuple(bucket.bytes_per_s for bucket in self._buckets) != effect.rates:
            self._buckets = [Bucket(rate) for rate in effect.rates]
        if not self._holds:
            self._waiting = deque((0.0, item) for _, item in self._waiting)
            self._last_s = 0.0
        self.run()

    @property
    def _holds(self) -> bool:
        return self._effect.holds_bytes or self._stalls > 0

    def take(self, data: bytes) -> None:
        """Bytes that have just arrived."""
        if not self._holds and not self._waiting and not self._path.stopped:
            self._path.write(data)
            return
        now_s = time.monotonic()
        piece = min((bucket.piece for bucket in self._buckets), default=len(data))
        for at in range(0, len(data), piece):
            part = data[at : at + piece]
            self._put(self._arrival_s(len(part), now_s), part)
        self._held += len(data)
        self._settle()

    def call(self, step: Callable[[], None]) -> None:
        """What comes behind all bytes: a FIN, a RST."""
        self._put(self._arrival_s(0, time.monotonic()), step)
        self._settle()

    def run(self) -> None:
        """Let go of what is due, and wait for the next."""
        self._cancel()
        due_s = time.monotonic() + _EARLY_S
        while self._waiting and self._waiting[0][0] <= due_s and not self._path.stopped:
            _, item = self._waiting.popleft()
            if callable(item):
                item()
            else:
                self._held -= len(item)
                self._path.write(item)
        self._settle()

    def close(self) -> None:
        """Forget what waits."""
        self._cancel()
        self._waiting.clear()
        self._held = 0

    def _arrival_s(self, count: int, now_s: float) -> float:
        at_s = now_s + self._stall_s()
        for bucket in self._buckets:
            at_s = bucket.pass_s(count, at_s)
        return at_s + self._effect.draw_s()

    def _stall_s(self) -> float:
        stalled_s, rto_s = 0.0, RTO_S
        while self._stalls and rto_s < _RTO_MAX_S and self._rng.random() < self._stalls:
            stalled_s, rto_s = stalled_s + rto_s, 2 * rto_s
        return stalled_s

    def _put(self, at_s: float, item: bytes | Callable[[], None]) -> None:
        self._last_s = max(self._last_s, at_s)
        self._waiting.append((self._last_s, item))

    def _settle(self) -> None:
        full = self._held > self._limit
        if full != self.full:
            self.full = full
            self._path.room_changed()
        if not self._waiting:
            if not self._holds:
                self._path.emptied()
        elif self._timer is None and not self._path.stopped:
            wait_s = max(0.0, self._waiting[0][0] - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.run)

    @property
    def _limit(self) -> int:
        if not self._buckets:
            return HELD_BYTES
        rate = min(bucket.bytes_per_s for bucket in self._buckets)
        way_s = self._effect.mean_delay_s + _QUEUE_S
        return min(HELD_BYTES, _QUEUE_BYTES + int(rate * way_s))

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
