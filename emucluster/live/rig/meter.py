"""A process's own processor time and the lag of its event loop, second by second."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from emucluster.live.clock import wall_s
from emucluster.live.rig.clock_offset import moved_s, wall_offset_s
from emucluster.live.rig.lags import LagTicker, bucket_of, quantile_s
from emucluster.live.rpc.pb import lab_pb2

TICK_S = 0.04
"""25 a second cost about 0.2 % of a core; a hold-up as long as this is noticed for certain."""
KEPT_S = 1800
"""How long seconds are remembered."""
SETTLING_S = 2.0
"""A process that begins loads its modules and its state, and is connected to by all at once. Of one
that is started again, by a fault perhaps, that is its beginning, and says nothing of the machine.
"""


@dataclass(frozen=True, slots=True)
class _Second:
    """One second that is over: `lags` has the bucket of each tick, a byte for each.

    `offset_s`: wall minus monotonic clock when it began.
    """

    from_s: float
    to_s: float
    cpu_s: float
    lags: bytes
    lag_max_s: float
    offset_s: float


class RigMeter:
    """Measures the process that it runs in, from `start` to `stop`.

    The lag of its loop counts from `settling_s` after the start on.
    """

    def __init__(self, name: str, *, settling_s: float = SETTLING_S) -> None:
        self._name = name
        self._settling_s = settling_s
        self._settled_s = 0.0
        self._ticker = LagTicker(TICK_S, self._take)
        self._seconds: deque[_Second] = deque(maxlen=KEPT_S)
        self._begin()

    def start(self) -> None:
        """Begin to measure the running loop."""
        self._begin()
        self._settled_s = time.monotonic() + self._settling_s
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def report(self, since_s: float) -> lab_pb2.ProcessRig:
        """Figures of the seconds that were not over yet at `since_s` of the wall clock."""
        counts: Counter[int] = Counter()
        first: _Second | None = None
        lag_max_s = 0.0
        offsets_s = [wall_offset_s()]
        for second in self._since(since_s):
            first = first or second
            offsets_s.append(second.offset_s)
            counts.update(second.lags)
            lag_max_s = max(lag_max_s, second.lag_max_s)
        from_s, cpu_s = (first.from_s, first.cpu_s) if first else (self._from_s, self._cpu_s)
        return lab_pb2.ProcessRig(
            name=self._name,
            pid=os.getpid(),
            from_s=from_s,
            to_s=wall_s(),
            cpu_s=time.process_time() - cpu_s,
            lag_p50_s=min(lag_max_s, quantile_s(counts, 0.50)),
            lag_p99_s=min(lag_max_s, quantile_s(counts, 0.99)),
            lag_max_s=lag_max_s,
            clock_step_s=moved_s(offsets_s),
        )

    def _since(self, since_s: float) -> Iterator[_Second]:
        """From the first one on that was not over then: later ones may have an earlier time, where
        the wall clock was set back."""
        found = False
        for second in (*self._seconds, self._current(wall_s())):
            found = found or second.to_s > since_s
            if found:
                yield second

    def _begin(self) -> None:
        self._from_s = wall_s()
        self._cpu_s = time.process_time()
        self._lags = bytearray()
        self._lag_max_s = 0.0
        self._offset_s = wall_offset_s()
        self._began_s = time.monotonic()

    def _current(self, now_s: float) -> _Second:
        return _Second(
            self._from_s, now_s, self._cpu_s, bytes(self._lags), self._lag_max_s, self._offset_s
        )

    def _take(self, lag_s: float) -> None:
        if time.monotonic() - lag_s >= self._settled_s:
            self._lags.append(bucket_of(lag_s))
            self._lag_max_s = max(self._lag_max_s, lag_s)
        if time.monotonic() - self._began_s >= 1.0:
            self._seconds.append(self._current(wall_s()))
            self._begin()
