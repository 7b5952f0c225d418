"""Many calls: how they are paced, and what they came to."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from emucluster.client.calls import Call
from emucluster.core.errors import UsageError

OPEN_LOOP_CONCURRENCY = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """How calls are sent.

    Attributes:
        count: how many.
        rate_per_s: begin so many a second, whether or not earlier ones are answered, and count
            latency from the moment at which each was due (open loop). None: as soon as one of the
            `concurrency` callers is free (closed loop).
        concurrency: calls in flight at most.
        shared: all on one channel; else each on a connection of its own.
        timeout_s: deadline of each call, connecting included.
    """

    count: int = 1
    rate_per_s: float | None = None
    concurrency: int | None = None
    shared: bool = False
    timeout_s: float = 5.0
    message: str = ""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"count: must be at least 1, got {self.count}")
        if self.rate_per_s is not None and not 0 < self.rate_per_s <= 100_000:
            raise UsageError(f"rate: must be above 0 calls a second, got {self.rate_per_s:g}")
        if self.concurrency is not None and not 1 <= self.concurrency <= 1024:
            raise UsageError(f"concurrency: must be between 1 and 1024, got {self.concurrency}")
        if not self.timeout_s > 0:
            raise UsageError(f"timeout: must be above 0 s, got {self.timeout_s:g}")

    @property
    def workers(self) -> int:
        """How many calls can be in flight."""
        default = 1 if self.rate_per_s is None else OPEN_LOOP_CONCURRENCY
        return min(self.concurrency or default, self.count)

    def due_s(self, number: int) -> float | None:
        """Seconds after the start at which call `number` is due; None: when a caller is free."""
        return None if self.rate_per_s is None else number / self.rate_per_s


class Runner:
    """Sends the calls of a plan with threads; `send(number, due_s)` makes one."""

    def __init__(self, plan: Plan, send: Callable[[int, float | None], Call]) -> None:
        self._plan = plan
        self._send = send
        self._numbers = iter(range(plan.count))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._done: SimpleQueue[Call | BaseException | None] = SimpleQueue()

    def batches(self, *, every_s: float) -> Generator[list[Call], None, None]:
        """Finished calls, in lists, about every `every_s` seconds, until all are done.

        Closing the iterator sends no more calls and waits for those in flight.
        """
        workers = self._plan.workers
        with ThreadPoolExecutor(workers, thread_name_prefix="caller") as pool:
            start_s = time.monotonic()
            for _ in range(workers):
                pool.submit(self._work, start_s)
            try:
                while workers:
                    batch, ended = self._gather(workers, every_s)
                    workers -= ended
                    if batch:
                        yield batch
            finally:
                self._stop.set()

    def stop(self) -> None:
        """Begin no more calls."""
        self._stop.set()

    def _gather(self, workers: int, every_s: float) -> tuple[list[Call], int]:
        batch: list[Call] = []
        ended, until_s = 0, time.monotonic() + every_s
        while ended < workers and (left_s := until_s - time.monotonic()) > 0:
            try:
                item = self._done.get(timeout=left_s)
            except Empty:
                break
            if isinstance(item, BaseException):
                raise item
            if item is None:
                ended += 1
            else:
                batch.append(item)
        return batch, ended

    def _work(self, start_s: float) -> None:
        try:
            while (number := self._next()) is not None:
                offset_s = self._plan.due_s(number)
                due_s = None if offset_s is None else start_s + offset_s
                if due_s is not None and self._stop.wait(max(0.0, due_s - time.monotonic())):
                    break
                self._done.put(self._send(number, due_s))
        except BaseException as error:
            self._done.put(error)
        finally:
            self._done.put(None)

    def _next(self) -> int | None:
        with self._lock:
            return None if self._stop.is_set() else next(self._numbers, None)


@dataclass(frozen=True, slots=True)
class Summary:
    """What calls came to; latencies are of answered calls, in seconds, None without any."""

    count: int
    failed: int
    by_pod: tuple[tuple[str, int], ...]
    by_node: tuple[tuple[str, int], ...]
    by_failure: tuple[tuple[str, int], ...]
    p50_s: float | None
    p99_s: float | None


def summarize(calls: Iterable[Call]) -> Summary:
    """Spread over pods and nodes, failures by status, and latency."""
    every = list(calls)
    good = [call for call in every if call.ok]
    latencies = sorted(call.latency_s for call in good)
    return Summary(
        count=len(every),
        failed=len(every) - len(good),
        by_pod=_ranked(call.pod for call in good),
        by_node=_ranked(call.node for call in good),
        by_failure=_ranked(call.status for call in every if not call.ok),
        p50_s=percentile(latencies, 50),
        p99_s=percentile(latencies, 99),
    )


def percentile(ordered: list[float], percent: float) -> float | None:
    """The smallest value that `percent` % of the values do not exceed (nearest rank)."""
    if not ordered:
        return None
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def _ranked(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counts = Counter(names)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
