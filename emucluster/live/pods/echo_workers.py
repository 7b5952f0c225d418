"""Limited capacity: an echo pod that works as a server with a pool of threads does.

`EMU_WORKERS` calls are worked on at once; all others, health checks included, wait for their turn
in the order of their coming. A worker does not notice that its caller has gone, so such a call is
executed nevertheless: the wasted work that keeps an overloaded server overloaded (Bronson et al.,
"Metastable Failures in Distributed Systems", HotOS 2021).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much an echo pod can do; from its environment.

    Attributes:
        workers: calls worked on at once (EMU_WORKERS); 0: no limit, and none of the others applies.
        queue_max: so many may wait; further calls fail at once with RESOURCE_EXHAUSTED
            (EMU_QUEUE_MAX); None: no limit.
        patience_s: a call that had to wait longer is executed and then fails with UNAVAILABLE, as
            servers do that look at their own time limit at the end (EMU_PATIENCE_S); None: never.
    """

    workers: int = 0
    queue_max: int | None = None
    patience_s: float | None = None


class QueueFull(Exception):
    """As many wait as may."""


class Workers:
    """The pool. `capacity.workers` must be above 0; needs a running event loop."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self._free = asyncio.Semaphore(capacity.workers)
        self._waiting = 0
        self._tasks: set[asyncio.Task[float]] = set()

    def check_queue(self) -> None:
        """Raise QueueFull if one more would have to wait and may not."""
        limit = self.capacity.queue_max
        if limit is not None and self._free.locked() and self._waiting >= limit:
            raise QueueFull(f"{self._waiting} calls wait for {self.capacity.workers} workers")

    async def work(self, work_s: float, execute: Callable[[], None]) -> float:
        """Wait for a worker, which executes and then works for `work_s`; how long was waited.

        Cancelling the caller cancels none of that.
        """
        task = asyncio.get_running_loop().create_task(self._in_turn(work_s, execute))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _in_turn(self, work_s: float, execute: Callable[[], None]) -> float:
        loop = asyncio.get_running_loop()
        came_s = loop.time()
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            waited_s = loop.time() - came_s
            execute()
            if work_s:
                await asyncio.sleep(work_s)
            return waited_s
        finally:
            self._free.release()

    def is_impatient(self, waited_s: float) -> bool:
        """Whether a call that waited so long is failed at its end."""
        patience_s = self.capacity.patience_s
        return patience_s is not None and waited_s > patience_s


class QueuedHealth(health_aio.HealthServicer):  # type: ignore[misc, unused-ignore]
    """`grpc.health.v1` by the same workers: under overload its answers come late, too.

    Health checks are never turned away: a short queue makes them wait for a short time.
    """

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    async def Check(
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ],
    ) -> health_pb2.HealthCheckResponse:
        await self._workers.work(0.0, lambda: None)
        return await super().Check(request, context)
