"""Whose turn it is in the control plane's loop, on a loop whose time stands still."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, cast

import pytest

from emucluster.live.control.turns import PIECE_S, PRESSED_S, PRESSING, SHARE, Turns


class Handle:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """Time passes only where a piece of work says so, and while nothing is to be done."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._order = count()
        self._due: list[tuple[float, int, Handle]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Handle:
        return self.call_at(self.now_s + delay_s, callback)

    def call_at(self, at_s: float, callback: Callable[[], None]) -> Handle:
        handle = Handle(callback)
        heapq.heappush(self._due, (at_s, next(self._order), handle))
        return handle

    def call_soon(self, callback: Callable[[], None]) -> Handle:
        return self.call_at(self.now_s, callback)

    def create_future(self) -> Any:
        return asyncio.get_running_loop().create_future()

    def run(self) -> None:
        while self._due:
            at_s, _, handle = heapq.heappop(self._due)
            self.now_s = max(self.now_s, at_s)
            if handle.callback is not None:
                handle.callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def turns(loop: Loop) -> Turns:
    return Turns(cast(asyncio.AbstractEventLoop, loop), clock=loop.time)


def piece(loop: Loop, begun: list[float], took_s: float) -> Callable[[], None]:
    def work() -> None:
        begun.append(loop.now_s)
        loop.now_s += took_s

    return work


def press_once(turns: Turns) -> None:
    """As many clients write as it takes."""
    for _ in range(PRESSING):
        turns.client_waits()
    for _ in range(PRESSING):
        turns.client_has_it()


def test_without_clients_all_is_done_at_once_and_others_come_in_between(
    loop: Loop, turns: Turns
) -> None:
    begun: list[float] = []
    others: list[int] = []
    loop.call_soon(lambda: others.append(len(begun)))

    def nine() -> None:
        for _ in range(9):
            turns.submit(piece(loop, begun, PIECE_S / 2))

    turns.submit(nine)
    loop.run()

    assert begun == pytest.approx([100.0 + PIECE_S / 2 * n for n in range(9)])
    assert others == [3]


def test_while_clients_press_the_work_has_its_share_and_no_more(loop: Loop, turns: Turns) -> None:
    begun: list[float] = []

    def work() -> None:
        if len(begun) < 1000:
            turns.submit(work)
        piece(loop, begun, 0.001)()

    def press() -> None:
        press_once(turns)
        if len(begun) < 1000:
            loop.call_at(loop.now_s + PRESSED_S / 3, press)

    press()
    turns.submit(work)
    loop.run()

    assert len(begun) * 0.001 / (begun[-1] - begun[0]) == pytest.approx(SHARE, rel=0.01)


def test_a_few_clients_put_nothing_off(loop: Loop, turns: Turns) -> None:
    begun: list[float] = []
    for _ in range(PRESSING - 1):
        turns.client_waits()
    for _ in range(3):
        turns.submit(piece(loop, begun, 0.002))
    loop.run()

    assert begun == pytest.approx([100.0, 100.002, 100.004])


def test_the_first_piece_is_not_put_off(loop: Loop, turns: Turns) -> None:
    begun: list[float] = []
    press_once(turns)
    turns.submit(piece(loop, begun, 0.002))

    assert begun == [100.0]


def test_when_the_clients_have_gone_nothing_waits_for_them(loop: Loop, turns: Turns) -> None:
    begun: list[float] = []
    press_once(turns)
    turns.submit(piece(loop, begun, 1.0))
    press_once(turns)
    turns.submit(piece(loop, begun, 1.0))
    loop.run()

    assert begun == pytest.approx([100.0, 101.0 + PRESSED_S])


def test_who_asked_gets_the_result_or_the_error(turns: Turns) -> None:
    def wrong() -> None:
        raise ValueError("it is wrong")

    async def ask() -> None:
        assert await turns.run(lambda: 7) == 7
        with pytest.raises(ValueError, match="it is wrong"):
            await turns.run(wrong)

    asyncio.run(ask())


def test_work_that_asks_for_more_work_waits_for_its_turn(loop: Loop, turns: Turns) -> None:
    order: list[str] = []

    def first() -> None:
        turns.submit(lambda: order.append("second"))
        order.append("first")

    turns.submit(first)
    loop.run()

    assert order == ["first", "second"]


def test_nothing_runs_after_the_end(loop: Loop, turns: Turns) -> None:
    begun: list[float] = []
    press_once(turns)
    turns.submit(piece(loop, begun, 0.001))
    turns.submit(piece(loop, begun, 0.001))
    turns.close()
    loop.run()

    assert len(begun) == 1
