"""`python://`: the user's own servicer, found beside the manifest."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import grpc
import pytest

from emucluster.live.pods.source import digest_of, find_source, pack_source, unpack_source
from emucluster.live.pods.workload import StartError
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.pods.pod_setup import channel, run

pytestmark = pytest.mark.live

SERVICER = """
import os
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

class Greeter(echo_pb2_grpc.EchoServicer):
    def __init__(self, greeting):
        self.greeting = greeting
    {keyword}def Call(self, request, context):
        print("called by", request.message)
        return echo_pb2.EchoReply(message=self.greeting + request.message)

{keyword}def add(server):
    echo_pb2_grpc.add_EchoServicer_to_server(Greeter(os.environ["GREETING"]), server)
"""


async def call(address: str) -> str:
    async with channel(address) as opened:
        request = echo_pb2.EchoRequest(message="Ada")
        reply = await echo_pb2_grpc.EchoStub(opened).Call(request, timeout=10)
        return str(reply.message)


@pytest.mark.parametrize("keyword", ["", "async "])
def test_a_servicer_of_either_kind_serves_with_its_environment(
    tmp_path: Path, keyword: str
) -> None:
    module = f"greeter_{'async' if keyword else 'sync'}"
    (tmp_path / f"{module}.py").write_text(SERVICER.replace("{keyword}", keyword))

    async def scenario() -> None:
        workload, context = await run(
            tmp_path,
            f"python://{module}:add",
            env={"GREETING": "hello "},
            source_dir=str(tmp_path),
            shares_process=True,
        )
        assert await call(f"{context.pod.ip}:{workload.ports[50051]}") == "hello Ada"
        assert "GREETING" not in os.environ
        workload.signal("TERM")
        assert (await workload.wait()).exit_code == 0

    asyncio.run(scenario())


def test_a_servicer_runs_from_a_shipped_copy(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "__pycache__").mkdir(parents=True)
    (source / "__pycache__" / "skipped.pyc").write_bytes(b"")
    (source / "greeter_shipped.py").write_text(SERVICER.replace("{keyword}", ""))
    packed = pack_source(source)
    copy = unpack_source(packed, tmp_path / "cache")
    assert [path.name for path in copy.iterdir()] == ["greeter_shipped.py"]
    assert pack_source(copy) == packed
    found = find_source("/nowhere", digest_of(packed), tmp_path / "cache")

    async def scenario() -> None:
        workload, context = await run(
            tmp_path,
            "python://greeter_shipped:add",
            env={"GREETING": "shipped "},
            source_dir=found,
            shares_process=True,
        )
        assert await call(f"{context.pod.ip}:{workload.ports[50051]}") == "shipped Ada"
        workload.signal("KILL")

    asyncio.run(scenario())


def test_a_missing_module_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(StartError) as failure:
        asyncio.run(run(tmp_path, "python://no_such_mod:add", source_dir=str(tmp_path)))
    assert str(failure.value) == (
        "python://no_such_mod:add: ModuleNotFoundError: No module named 'no_such_mod' "
        f"(looked in {tmp_path})"
    )
    assert (failure.value.reason, failure.value.exit_code) == ("Error", 1)
    assert "Traceback" in (tmp_path / "main.log").read_text()


def test_a_failing_function_fails_the_container(tmp_path: Path) -> None:
    (tmp_path / "broken_servicer.py").write_text("def add(server):\n    raise OSError('no disk')\n")
    with pytest.raises(StartError, match="broken_servicer:add: OSError: no disk"):
        asyncio.run(run(tmp_path, "python://broken_servicer:add", source_dir=str(tmp_path)))


def test_a_server_without_health_answers_unimplemented_to_a_health_check(tmp_path: Path) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    (tmp_path / "no_health.py").write_text("def add(server):\n    pass\n")

    async def scenario() -> None:
        workload, context = await run(
            tmp_path, "python://no_health:add", source_dir=str(tmp_path), shares_process=True
        )
        async with channel(f"{context.pod.ip}:{workload.ports[50051]}") as opened:
            stub = health_pb2_grpc.HealthStub(opened)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
        workload.signal("KILL")

    asyncio.run(scenario())
