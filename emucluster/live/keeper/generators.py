"""Load generators: processes beside the cluster that live as long as whoever asked for them."""

import asyncio
import itertools
import logging
from pathlib import Path
from typing import Any

from emucluster.core.errors import UsageError
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.settings import KeeperSettings

GENERATORS_MAX = 64
STOP_GRACE_S = 0.2
"""Whoever asked is gone, or has what he wanted: calls in flight are worth no waiting."""

log = logging.getLogger(__name__)


class Generators:
    """Apart from the cluster's machines: no fault can be put upon a generator.

    They run on the keeper's host, where the edge's gateways are. `host` and `ray_id` are of it;
    without `ray_id` the choice is Ray's, which then has one host.
    """

    def __init__(self, settings: KeeperSettings, *, host: str, ray_id: str | None) -> None:
        self._settings = settings
        self._host = host
        self._ray_id = ray_id
        self._machines = Machines()
        self._numbers = itertools.count(1)
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def machines(self) -> list[Machine]:
        """Those that exist now."""
        return list(self._machines)

    async def open(self, count: int) -> list[Machine]:
        """Start `count` of them (0: 1). Raises UsageError, or StartFailed with none left."""
        if count > GENERATORS_MAX:
            raise UsageError(f"count: at most {GENERATORS_MAX} load generators, got {count}")
        opened = [self._machine() for _ in range(count or 1)]
        try:
            for machine in opened:
                self._machines.create(machine)
            await asyncio.gather(*(self._machines.start(machine) for machine in opened))
        except BaseException:  # also when whoever asked is gone by now
            self.release(opened)
            raise
        return opened

    def release(self, opened: list[Machine]) -> None:
        """End them, without waiting: this is called where nothing may be awaited."""
        task = asyncio.get_running_loop().create_task(self._end(opened), name="end generators")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all of them; returns when their processes are gone."""
        await asyncio.gather(*self._ending)
        await self._machines.stop_all(grace_s=STOP_GRACE_S)

    async def _end(self, opened: list[Machine]) -> None:
        removals = (self._machines.remove(machine, grace_s=STOP_GRACE_S) for machine in opened)
        for outcome in await asyncio.gather(*removals, return_exceptions=True):
            if isinstance(outcome, BaseException):
                log.error("a load generator did not end in good order: %r", outcome)

    def _machine(self) -> Machine:
        name = f"load-generator-{next(self._numbers)}"
        settings = self._settings
        config: dict[str, Any] = {
            "name": name,
            "token": settings.token,
            "directory": str(Path(settings.directory) / "load"),
        }
        return Machine(
            name=name,
            kind="load-generator",
            implementation=settings.implementations.load_generator,
            config=config,
            address="127.0.0.1",
            host=self._host,
            ray_id=self._ray_id,
        )
