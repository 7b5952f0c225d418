"""The load engine: all groups of one load, in batches to a journal."""

from __future__ import annotations

import asyncio
import itertools

from emucluster.live.load.clock import LoadClock
from emucluster.live.load.counts import LoadCounts
from emucluster.live.load.group_run import Bench, GroupRun
from emucluster.live.load.health import HealthMeter
from emucluster.live.load.journal import Journal
from emucluster.live.load.records import Records
from emucluster.live.load.settings import Settings

BATCH_CALLS = 5_000
_CHECK_S = 0.05
_CANCEL_S = 5.0


class Engine:
    """Runs one load, once. `start` it on a running event loop, then `wait` or `stop`."""

    def __init__(
        self,
        settings: Settings,
        *,
        generator: str = "generator-1",
        counts: LoadCounts | None = None,
    ) -> None:
        self.settings = settings
        self.generator = generator
        self.journal = Journal()
        self.counts = LoadCounts() if counts is None else counts
        self.state = "idle"
        clock = LoadClock()
        self._bench = Bench(settings, clock, Records(), HealthMeter(clock), itertools.count(1))
        self.start_s = max(settings.start_s, clock.now_s())
        self._groups: list[GroupRun] = []
        self._end: asyncio.Task[None] | None = None
        self._flushing: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Calls begun and not ended."""
        return sum(group.in_flight for group in self._groups)

    @property
    def calls(self) -> int:
        """Calls recorded, those that were never begun included."""
        return sum(group.ended for group in self._groups)

    def start(self) -> None:
        """Open the channels and let the schedules run."""
        self._groups = [
            GroupRun(index, group, self._bench, start_s=self.start_s)
            for index, group in enumerate(self.settings.groups)
        ]
        self.state = "running"
        self._bench.health.start()
        loop = asyncio.get_running_loop()
        for group in self._groups:
            group.start()
        self._flushing = loop.create_task(self._flush_often())
        self._end = loop.create_task(self._finish())

    async def wait(self) -> None:
        """Until every schedule has ended, every call has, and the last batch is in the journal."""
        if self._end is not None:
            await asyncio.shield(self._end)

    async def stop(self, drain_s: float) -> None:
        """Begin no more calls; cancel those that are still in flight after `drain_s`."""
        if self._end is None or self._end.done():
            return
        self.state = "draining"
        for group in self._groups:
            group.stop()
        try:
            await asyncio.wait_for(self.wait(), drain_s)
        except TimeoutError:
            await asyncio.sleep(0)  # a task cancelled before its first step would record nothing
            for group in self._groups:
                group.cancel()
            await asyncio.wait_for(self.wait(), _CANCEL_S)

    async def _finish(self) -> None:
        for group in self._groups:
            await group.wait()
        for group in self._groups:
            await group.aclose()
        if self._flushing is not None:
            self._flushing.cancel()
        self._bench.health.stop()
        self.state = "ended"
        self._flush(last=True)

    async def _flush_often(self) -> None:
        """A batch every `batch_s`, sooner when many calls have ended."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self.settings.batch_s
        while True:
            await asyncio.sleep(min(_CHECK_S, self.settings.batch_s))
            if loop.time() >= due_s or len(self._bench.records) >= BATCH_CALLS:
                self._flush(last=False)
                due_s = loop.time() + self.settings.batch_s

    def _flush(self, *, last: bool) -> None:
        batch = self._bench.records.take()
        batch.run, batch.generator, batch.last = self.settings.run, self.generator, last
        for group in self.settings.groups:
            batch.groups.append(group.name)
            batch.per_call.append(group.channels == 0)
        batch.health.CopyFrom(self._bench.health.take(self.in_flight, last=last))
        self.counts.took(batch)
        self.journal.append(batch)
