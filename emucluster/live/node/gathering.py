"""What is sent many at a time, without a timer.

While one call is under way what comes meanwhile gathers, and the next call takes it all: so each
thing goes at once where little happens, and the more happens the fewer calls it takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Gathering(Generic[T]):
    """Sends what is put, in order, with one call of `send` at a time.

    Args:
        send: one call; it raises nothing.
        spawn: runs a coroutine as a task.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._send, self._spawn = send, spawn
        self._waiting: list[T] = []
        self._sender: object | None = None

    def put(self, item: T) -> None:
        """Send it with the next call, which begins once the one under way has ended."""
        self._waiting.append(item)
        if self._sender is None:
            self._sender = object()
            self._spawn(self._run(self._sender))

    def forget(self) -> None:
        """Send nothing that waits, and wait no more for the call that is under way."""
        self._waiting = []
        self._sender = None

    async def _run(self, me: object) -> None:
        try:
            while self._sender is me and self._waiting:
                items, self._waiting = self._waiting, []
                await self._send(items)
        finally:
            if self._sender is me:
                self._sender = None
