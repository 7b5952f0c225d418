"""An echo pod with a limited number of workers, and with connections that must not grow old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emucluster.live.pods.echo_behaviour import BadBehaviour, capacity_from
from emucluster.live.pods.echo_workers import Capacity
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.pods.pod_setup import channel, run

pytestmark = pytest.mark.live

DEADLINE_S = 20


@asynccontextmanager
async def echo(
    directory: Path, **env: str
) -> AsyncIterator[tuple[echo_pb2_grpc.EchoStub, grpc.aio.Channel]]:
    workload, context = await run(directory, "emucluster/echo", env=env)
    async with channel(f"{context.pod.ip}:{workload.ports[50051]}") as opened:
        yield echo_pb2_grpc.EchoStub(opened), opened
    workload.signal("KILL")
    await workload.wait()


async def executed(stub: echo_pb2_grpc.EchoStub, call_id: str) -> bool:
    reply = await stub.Seen(echo_pb2.SeenRequest(ids=[call_id]), timeout=DEADLINE_S)
    return call_id in reply.executed


async def until_executed(stub: echo_pb2_grpc.EchoStub, call_id: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await executed(stub, call_id):  # noqa: ASYNC110 - the pod can only be asked
            await asyncio.sleep(0.01)


def test_calls_and_health_checks_wait_for_the_only_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path, EMU_WORKERS="1") as (stub, opened):
            long = asyncio.ensure_future(
                stub.Call(echo_pb2.EchoRequest(id="long", delay_s=3.0), timeout=DEADLINE_S)
            )
            await until_executed(stub, "long")
            health = health_pb2_grpc.HealthStub(opened)
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await health.Check(health_pb2.HealthCheckRequest(), timeout=0.1)
            assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await long
            reply = await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_S)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING

    asyncio.run(scenario())


def test_a_call_whose_client_has_gone_is_worked_on_nevertheless(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path, EMU_WORKERS="1") as (stub, _):
            first = asyncio.ensure_future(
                stub.Call(echo_pb2.EchoRequest(id="first", delay_s=0.5), timeout=DEADLINE_S)
            )
            await until_executed(stub, "first")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stub.Call(echo_pb2.EchoRequest(id="gone"), timeout=0.05)
            assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await first
            await until_executed(stub, "gone")

    asyncio.run(scenario())


def test_a_call_beyond_the_queue_fails_at_once_and_is_not_executed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path, EMU_WORKERS="1", EMU_QUEUE_MAX="0") as (stub, _):
            first = asyncio.ensure_future(
                stub.Call(echo_pb2.EchoRequest(id="first", delay_s=1.0), timeout=DEADLINE_S)
            )
            await until_executed(stub, "first")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stub.Call(echo_pb2.EchoRequest(id="shed"), timeout=DEADLINE_S)
            assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            await first
            assert not await executed(stub, "shed")

    asyncio.run(scenario())


def test_a_call_that_waited_too_long_is_executed_and_fails(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path, EMU_WORKERS="1", EMU_PATIENCE_S="0.01") as (stub, _):
            first = asyncio.ensure_future(
                stub.Call(echo_pb2.EchoRequest(id="first", delay_s=0.5), timeout=DEADLINE_S)
            )
            await until_executed(stub, "first")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stub.Call(echo_pb2.EchoRequest(id="late"), timeout=DEADLINE_S)
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "for a worker" in (failed.value.details() or "")
            assert await executed(stub, "late")
            await first

    asyncio.run(scenario())


def test_connections_are_renewed_when_they_reach_their_greatest_age(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path, EMU_MAX_CONNECTION_AGE_S="0.2") as (stub, _):
            clients: set[str] = set()
            async with asyncio.timeout(DEADLINE_S):
                while len(clients) < 3:
                    reply = await stub.Call(echo_pb2.EchoRequest(), timeout=DEADLINE_S)
                    clients.add(reply.client)
                    await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_settings_that_make_no_sense_are_refused_by_name() -> None:
    assert capacity_from({"EMU_WORKERS": "2", "EMU_QUEUE_MAX": "5", "EMU_PATIENCE_S": "1"}) == (
        Capacity(workers=2, queue_max=5, patience_s=1.0)
    )
    with pytest.raises(BadBehaviour, match="EMU_WORKERS: must be a whole number"):
        capacity_from({"EMU_WORKERS": "many"})
    with pytest.raises(BadBehaviour, match="EMU_QUEUE_MAX: needs EMU_WORKERS"):
        capacity_from({"EMU_QUEUE_MAX": "5"})
