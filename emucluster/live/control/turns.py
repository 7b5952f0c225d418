"""Who has the control plane's loop: clients first, and the cluster's own work gets a share.

Controllers, the scheduler and what nodes report make a few writes for each one of a client. Were
they served as they come, clients that create thousands of objects would wait behind the work on
those that they have created. So while several clients wait, the cluster's own work goes on in small
pieces, and after each piece leaves the loop, and the machine, to them for a while. API Priority and
Fairness shares a kube-apiserver's seats with the same aim. Heartbeats are no such work: they are
never put off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from emucluster.live.clock import now_s

SHARE = 0.05
"""Of the loop's time, for the cluster's own work while clients press."""
PRESSING = 4
"""So many clients have to wait at a time; fewer leave the loop idle by themselves."""
PRESSED_S = 0.050
"""How long after that they are expected again: who has an answer sends its next request."""
PIECE_S = 0.005
"""Without clients: after so much work in a row, others of the loop come in between."""

Result = TypeVar("Result")


class Turns:
    """Runs pieces of work one after another, each when its turn has come, in `loop`.

    Args:
        clock: monotonic seconds. A loop's own may stand still while a callback runs.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, clock: Callable[[], float] = now_s
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._next: asyncio.Handle | None = None
        self._clients = 0
        self._pressed_until_s = float("-inf")
        self._free_at_s = float("-inf")
        self._running = False

    @property
    def pressed(self) -> bool:
        """Whether several clients wait, or will at once."""
        return self._clock() < self._pressed_until_s

    def client_waits(self) -> None:
        """One more client waits for a write."""
        self._clients += 1
        if self._clients >= PRESSING:
            self._pressed_until_s = self._clock() + PRESSED_S

    def client_has_it(self) -> None:
        """One client less."""
        self._clients -= 1

    def submit(self, work: Callable[[], None]) -> None:
        """Run a piece of work at its turn, after those that were submitted before; at once if
        nobody waits. It must not raise."""
        self._waiting.append(work)
        if self._next is None and not self._running:
            self._run()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Like `submit`, for who needs what comes of it, be it an exception."""
        future: asyncio.Future[Result] = self._loop.create_future()

        def piece() -> None:
            if future.done():  # whoever asked has gone
                return
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)

        self.submit(piece)
        return await future

    def close(self) -> None:
        """Nothing runs any more."""
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _run(self) -> None:
        self._next = None
        started_s = at_s = self._clock()
        while self._waiting:
            due_s = min(self._free_at_s, self._pressed_until_s)
            if at_s < due_s:
                self._next = self._loop.call_later(due_s - at_s, self._run)
                return
            if at_s > started_s + PIECE_S:
                self._next = self._loop.call_soon(self._run)
                return
            self._running = True
            try:
                self._waiting.popleft()()
            finally:
                self._running = False
            began_s, at_s = at_s, self._clock()
            self._free_at_s = at_s + (at_s - began_s) * (1 / SHARE - 1)
