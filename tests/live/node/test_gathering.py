"""Many things in one call, in order, one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from emucluster.live.node.gathering import Gathering


class Sink:
    """Takes calls, each of which ends when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []
        self.ends: list[asyncio.Future[None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.gathering: Gathering[int] = Gathering(self._send, self._spawn)

    async def _send(self, items: Sequence[int]) -> None:
        self.calls.append(tuple(items))
        self.ends.append(asyncio.get_running_loop().create_future())
        await self.ends[-1]

    def _spawn(self, work: Any) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def put(self, *items: int) -> None:
        for item in items:
            self.gathering.put(item)
        await self.settle()

    async def end(self, number: int, error: Exception | None = None) -> None:
        """Let the call with this number end."""
        if error is None:
            self.ends[number].set_result(None)
        else:
            self.ends[number].set_exception(error)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def with_sink(body: Callable[[Sink], Any]) -> None:
    async def run() -> None:
        sink = Sink()
        await body(sink)
        for task in sink.tasks:
            task.cancel()
        await asyncio.gather(*sink.tasks, return_exceptions=True)

    asyncio.run(run())


def test_what_comes_during_a_call_goes_with_the_next() -> None:
    async def body(sink: Sink) -> None:
        await sink.put(1, 2)
        await sink.put(3)
        await sink.put(4, 5)
        assert sink.calls == [(1, 2)]
        await sink.end(0)
        assert sink.calls == [(1, 2), (3, 4, 5)]
        await sink.end(1)
        assert len(sink.calls) == 2
        await sink.put(6)
        assert sink.calls[2:] == [(6,)]

    with_sink(body)


def test_what_is_forgotten_is_not_sent_and_nothing_waits_for_the_call_under_way() -> None:
    async def body(sink: Sink) -> None:
        await sink.put(1)
        await sink.put(2)
        sink.gathering.forget()
        await sink.put(3)
        assert sink.calls == [(1,), (3,)]
        await sink.put(4)
        await sink.end(0)
        assert sink.calls == [(1,), (3,)], "the call that was given up sends nothing more"
        await sink.end(1)
        assert sink.calls == [(1,), (3,), (4,)]

    with_sink(body)


def test_a_call_that_breaks_does_not_stop_those_after_it() -> None:
    async def body(sink: Sink) -> None:
        await sink.put(1)
        await sink.end(0, RuntimeError("a bug"))
        await sink.put(2)
        assert sink.calls == [(1,), (2,)]

    with_sink(body)
