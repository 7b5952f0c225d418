"""Containers that are gRPC servers in this process: echo, and the user's own Python servicers."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import socket
import struct
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import grpc

from emucluster.core.kubelet.commands import Signal
from emucluster.live.pods import proc_net
from emucluster.live.pods.echo import DEFAULT_PORT, Echo, add_echo
from emucluster.live.pods.echo_behaviour import BadBehaviour, is_set, max_connection_age_s
from emucluster.live.pods.exit_guard import ExitGuard
from emucluster.live.pods.faulty_server import put_between
from emucluster.live.pods.logs import CURRENT_LOG
from emucluster.live.pods.user_code import add_user_servicer, exit_code_of, in_words
from emucluster.live.pods.workload import KILLED, Exit, StartError, WorkloadContext

SYNC_SERVICER_THREADS = 8
OPTIONS = (
    # Two pods' servers must never share a port by accident.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 65 * 1024 * 1024),
    # Above 1,000 waiting requests gRPC cancels some at random: after a freeze, the rig's own doing.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
)


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]
    """Imitates a stopped process for a server that shares its process: nothing is answered."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def freeze(self, frozen: bool) -> None:
        self._open.clear() if frozen else self._open.set()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        await self._open.wait()
        handler = await continuation(details)
        if handler is None or handler.response_streaming or handler.request_streaming:
            return handler
        behaviour = handler.unary_unary
        if not inspect.iscoroutinefunction(behaviour):
            return handler

        async def gated(request: Any, context: Any) -> Any:
            reply = await behaviour(request, context)
            await self._open.wait()
            return reply

        return grpc.unary_unary_rpc_method_handler(
            gated, handler.request_deserializer, handler.response_serializer
        )


class ServerWorkload:
    """A `grpc.aio` server. SIGTERM stops it gracefully: GOAWAY, calls in flight end, exit 0."""

    def __init__(
        self,
        server: grpc.aio.Server,
        ports: Mapping[int, int],
        *,
        address: str,
        ignore_term: bool,
        gate: Gate | None,
        log: Callable[[str], None],
        echo: Echo | None = None,
    ) -> None:
        self.pid = os.getpid()
        self._echo = echo
        self.ports = ports
        self._server = server
        self._address = address
        self._ignore_term = ignore_term
        self._gate = gate
        self._log = log
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._stopping: asyncio.Task[None] | None = None

    def signal(self, name: Signal) -> None:
        if name == "TERM" and self._ignore_term:
            self._log("SIGTERM ignored (EMU_IGNORE_TERM)")
        elif name == "TERM" and self._stopping is None:
            self._log("SIGTERM: finishing the calls in flight")
            self._stopping = asyncio.create_task(self._stop_gracefully())
        elif name == "KILL" and not self._exit.done():
            self._end_now(KILLED)

    def end_by(self, error: BaseException) -> None:
        """The user's code has asked for the end of its process."""
        if not self._exit.done():
            self._log("".join(traceback.format_exception(error)).rstrip())
            self._end_now(Exit(exit_code_of(error), "Error", in_words(error)))

    def _end_now(self, ended: Exit) -> None:
        reset_on_close(self._address, set(self.ports.values()))
        self._exit.set_result(ended)
        self._killing = asyncio.create_task(self._server.stop(None))

    @property
    def echo_calls(self) -> int | None:
        return None if self._echo is None else self._echo.calls

    def freeze(self, frozen: bool) -> None:
        if self._gate is not None:
            self._gate.freeze(frozen)

    async def wait(self) -> Exit:
        return await self._exit

    async def _stop_gracefully(self) -> None:
        # The kubelet ends the grace period with SIGKILL; until then calls may take their time.
        await self._server.stop(24 * 3600.0)
        if not self._exit.done():
            self._exit.set_result(Exit(0, "Completed"))


async def start_server(context: WorkloadContext) -> ServerWorkload:
    """Bind every container port at the pod's address and serve. Raises `StartError`."""
    CURRENT_LOG.set(context.log)
    gate = Gate() if context.shares_process else None
    is_echo = context.spec.image.kind == "echo"
    pool = None if is_echo else _servicer_threads(context)
    guard = None if is_echo else ExitGuard()
    interceptors = [each for each in (gate, guard) if each is not None]
    server = grpc.aio.server(pool, interceptors=interceptors or None, options=_options(context))
    if context.answers is not None:
        put_between(server, context.answers)
    try:
        echo = None
        if is_echo:
            echo = await _add_echo(server, context)
        else:
            await add_user_servicer(server, context)
        ports = _bind(server, context)
        await server.start()
    except BaseException:
        await server.stop(None)
        raise
    shown = ", ".join(f"{port} (at {real})" for port, real in ports.items())
    context.log.line(f"serving {context.spec.image.name} on {context.pod.ip}, ports {shown}")
    workload = ServerWorkload(
        server,
        ports,
        address=context.pod.ip,
        ignore_term=is_set(context.env, "EMU_IGNORE_TERM"),
        gate=gate,
        log=context.log.line,
        echo=echo,
    )
    if guard is not None:
        guard.on_end = workload.end_by
    return workload


def _servicer_threads(context: WorkloadContext) -> ThreadPoolExecutor:
    """For handlers that are plain functions; gRPC calls them without the context of the server."""
    return ThreadPoolExecutor(
        SYNC_SERVICER_THREADS, "servicer", initializer=CURRENT_LOG.set, initargs=(context.log,)
    )


def _options(context: WorkloadContext) -> list[tuple[str, int]]:
    """gRPC's arguments of a server, with its own limit on the age of connections (gRFC A9)."""
    try:
        age_s = max_connection_age_s(context.env)
    except BadBehaviour as error:
        raise StartError(str(error)) from None
    own = [] if age_s is None else [("grpc.max_connection_age_ms", round(age_s * 1000))]
    return [*OPTIONS, *own]


async def _add_echo(server: grpc.aio.Server, context: WorkloadContext) -> Echo:
    try:
        echo = Echo(context.pod, context.env, log=context.log.line)
        await add_echo(server, echo)
        return echo
    except BadBehaviour as error:
        raise StartError(str(error)) from None


def _bind(server: grpc.aio.Server, context: WorkloadContext) -> dict[int, int]:
    declared = [port.port for port in context.spec.ports] or [DEFAULT_PORT]
    try:
        return {port: server.add_insecure_port(f"{context.pod.ip}:0") for port in declared}
    except RuntimeError as error:
        raise StartError(f"cannot listen on {context.pod.ip}: {error}") from None


def reset_on_close(address: str, ports: set[int]) -> None:
    """Make every connection of these servers end with RST instead of FIN when it is closed.

    SO_LINGER is a property of the socket, not of the descriptor, so a duplicate can set it.
    """
    at_once = _AtOnce.now()
    for local in ((address, port) for port in ports):
        for fd in at_once.sockets.get(local, ()):
            try:
                with socket.socket(fileno=os.dup(fd)) as duplicate:
                    if proc_net.local_of(duplicate.fileno()) == local:  # not another one by now
                        linger = struct.pack("ii", 1, 0)
                        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            except OSError as error:
                if error.errno not in (errno.EBADF, errno.ENOTSOCK):
                    raise


class _AtOnce:
    """The sockets of this process, looked for once for all pods that are killed at once."""

    _found: ClassVar[_AtOnce | None] = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.sockets = proc_net.sockets_of_this_process()

    @classmethod
    def now(cls) -> _AtOnce:
        """Valid until the loop comes round."""
        loop = asyncio.get_running_loop()
        if cls._found is None or cls._found.loop is not loop:
            cls._found = cls(loop)
            loop.call_soon(cls._forget)
        return cls._found

    @classmethod
    def _forget(cls) -> None:
        cls._found = None
