"""Readiness probes that fail and pass in turn."""

from __future__ import annotations

import asyncio

from emucluster.core.faults import FaultLease
from emucluster.live.pods.fault_book import FaultBook, PodName


class ReadinessFlaps:
    """Writes into the book when a pod's readiness probes fail: first for `down`, then not for `up`.

    The kubelet asks no less often; what it is told counts towards the probe's thresholds. So a pod
    becomes unready only where `down` is longer than failureThreshold periods.
    """

    def __init__(self, book: FaultBook) -> None:
        self._book = book
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, lease: FaultLease, pod: PodName) -> None:
        """Fail from now on, by turns; asked again, it goes on as it does."""
        if lease.id not in self._tasks:
            self._book.entry(*pod).unready.add(lease.id)
            self._tasks[lease.id] = asyncio.get_running_loop().create_task(self._flap(lease, pod))

    def end(self, fault_id: str) -> None:
        """Fail no more."""
        task = self._tasks.pop(fault_id, None)
        if task is not None:
            task.cancel()

    async def aclose(self) -> None:
        """End all of them."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _flap(self, lease: FaultLease, pod: PodName) -> None:
        while True:
            await asyncio.sleep(lease.params["down"])
            self._book.erase(*pod, lease.id)
            await asyncio.sleep(lease.params["up"])
            self._book.entry(*pod).unready.add(lease.id)
