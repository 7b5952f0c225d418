"""The echo image: what it answers, remembers and how it misbehaves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from emucluster.live.pods.echo_behaviour import BadBehaviour, Behaviour, Memory
from emucluster.live.pods.workload import StartError
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.pods.pod_setup import channel, run

pytestmark = pytest.mark.live


@asynccontextmanager
async def echo(
    directory: Path, **env: str
) -> AsyncIterator[tuple[echo_pb2_grpc.EchoStub, grpc.aio.Channel]]:
    workload, context = await run(directory, "emucluster/echo", env=env)
    async with channel(f"{context.pod.ip}:{workload.ports[50051]}") as opened:
        yield echo_pb2_grpc.EchoStub(opened), opened
    workload.signal("KILL")
    await workload.wait()


async def health(opened: grpc.aio.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(opened)
    reply = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    return int(reply.status)


def test_an_answer_names_the_pod_its_place_and_the_client(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path) as (stub, _):
            call = stub.Call(echo_pb2.EchoRequest(id="a", message="hi", payload=b"x"), timeout=10)
            reply = await call
        assert (reply.id, reply.message, reply.payload) == ("a", "hi", b"x")
        assert (reply.pod, reply.namespace, reply.node) == ("web-1", "default", "node-1")
        assert (reply.zone, reply.pid) == ("zone-a", os.getpid())
        host, _, port = reply.client.rpartition(":")
        assert host.startswith("127.")
        assert int(port) > 0

    asyncio.run(scenario())


def test_calls_connections_and_executions_are_counted_apart(tmp_path: Path) -> None:
    async def scenario() -> None:
        workload, context = await run(tmp_path, "emucluster/echo")
        address = f"{context.pod.ip}:{workload.ports[50051]}"
        for _ in range(2):
            async with channel(address) as opened:
                stub = echo_pb2_grpc.EchoStub(opened)
                for call_id in ("same", "same", "other"):
                    reply = await stub.Call(echo_pb2.EchoRequest(id=call_id), timeout=10)
        async with channel(address) as opened:
            stub = echo_pb2_grpc.EchoStub(opened)
            seen = await stub.Seen(echo_pb2.SeenRequest(ids=["same", "never"]), timeout=10)
        assert (reply.calls, reply.connections, reply.executed) == (6, 2, 2)
        assert dict(seen.executed) == {"same": 4}
        workload.signal("KILL")

    asyncio.run(scenario())


def test_the_three_streaming_kinds_answer(tmp_path: Path) -> None:
    async def requests() -> AsyncIterator[echo_pb2.EchoRequest]:
        for word in ("one", "two"):
            yield echo_pb2.EchoRequest(id=word, message=word)

    async def scenario() -> None:
        async with echo(tmp_path) as (stub, _):
            collected = await stub.Collect(requests(), timeout=10)
            expanded = [r async for r in stub.Expand(echo_pb2.EchoRequest(repeat=3), timeout=10)]
            chatted = [r.message async for r in stub.Chat(requests(), timeout=10)]
        assert collected.message == "one two"
        assert len(expanded) == 3
        assert chatted == ["one", "two"]

    asyncio.run(scenario())


def test_a_failing_pod_fails_with_the_chosen_status_and_does_not_execute(tmp_path: Path) -> None:
    async def scenario() -> None:
        env = {"EMU_ERROR_RATE": "1", "EMU_ERROR_STATUS": "resource_exhausted"}
        async with echo(tmp_path, **env) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stub.Call(echo_pb2.EchoRequest(id="a"), timeout=10)
            seen = await stub.Seen(echo_pb2.SeenRequest(), timeout=10)
        assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(seen.executed) == {}

    asyncio.run(scenario())


def test_control_changes_readiness_and_only_what_it_names(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path, EMU_SLOW_S="0.01") as (stub, opened):
            before = await health(opened)
            state = await stub.Control(echo_pb2.EchoControl(not_ready=True), timeout=10)
            after = await health(opened, "emucluster.v1.Echo")
            await stub.Control(echo_pb2.EchoControl(not_ready=False), timeout=10)
            again = await health(opened)
        serving = health_pb2.HealthCheckResponse
        assert (before, after, again) == (serving.SERVING, serving.NOT_SERVING, serving.SERVING)
        assert state.slow_s == 0.01
        assert "control: slow_s=0.01" in (tmp_path / "main.log").read_text()

    asyncio.run(scenario())


def test_control_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path) as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stub.Control(echo_pb2.EchoControl(error_rate=2, hang=True), timeout=10)
            state = await stub.Control(echo_pb2.EchoControl(), timeout=10)
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.value.details() == "error_rate: must be between 0 and 1, got 2"
        assert not state.hang

    asyncio.run(scenario())


def test_a_hanging_pod_answers_nobody_but_stays_controllable(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with echo(tmp_path, EMU_HANG="1") as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stub.Call(echo_pb2.EchoRequest(), timeout=0.2)
            await stub.Control(echo_pb2.EchoControl(hang=False), timeout=10)
            reply = await stub.Call(echo_pb2.EchoRequest(message="back"), timeout=10)
        assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert reply.message == "back"

    asyncio.run(scenario())


def test_reflection_lists_echo(tmp_path: Path) -> None:
    async def requests() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async def scenario() -> None:
        async with echo(tmp_path) as (_, opened):
            stub = reflection_pb2_grpc.ServerReflectionStub(opened)
            replies = [r async for r in stub.ServerReflectionInfo(requests(), timeout=10)]
        names = {service.name for service in replies[0].list_services_response.service}
        assert {"emucluster.v1.Echo", "grpc.health.v1.Health"} <= names

    asyncio.run(scenario())


def test_every_declared_port_is_served_and_50051_when_none_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        several, context = await run(tmp_path, "emucluster/echo", ports=(80, 8080))
        none, _ = await run(tmp_path, "emucluster/echo", ports=())
        assert set(several.ports) == {80, 8080}
        assert set(none.ports) == {50051}
        for port in several.ports.values():
            async with channel(f"{context.pod.ip}:{port}") as opened:
                reply = await echo_pb2_grpc.EchoStub(opened).Call(
                    echo_pb2.EchoRequest(), timeout=10
                )
                assert reply.pod_ip == context.pod.ip
        several.signal("KILL")
        none.signal("KILL")

    asyncio.run(scenario())


def test_sigterm_lets_the_call_in_flight_finish_and_refuses_new_connections(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        workload, context = await run(tmp_path, "emucluster/echo")
        address = f"{context.pod.ip}:{workload.ports[50051]}"
        async with channel(address) as opened:
            stub = echo_pb2_grpc.EchoStub(opened)
            stream = stub.Expand(echo_pb2.EchoRequest(repeat=3, delay_s=0.1), timeout=10)
            replies = aiter(stream)
            await anext(replies)
            workload.signal("TERM")
            rest = [reply async for reply in replies]
            ended = await workload.wait()
        async with channel(address) as opened:
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await echo_pb2_grpc.EchoStub(opened).Call(echo_pb2.EchoRequest(), timeout=10)
        assert len(rest) == 2
        assert (ended.exit_code, ended.reason) == (0, "Completed")
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(scenario())


def test_a_stubborn_server_ends_only_by_sigkill(tmp_path: Path) -> None:
    async def scenario() -> None:
        workload, context = await run(tmp_path, "emucluster/echo", env={"EMU_IGNORE_TERM": "1"})
        workload.signal("TERM")
        async with channel(f"{context.pod.ip}:{workload.ports[50051]}") as opened:
            await echo_pb2_grpc.EchoStub(opened).Call(echo_pb2.EchoRequest(), timeout=10)
        workload.signal("KILL")
        assert (await workload.wait()).exit_code == 137

    asyncio.run(scenario())


def test_a_frozen_server_in_a_shared_process_answers_when_it_is_thawed(tmp_path: Path) -> None:
    async def scenario() -> None:
        workload, context = await run(tmp_path, "emucluster/echo", shares_process=True)
        async with channel(f"{context.pod.ip}:{workload.ports[50051]}") as opened:
            stub = echo_pb2_grpc.EchoStub(opened)
            workload.freeze(True)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stub.Call(echo_pb2.EchoRequest(), timeout=0.2)
            waiting = stub.Call(echo_pb2.EchoRequest(message="late"), timeout=10)
            workload.freeze(False)
            assert (await waiting).message == "late"
        assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        workload.signal("KILL")

    asyncio.run(scenario())


def test_a_bad_setting_keeps_the_container_from_starting(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="EMU_ERROR_RATE: must be between 0 and 1, got 3"):
        asyncio.run(run(tmp_path, "emucluster/echo", env={"EMU_ERROR_RATE": "3"}))


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"EMU_SLOW_S": "soon"}, "EMU_SLOW_S: must be a number, got 'soon'"),
        ({"EMU_HANG": "perhaps"}, "EMU_HANG: must be 1 or 0, got 'perhaps'"),
        ({"EMU_ERROR_STATUS": "OK"}, "EMU_ERROR_STATUS: must be a status of failure, got 'OK'"),
    ],
)
def test_unreadable_settings_are_named(env: dict[str, str], message: str) -> None:
    with pytest.raises(BadBehaviour) as failure:
        Behaviour.from_environment(env)
    assert str(failure.value) == message


def test_memory_forgets_the_oldest_ids_and_stays_bounded() -> None:
    memory = Memory(ids_max=2)
    for call_id in ("a", "b", "b", "c"):
        memory.executed_now(call_id)
    assert memory.executed([]) == {"b": 2, "c": 1}


def test_memory_is_told_in_pages_of_one_prefix() -> None:
    memory = Memory()
    for call_id in ("a/1", "b/1", "a/2", "a/2", "b/2"):
        memory.executed_now(call_id)
    assert memory.page("a/", 0, 2) == ({"a/1": 1}, 2)
    assert memory.page("a/", 2, 2) == ({"a/2": 2}, 0)
    assert memory.page("", 0, 0) == (memory.executed([]), 0)
