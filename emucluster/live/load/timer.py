"""Timers finer than the event loop's own, whose grain is a millisecond.

A call that is begun half a millisecond after it was due would carry that in its latency.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_SHORTEST_S = 1e-6  # zero would disarm the timer


class _Spec(ctypes.Structure):
    """struct itimerspec of timerfd_settime(2) on 64-bit Linux."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


_libc = ctypes.CDLL(None, use_errno=True)


class PreciseTimer:
    """Calls `fire` once for each `at`, by timerfd(2). To be closed; one event loop's own."""

    def __init__(self, fire: Callable[[], None]) -> None:
        self._fire = fire
        self._loop = asyncio.get_running_loop()
        self._fd = _libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop.add_reader(self._fd, self._expired)

    def at(self, delay_s: float) -> None:
        """Fire `delay_s` from now, and not when an earlier `at` would have it."""
        if self._fd >= 0:
            self._set(max(delay_s, _SHORTEST_S))

    def cancel(self) -> None:
        """Fire no more, until the next `at`."""
        if self._fd >= 0:
            self._set(0.0)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _set(self, delay_s: float) -> None:
        seconds = int(delay_s)
        spec = _Spec(0, 0, seconds, int((delay_s - seconds) * 1e9))
        if _libc.timerfd_settime(self._fd, 0, ctypes.byref(spec), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _expired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # set anew since the loop saw it ready
        self._fire()
