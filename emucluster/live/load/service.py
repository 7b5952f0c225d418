"""The gRPC service `Load` of a generator."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from emucluster.core.errors import EmuclusterError
from emucluster.live.load.counts import LoadCounts
from emucluster.live.load.engine import Engine
from emucluster.live.load.settings import read_settings
from emucluster.live.rpc.errors import abort, translated
from emucluster.live.rpc.pb import load_pb2, load_pb2_grpc


class LoadService(load_pb2_grpc.LoadServicer):
    """One load at a time; the next one may start when the last has ended."""

    def __init__(self, generator: str) -> None:
        self._generator = generator
        self._engine: Engine | None = None
        self.counts = LoadCounts()

    @translated
    async def Start(self, request: Any, context: Any) -> Any:
        if self._engine is not None and self._engine.state != "ended":
            run = self._engine.settings.run
            raise EmuclusterError(f"{self._generator} still runs {run!r}")
        engine = Engine(read_settings(request), generator=self._generator, counts=self.counts)
        engine.start()
        self._engine = engine
        return self._info()

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if self._engine is None:
            await abort(context, EmuclusterError(f"{self._generator} runs no load"))
            return
        async for batch in self._engine.journal.follow(request.after):
            yield batch

    @translated
    async def Stop(self, request: Any, context: Any) -> Any:
        await self.stop(request.drain_s)
        return self._info()

    @translated
    async def Describe(self, request: Any, context: Any) -> Any:
        return self._info()

    @property
    def in_flight(self) -> int:
        """Calls begun and not ended."""
        return 0 if self._engine is None else self._engine.in_flight

    async def stop(self, drain_s: float) -> None:
        """End the load, if one runs."""
        if self._engine is not None:
            await self._engine.stop(drain_s)

    def _info(self) -> Any:
        engine = self._engine
        if engine is None:
            return load_pb2.LoadInfo(state="idle", pid=os.getpid())
        return load_pb2.LoadInfo(
            run=engine.settings.run,
            state=engine.state,
            start_s=engine.start_s,
            pid=os.getpid(),
            calls=engine.calls,
            in_flight=engine.in_flight,
            batches=engine.journal.sequence,
        )
