"""Ctrl-C and SIGTERM, once: what follows the first of them is never cut short."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within the `with`, the first of these signals raises KeyboardInterrupt and later ones only
    count: lifting faults and stopping clusters, which have deadlines, come to their end. So do they
    if that first one comes in their midst: see `held_off`.

    Does nothing outside the main thread, where signals do not arrive.
    """

    def __init__(self) -> None:
        self.count = 0
        self._depth = 0
        self._is_due = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {name: signal.signal(name, self._arrived) for name in _SIGNALS}
            _IN_CHARGE.append(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        for name, before in self._before.items():
            signal.signal(name, before)
        if self in _IN_CHARGE:
            _IN_CHARGE.remove(self)

    @contextlib.contextmanager
    def hold_off(self) -> Iterator[None]:
        """A first signal that comes in the block raises at its end, unless it ends by an error."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._is_due and not self._depth:
            self._is_due = False
            raise KeyboardInterrupt

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            return
        if self._depth:
            self._is_due = True
            return
        raise KeyboardInterrupt


_IN_CHARGE: list[Interrupts] = []


@contextlib.contextmanager
def held_off() -> Iterator[None]:
    """For what must come to its end once it has begun: whoever is in charge of signals waits."""
    if threading.current_thread() is not threading.main_thread() or not _IN_CHARGE:
        yield
        return
    with _IN_CHARGE[-1].hold_off():
        yield
