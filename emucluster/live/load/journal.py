"""Batches until somebody has them: bounded, replayed to a watcher who comes late or comes back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from emucluster.live.rpc.pb import load_pb2

RETAINED_BYTES = 64 * 1024 * 1024


class Journal:
    """Keeps the newest batches, `retained_bytes` of them at most, and the last one always."""

    def __init__(self, *, retained_bytes: int = RETAINED_BYTES) -> None:
        self._retained_bytes = retained_bytes
        self._batches: deque[tuple[int, load_pb2.LoadBatch]] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self.sequence = 0
        self.lost = 0
        self._had = 0

    def append(self, batch: load_pb2.LoadBatch) -> None:
        """Number the batch and let watchers have it."""
        self.sequence += 1
        batch.sequence = self.sequence
        batch.lost_batches = self.lost
        size = batch.ByteSize()
        self._batches.append((size, batch))
        self._bytes += size
        while self._bytes > self._retained_bytes and len(self._batches) > 1:
            self._drop_oldest()
        self._news.set()
        self._news = asyncio.Event()

    def forget(self, sequence: int) -> None:
        """Somebody has every batch up to this one."""
        self._had = max(self._had, sequence)
        while len(self._batches) > 1 and self._batches[0][1].sequence <= self._had:
            self._drop_oldest()

    async def follow(self, after: int) -> AsyncIterator[load_pb2.LoadBatch]:
        """The retained batches after this one and those to come, until the last of the load.

        A batch that was taken is dropped when the next one is asked for, so that a watcher who
        lost its connection meanwhile can come back for it.
        """
        while True:
            news = self._news
            batch = next((b for _, b in self._batches if b.sequence > after), None)
            if batch is None:
                await news.wait()
                continue
            yield batch
            self.forget(after)
            after = batch.sequence
            if batch.last:
                return

    def _drop_oldest(self) -> None:
        size, batch = self._batches.popleft()
        self._bytes -= size
        if batch.sequence > self._had:
            self.lost += 1
