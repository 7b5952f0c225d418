"""Runs scenarios on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

DEADLINE_S = 60.0

Scenario = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture
def on_uvloop() -> Callable[[Scenario], None]:
    """Run a scenario on a fresh uvloop, within the deadline."""

    def run(scenario: Scenario) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(DEADLINE_S):
                await scenario()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(bounded())

    return run
