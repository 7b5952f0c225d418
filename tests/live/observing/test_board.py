"""The present state first, then each change, to any number of watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from emucluster.live.observing import board as board_module
from emucluster.live.observing.board import ObservationBoard

pytestmark = pytest.mark.live


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(bounded())


def shown(batch: Any) -> list[tuple[str, str, str]]:
    return [(each.subject, each.state, each.word) for each in batch.observations]


def test_a_watcher_gets_what_is_so_then_what_changes() -> None:
    async def scenario() -> None:
        board = ObservationBoard()
        board.truth("node/node-1", "up", "running")
        watch = board.watch()
        assert shown(await anext(watch)) == [("node/node-1", "up", "running")]
        assert (await anext(watch)).state_done
        board.truth("node/node-1", "up", "running")
        board.truth("node/node-1", "down", "crash")
        board.belief("lease", "node/node-1", "out", "Unknown")
        assert shown(await anext(watch)) == [
            ("node/node-1", "down", "crash"),
            ("node/node-1", "out", "Unknown"),
        ]
        await watch.aclose()

    run(scenario)


def test_a_change_keeps_the_time_at_which_it_happened() -> None:
    async def scenario() -> None:
        board = ObservationBoard()
        board.truth("node/node-1", "down", "process gone", at_s=5.0)
        board.truth("node/node-1", "down", "process gone", at_s=9.0)
        [batch] = [b async for b in _until_done(board)]
        assert [each.at_s for each in batch.observations] == [5.0]

    run(scenario)


def test_what_is_gone_or_forgotten_is_told_once_and_is_no_part_of_the_state() -> None:
    async def scenario() -> None:
        board = ObservationBoard()
        board.truth("pod/default/a", "up", "running")
        board.belief("proxy", "pod/default/a", "in", "chosen", where="node-1", service="d/web")
        watch = board.watch()
        await anext(watch)
        await anext(watch)
        board.truth("pod/default/a", "gone", "deleted")
        for _ in range(2):
            board.belief(
                "proxy",
                "pod/default/a",
                "out",
                "not chosen",
                where="node-1",
                service="d/web",
                forget=True,
            )
        assert [state for _, state, _ in shown(await anext(watch))] == ["gone", "out"]
        await watch.aclose()
        assert [b async for b in _until_done(board)] == []

    run(scenario)


def test_beliefs_of_different_observers_places_and_services_are_different_ones() -> None:
    async def scenario() -> None:
        board = ObservationBoard()
        for observer in ("proxy", "dns"):
            for where in ("node-1", "node-2"):
                for service in ("default/a", "default/b"):
                    board.belief(observer, "pod/d/p", "in", "", where=where, service=service)
        [batch] = [b async for b in _until_done(board)]
        assert len(batch.observations) == 8

    run(scenario)


def test_a_watcher_that_falls_behind_still_learns_the_last_of_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(board_module, "PENDING_MAX", 10)

    async def scenario() -> None:
        board = ObservationBoard()
        slow, other = board.watch(), board.watch()
        await anext(slow)
        await anext(other)
        for turn in range(100):
            for node in range(4):
                board.truth(f"node/node-{node}", "up" if turn % 2 else "down", str(turn))
        batch = await anext(slow)
        assert len(batch.observations) <= 10 + 4
        last = {each.subject: each.word for each in batch.observations}
        assert last == {f"node/node-{node}": "99" for node in range(4)}
        await slow.aclose()
        assert (await anext(other)).observations[-1].word == "99"
        await other.aclose()

    run(scenario)


async def _until_done(board: ObservationBoard) -> Any:
    watch = board.watch()
    async for batch in watch:
        if batch.state_done:
            break
        yield batch
    await watch.aclose()
