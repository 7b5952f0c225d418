"""`sys.exit()` in a method of the user's servicer ends its container, and nobody else's."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc

from emucluster.live.pods.handlers import with_method

END = (SystemExit, KeyboardInterrupt)
"""What the event loop would let through, and with it the end of the whole process."""


class ExitGuard(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]
    """Tells `on_end`, in the event loop, what a method ended the process with."""

    def __init__(self) -> None:
        self.on_end: Callable[[BaseException], None] = lambda error: None
        self._loop = asyncio.get_running_loop()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        handler = await continuation(details)
        return None if handler is None else with_method(handler, self._guarded)

    def _guarded(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        """The same kind of function: gRPC calls each kind in its own way."""

        async def coroutine(request: Any, context: Any) -> Any:
            try:
                return await behaviour(request, context)
            except END as error:
                self._end(error)

        async def async_generator(request: Any, context: Any) -> Any:
            try:
                async for reply in behaviour(request, context):
                    yield reply
            except END as error:
                self._end(error)

        def generator(request: Any, context: Any) -> Any:
            try:
                yield from behaviour(request, context)
            except END as error:
                self._end(error)

        def function(request: Any, context: Any) -> Any:
            try:
                return behaviour(request, context)
            except END as error:
                self._end(error)

        if inspect.iscoroutinefunction(behaviour):
            return coroutine
        if inspect.isasyncgenfunction(behaviour):
            return async_generator
        return generator if inspect.isgeneratorfunction(behaviour) else function

    def _end(self, error: BaseException) -> NoReturn:
        self._loop.call_soon_threadsafe(self.on_end, error)
        raise RuntimeError(f"the server ends: {type(error).__name__}") from error
