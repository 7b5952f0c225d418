"""What a generator was capable of: the event loop's lag, its processor time, its late starts."""

from __future__ import annotations

import time
from array import array

from emucluster.live.load.clock import LoadClock
from emucluster.live.rig.lags import LagTicker
from emucluster.live.rpc.pb import load_pb2

TICK_S = 0.01
LATE_S = 0.02
"""A call begun so long after it was due is late: the generator's fault, not the cluster's."""


class HealthMeter:
    """Collects from one `take` to the next."""

    def __init__(self, clock: LoadClock) -> None:
        self._clock = clock
        self._lags = array("d")
        self._all_lags = array("d")
        self._ticker = LagTicker(TICK_S, lambda lag_s: self._lags.append(lag_s))
        self._reset()

    def start(self) -> None:
        """Begin to measure the running loop."""
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

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

    def take(self, in_flight: int, *, last: bool = False) -> load_pb2.GeneratorHealth:
        """What was collected since the last time; the `last` has figures of the whole load too."""
        health = self._health
        lags = sorted(self._lags) or [0.0]
        health.lag_p50_s = lags[len(lags) // 2]
        health.lag_p99_s = _p99(lags)
        self._all_lags.extend(self._lags)
        if last:
            health.run_lag_p99_s = _p99(sorted(self._all_lags) or [0.0])
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


def _p99(ordered: list[float]) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
