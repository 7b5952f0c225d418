"""What a generator was capable of: the event loop's lag, its processor time, its late starts."""

from __future__ import annotations

import asyncio
import time
from array import array

from emucluster.live.load.clock import LoadClock
from emucluster.live.rpc.pb import load_pb2

TICK_S = 0.01
LATE_S = 0.02
"""A call begun so long after it was due is late: the generator's fault, not the cluster's."""


class HealthMeter:
    """Collects from one `take` to the next."""

    def __init__(self, clock: LoadClock) -> None:
        self._clock = clock
        self._lags = array("d")
        self._handle: asyncio.TimerHandle | None = None
        self._expected_s = 0.0
        self._reset()

    def start(self) -> None:
        """Begin to measure the running loop."""
        self._loop = asyncio.get_running_loop()
        self._schedule()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def started(self, late_s: float) -> None:
        """A call began `late_s` after it was due, without having had to wait for others."""
        self._health.started += 1
        if late_s > LATE_S:
            self._health.late += 1
            self._health.late_max_s = max(self._health.late_max_s, late_s)

    def delayed(self) -> None:
        """A call began after it had waited for others to end."""
        self._health.started += 1

    def expired(self, *, late: int, waiting: int) -> None:
        """Calls were given up."""
        self._health.expired_late += late
        self._health.expired_waiting += waiting

    def take(self, in_flight: int) -> load_pb2.GeneratorHealth:
        """What was collected since the last time."""
        health = self._health
        lags = sorted(self._lags) or [0.0]
        health.lag_p50_s = lags[len(lags) // 2]
        health.lag_p99_s = lags[min(len(lags) - 1, len(lags) * 99 // 100)]
        health.lag_max_s = lags[-1]
        health.to_s = self._clock.now_s()
        health.cpu_s = time.process_time() - self._cpu_s
        health.in_flight = in_flight
        self._reset()
        return health

    def _reset(self) -> None:
        self._health = load_pb2.GeneratorHealth(from_s=self._clock.now_s())
        self._cpu_s = time.process_time()
        self._lags = array("d")

    def _schedule(self) -> None:
        self._expected_s = time.monotonic() + TICK_S
        self._handle = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        # Timers of libuv have a grain of 1 ms and may fire that much early.
        self._lags.append(max(0.0, time.monotonic() - self._expected_s))
        self._schedule()
