"""gRPC servers whose answers can have faults, at no cost to a call while none is in force."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from emucluster.live.pods.answer_faults import AnswerFaults, Effect, hold_back, take_held_back_s
from emucluster.live.pods.handlers import Behaviour, with_method

SPARED = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.",
    "/emucluster.v1.Echo/Control",
    "/emucluster.v1.Echo/Seen",
)
"""Beginnings of the methods that no fault hits."""


def put_between(server: grpc.aio.Server, faults: AnswerFaults) -> None:
    """Have `faults` act on every service that is added to the server from now on.

    Calls under way when a fault begins are not touched, nor are health checks, reflection, and
    what the lab itself asks of an echo pod. They sit in the lookup of the method: an interceptor
    would cost each call something.
    """
    add = server.add_generic_rpc_handlers

    def add_generic(handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        add([_Lookup(handler, faults) for handler in handlers])

    def add_registered(service: str, methods: dict[str, Any]) -> None:
        add_generic([grpc.method_handlers_generic_handler(service, methods)])

    server.add_generic_rpc_handlers = add_generic  # type: ignore[method-assign, assignment, unused-ignore]
    server.add_registered_method_handlers = add_registered


class _Lookup(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    def __init__(self, handler: grpc.GenericRpcHandler, faults: AnswerFaults) -> None:
        self._handler = handler
        self._faults = faults

    def service(self, details: Any) -> Any:
        handler = self._handler.service(details)
        if not self._faults.in_force or handler is None or details.method.startswith(SPARED):
            return handler
        effect = self._faults.next_call()
        if effect is None:
            return handler
        if effect.status:
            return with_method(handler, lambda _method: _failing(effect))
        return with_method(handler, _late(effect.delay_s, handler.response_streaming))


def _failing(effect: Effect) -> Behaviour:
    status = grpc.StatusCode[effect.status]

    async def fail(_request: Any, context: Any) -> None:
        if effect.delay_s:
            await asyncio.sleep(effect.delay_s)
        await context.abort(status, effect.details)

    return fail


def _late(delay_s: float, is_streaming: bool) -> Callable[[Behaviour], Behaviour]:
    """Makes a method late that remains of its kind."""

    def late(method: Behaviour) -> Behaviour:
        async def coroutine(request: Any, context: Any) -> Any:
            if is_streaming:  # it writes its replies itself
                await asyncio.sleep(delay_s)
                return await method(request, context)
            hold_back(delay_s)
            reply = await method(request, context)
            await asyncio.sleep(take_held_back_s())
            return reply

        async def async_generator(request: Any, context: Any) -> Any:
            hold_back(delay_s)
            async for reply in method(request, context):
                if left_s := take_held_back_s():
                    await asyncio.sleep(left_s)
                yield reply

        def generator(request: Any, context: Any) -> Any:
            left_s = delay_s
            for reply in method(request, context):
                time.sleep(left_s)  # in a thread of the servicer's pool, which it keeps busy
                left_s = 0.0
                yield reply

        def function(request: Any, context: Any) -> Any:
            reply = method(request, context)
            time.sleep(delay_s)
            return reply

        if inspect.iscoroutinefunction(method):
            return coroutine
        if inspect.isasyncgenfunction(method):
            return async_generator
        return generator if inspect.isgeneratorfunction(method) else function

    return late
