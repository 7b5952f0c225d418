"""Faults in the answers of a gRPC server, for every kind of method, however written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emucluster.core.kubelet.commands import PodIdentity
from emucluster.live.load.outcome import Outcome, outcome
from emucluster.live.pods.answer_faults import AnswerFault, AnswerFaults
from emucluster.live.pods.echo import Echo, add_echo
from emucluster.live.pods.exit_guard import ExitGuard
from emucluster.live.pods.faulty_server import put_between
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.pods.pod_setup import channel

pytestmark = pytest.mark.live

ADDRESS = "127.62.249.2"
REQUEST = echo_pb2.EchoRequest(id="a", message="hi", repeat=3)


class InThreads(echo_pb2_grpc.EchoServicer):
    """Plain functions and generators, as servicers of the older style are."""

    def __init__(self) -> None:
        self.executed = 0

    def Call(self, request: Any, context: Any) -> Any:
        self.executed += 1
        return echo_pb2.EchoReply(message=request.message)

    def Collect(self, requests: Any, context: Any) -> Any:
        return self.Call(list(requests)[-1], context)

    def Expand(self, request: Any, context: Any) -> Iterator[Any]:
        for _ in range(request.repeat):
            yield self.Call(request, context)

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        for request in requests:
            yield self.Call(request, context)


class InTheLoop(InThreads):
    """Coroutines and asynchronous generators."""

    async def Call(self, request: Any, context: Any) -> Any:
        return super().Call(request, context)

    async def Collect(self, requests: Any, context: Any) -> Any:
        return super().Call([each async for each in requests][-1], context)

    async def Expand(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(request.repeat):
            yield super().Call(request, context)

    async def Chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield super().Call(request, context)


class Writing(InTheLoop):
    """Coroutines that write their replies, and answer with them in no other way."""

    async def Expand(self, request: Any, context: Any) -> None:
        for _ in range(request.repeat):
            await context.write(echo_pb2.EchoReply(message=request.message))
        self.executed += 1

    async def Chat(self, requests: Any, context: Any) -> None:
        async for request in requests:
            await context.write(echo_pb2.EchoReply(message=request.message))


STYLES = (InThreads, InTheLoop, Writing)
METHODS = ("Call", "Collect", "Expand", "Chat")


def fault(kind: Any, id_: str = "", **params: Any) -> AnswerFault:
    return AnswerFault(id_ or f"{kind}-1", kind, params)


def scenario(
    body: Callable[[Any, InThreads, AnswerFaults], Awaitable[None]],
    style: type[InThreads] = InTheLoop,
) -> None:
    """Run `body` with a channel to a server, its servicer, and the faults of its answers."""

    async def main() -> None:
        faults, servicer = AnswerFaults("default/web-1"), style()
        server = grpc.aio.server(ThreadPoolExecutor(4), interceptors=[ExitGuard()])
        put_between(server, faults)
        echo_pb2_grpc.add_EchoServicer_to_server(servicer, server)
        port = server.add_insecure_port(f"{ADDRESS}:0")
        await server.start()
        try:
            async with channel(f"{ADDRESS}:{port}") as opened:
                await body(opened, servicer, faults)
        finally:
            await server.stop(None)

    asyncio.run(main())


async def call(opened: Any, method: str = "Call", timeout_s: float = 10) -> list[str]:
    """The messages of the replies, or the status and details that came instead."""
    stub = echo_pb2_grpc.EchoStub(opened)
    request = iter([REQUEST]) if method in ("Collect", "Chat") else REQUEST
    answer = getattr(stub, method)(request, timeout=timeout_s)
    try:
        if method in ("Expand", "Chat"):
            return [reply.message async for reply in answer]
        return [(await answer).message]
    except grpc.aio.AioRpcError as error:
        return [error.code().name, error.details() or ""]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("method", METHODS)
def test_a_failed_call_names_the_fault_and_is_not_executed(
    method: str, style: type[InThreads]
) -> None:
    async def body(opened: Any, servicer: InThreads, faults: AnswerFaults) -> None:
        faults.replace([fault("gray", status="INTERNAL", share=1.0)])
        words = "error injected by the fault gray-1 at pod default/web-1"
        assert await call(opened, method) == ["INTERNAL", words]
        assert servicer.executed == 0
        assert outcome("INTERNAL", words, connected=True) is Outcome.FAILED
        faults.replace([])
        assert set(await call(opened, method)) == {"hi"}

    scenario(body, style)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("method", METHODS)
def test_a_slow_answer_comes_after_the_delay_and_is_the_same(
    method: str, style: type[InThreads]
) -> None:
    async def body(opened: Any, servicer: InThreads, faults: AnswerFaults) -> None:
        quick = await call(opened, method)
        faults.replace([fault("slow", delay=0.2)])
        began_s = time.monotonic()
        assert await call(opened, method) == quick
        assert time.monotonic() - began_s >= 0.2

    scenario(body, style)


def test_a_call_that_is_given_up_while_its_answer_is_held_back_has_been_executed() -> None:
    async def body(opened: Any, servicer: InThreads, faults: AnswerFaults) -> None:
        faults.replace([fault("slow", delay=60.0)])
        assert (await call(opened, timeout_s=0.5))[0] == "DEADLINE_EXCEEDED"
        assert servicer.executed == 1

    scenario(body)


def test_counted_faults_hit_exactly_the_calls_that_they_name() -> None:
    async def body(opened: Any, servicer: InThreads, faults: AnswerFaults) -> None:
        counted = {"status": "UNAVAILABLE", "after": 2, "every": 3, "times": 2}
        faults.replace([fault("error-rate", **counted)])
        outcomes = [(await call(opened))[0] for _ in range(12)]
        assert [number for number, word in enumerate(outcomes, 1) if word != "hi"] == [3, 6]

    scenario(body)


def test_of_several_faults_each_counts_on_and_the_first_names_the_status() -> None:
    async def body(opened: Any, servicer: InThreads, faults: AnswerFaults) -> None:
        first = fault("error-rate", "one", status="ABORTED", times=2)
        second = fault("error-rate", "two", status="NOT_FOUND", times=3)
        faults.replace([first, second])
        assert [(await call(opened))[0] for _ in range(2)] == ["ABORTED", "ABORTED"]
        faults.replace([second])
        assert [(await call(opened))[0] for _ in range(2)] == ["NOT_FOUND", "hi"]

    scenario(body)


def test_a_failed_answer_is_late_as_well() -> None:
    async def body(opened: Any, servicer: InThreads, faults: AnswerFaults) -> None:
        faults.replace([fault("gray", status="INTERNAL"), fault("slow", delay=0.2)])
        began_s = time.monotonic()
        assert (await call(opened))[0] == "INTERNAL"
        assert time.monotonic() - began_s >= 0.2

    scenario(body)


def test_health_says_yes_and_the_lab_is_answered_while_calls_fail() -> None:
    async def main() -> None:
        faults = AnswerFaults("default/web-1")
        server = grpc.aio.server()
        put_between(server, faults)
        pod = PodIdentity("uid", "default", "web-1", "node-1", "zone-a", ADDRESS)
        await add_echo(server, Echo(pod, {}, log=lambda line: None))
        port = server.add_insecure_port(f"{ADDRESS}:0")
        await server.start()
        faults.replace([fault("gray", status="UNAVAILABLE")])
        async with channel(f"{ADDRESS}:{port}") as opened:
            health = health_pb2_grpc.HealthStub(opened)
            asked = health_pb2.HealthCheckRequest(service="")
            serving = health_pb2.HealthCheckResponse.SERVING
            assert (await health.Check(asked, timeout=10)).status == serving
            assert (await call(opened))[0] == "UNAVAILABLE"
            stub = echo_pb2_grpc.EchoStub(opened)
            assert not (await stub.Seen(echo_pb2.SeenRequest(), timeout=10)).executed
        await server.stop(None)

    asyncio.run(main())


def test_a_service_that_only_registers_its_methods_is_served_and_hit() -> None:
    async def main() -> None:
        faults, servicer = AnswerFaults("default/web-1"), InTheLoop()
        server = grpc.aio.server()
        put_between(server, faults)
        method = grpc.unary_unary_rpc_method_handler(
            servicer.Call,
            echo_pb2.EchoRequest.FromString,
            echo_pb2.EchoReply.SerializeToString,
        )
        server.add_registered_method_handlers("emucluster.v1.Echo", {"Call": method})
        port = server.add_insecure_port(f"{ADDRESS}:0")
        await server.start()
        async with channel(f"{ADDRESS}:{port}") as opened:
            assert await call(opened) == ["hi"]
            faults.replace([fault("gray", status="DATA_LOSS")])
            assert (await call(opened))[0] == "DATA_LOSS"
        await server.stop(None)

    asyncio.run(main())


def test_a_slow_answer_keeps_a_worker_busy_where_there_are_few() -> None:
    async def main() -> None:
        faults = AnswerFaults("default/web-1")
        server = grpc.aio.server()
        put_between(server, faults)
        pod = PodIdentity("uid", "default", "web-1", "node-1", "zone-a", ADDRESS)
        await add_echo(server, Echo(pod, {"EMU_WORKERS": "1"}, log=lambda line: None))
        port = server.add_insecure_port(f"{ADDRESS}:0")
        await server.start()
        faults.replace([fault("slow", delay=0.2)])
        async with channel(f"{ADDRESS}:{port}") as opened:
            began_s = time.monotonic()
            replies = await asyncio.gather(*(call(opened, m) for m in ("Call", "Call", "Expand")))
            assert replies == [["hi"], ["hi"], ["hi", "hi", "hi"]]
            assert time.monotonic() - began_s >= 3 * 0.2, "one after the other"
        await server.stop(None)

    asyncio.run(main())
