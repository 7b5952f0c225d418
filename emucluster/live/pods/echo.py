"""The image `emucluster/echo`: a gRPC server that tells who answered, and fails when told to.

Environment: EMU_SLOW_S, EMU_ERROR_RATE, EMU_ERROR_STATUS, EMU_NOT_READY, EMU_HANG set the first
behaviour, `Echo.Control` changes it later. EMU_WORKERS, EMU_QUEUE_MAX and EMU_PATIENCE_S limit what
it can do (`echo_workers`). EMU_LOG_CALLS=1 logs each call. EMU_IGNORE_TERM=1 makes
a server that does not stop on SIGTERM (read by the workload, not here).
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from emucluster.core.kubelet.commands import PodIdentity
from emucluster.live.pods.answer_faults import take_held_back_s
from emucluster.live.pods.echo_behaviour import (
    BadBehaviour,
    Behaviour,
    Memory,
    capacity_from,
    is_set,
)
from emucluster.live.pods.echo_workers import QueuedHealth, QueueFull, Workers
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

DEFAULT_PORT = 50051
SERVICE = "emucluster.v1.Echo"
REPLY_BYTES_MAX = 64 * 1024 * 1024
PREVIOUS_ATTEMPTS = "grpc-previous-rpc-attempts"
"""With what number gRPC's own retries send a call again (gRFC A6); the first time without it."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Echo(echo_pb2_grpc.EchoServicer):  # type: ignore[misc, unused-ignore]
    """The servicer. `log` takes one line; `set_ready` is told when health is to change."""

    def __init__(
        self,
        pod: PodIdentity,
        env: Mapping[str, str],
        *,
        log: Callable[[str], None],
        memory: Memory | None = None,
    ) -> None:
        self.behaviour = Behaviour.from_environment(env)
        self.calls = 0
        self.memory = memory or Memory()
        capacity = capacity_from(env)
        self.workers = Workers(capacity) if capacity.workers else None
        self.on_ready: Callable[[bool], Any] = lambda ready: None
        self._log = log
        self._log_calls = is_set(env, "EMU_LOG_CALLS")
        self._identity: dict[str, Any] = {
            "pod": pod.name,
            "namespace": pod.namespace,
            "node": pod.node,
            "zone": pod.zone,
            "pod_ip": pod.ip,
            "pid": os.getpid(),
        }

    # --- the four kinds of call ---------------------------------------------------------------

    async def Call(self, request: echo_pb2.EchoRequest, context: Context) -> echo_pb2.EchoReply:
        behaviour = self.behaviour
        if behaviour.hang or behaviour.error_rate:
            await self._misbehave(context)
        if self.workers is not None:
            return await self._in_turn(self.workers, request, context)
        reply = self._execute(request, self._sender(context))
        if request.delay_s or behaviour.slow_s:
            await asyncio.sleep(request.delay_s + behaviour.slow_s)
        return reply

    async def Collect(
        self, requests: AsyncIterator[echo_pb2.EchoRequest], context: Context
    ) -> echo_pb2.EchoReply:
        """One reply to the last request, its message all messages joined by a space."""
        await self._misbehave(context)
        messages, last = [], echo_pb2.EchoRequest()
        async for last in requests:
            messages.append(last.message)
        if self.workers is not None:
            reply = await self._in_turn(self.workers, last, context)
        else:
            reply = self._execute(last, self._sender(context))
            await asyncio.sleep(last.delay_s + self.behaviour.slow_s)
        reply.message = " ".join(messages)
        return reply

    async def Expand(
        self, request: echo_pb2.EchoRequest, context: Context
    ) -> AsyncIterator[echo_pb2.EchoReply]:
        """`repeat` replies (at least one), `delay_s` before each; executed once."""
        await self._misbehave(context)
        if self.workers is not None:
            reply = await self._in_turn(self.workers, request, context)
        else:
            reply = self._execute(request, self._sender(context))
        for _ in range(max(1, request.repeat)):
            if request.delay_s or self.behaviour.slow_s:
                await asyncio.sleep(request.delay_s + self.behaviour.slow_s)
            yield reply

    async def Chat(
        self, requests: AsyncIterator[echo_pb2.EchoRequest], context: Context
    ) -> AsyncIterator[echo_pb2.EchoReply]:
        async for request in requests:
            yield await self.Call(request, context)

    # --- control ------------------------------------------------------------------------------

    async def Control(self, request: echo_pb2.EchoControl, context: Context) -> echo_pb2.EchoState:
        try:
            self.behaviour.change(request)
        except BadBehaviour as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        changed = self.on_ready(not self.behaviour.not_ready)
        if changed is not None:
            await changed
        self._log(f"control: {self.behaviour.describe()}")
        state = self.behaviour
        return echo_pb2.EchoState(
            slow_s=state.slow_s,
            error_rate=state.error_rate,
            error_status=state.error_status.name,
            not_ready=state.not_ready,
            hang=state.hang,
            calls=self.calls,
            connections=self.memory.connections,
        )

    async def Seen(self, request: echo_pb2.SeenRequest, context: Context) -> echo_pb2.SeenReply:
        if request.ids:
            return echo_pb2.SeenReply(executed=self.memory.executed(request.ids))
        executed, following = self.memory.page(request.prefix, request.skip, request.limit)
        return echo_pb2.SeenReply(executed=executed, next=following)

    # --- the parts ----------------------------------------------------------------------------

    async def _misbehave(self, context: Context) -> None:
        """Hang for ever or fail, as the behaviour says; such a call does not count as executed."""
        behaviour = self.behaviour
        if behaviour.hang:
            await asyncio.get_running_loop().create_future()
        if behaviour.error_rate and random.random() < behaviour.error_rate:
            await context.abort(behaviour.error_status, "error injected by the echo pod")

    async def _in_turn(
        self, workers: Workers, request: echo_pb2.EchoRequest, context: Context
    ) -> echo_pb2.EchoReply:
        """The reply of a worker, once one was free and has done its work."""
        sender, replies = self._sender(context), list[echo_pb2.EchoReply]()
        work_s = request.delay_s + self.behaviour.slow_s + take_held_back_s()
        try:
            workers.check_queue()
        except QueueFull as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        waited_s = await workers.work(
            work_s, lambda: replies.append(self._execute(request, sender))
        )
        if workers.is_impatient(waited_s):
            words = f"done, but it waited {waited_s:.2f} s for a worker"
            await context.abort(grpc.StatusCode.UNAVAILABLE, words)
        return replies[0]

    def _sender(self, context: Context) -> tuple[str, int]:
        """The client's address, and how often its gRPC has sent this call."""
        attempts = 1
        for key, value in context.invocation_metadata() or ():
            if key == PREVIOUS_ATTEMPTS:
                attempts += int(value)
        return self.memory.client(context.peer()), attempts

    def _execute(
        self, request: echo_pb2.EchoRequest, sender: tuple[str, int]
    ) -> echo_pb2.EchoReply:
        self.calls += 1
        client, attempts = sender
        payload = request.payload
        if request.reply_bytes:
            payload = bytes(min(request.reply_bytes, REPLY_BYTES_MAX))
        if self._log_calls:
            self._log(f"call id={request.id} client={client} message={request.message!r}")
        return echo_pb2.EchoReply(
            id=request.id,
            message=request.message,
            payload=payload,
            client=client,
            calls=self.calls,
            connections=self.memory.connections,
            executed=self.memory.executed_now(request.id),
            attempts=attempts,
            **self._identity,
        )


async def add_echo(server: grpc.aio.Server, echo: Echo) -> None:
    """Register echo, `grpc.health.v1` and reflection; health follows the echo's behaviour."""
    workers = echo.workers
    health = health_aio.HealthServicer() if workers is None else QueuedHealth(workers)

    async def set_ready(ready: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING
        if not ready:
            status = health_pb2.HealthCheckResponse.NOT_SERVING
        for service in ("", SERVICE):
            await health.set(service, status)

    echo.on_ready = set_ready
    await set_ready(not echo.behaviour.not_ready)
    echo_pb2_grpc.add_EchoServicer_to_server(echo, server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection(
        (
            SERVICE,
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            reflection.SERVICE_NAME,
        ),
        server,
    )
