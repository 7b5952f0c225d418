"""An API server that answers late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from emucluster.core.objects import Namespace, ObjectMeta, codec
from emucluster.live.actors.control_plane import ControlPlane
from emucluster.live.rpc.channel import connect_aio, credentials
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc, lab_pb2, lab_pb2_grpc

pytestmark = [pytest.mark.live, pytest.mark.slow]

TOKEN = credentials("token")
DELAY_S = 0.4


class Plane:
    """Calls to a control plane of its own."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.api: Any = api_pb2_grpc.ApiStub(channel)
        self.agent: Any = lab_pb2_grpc.AgentStub(channel)

    async def inject(self, kind: str, id_: str = "slow-1", params: bytes = b"{}") -> Any:
        request = lab_pb2.FaultRequest(id=id_, kind=kind, target="control-plane", params=params)
        return await self.agent.InjectFault(request, metadata=TOKEN, timeout=10)

    async def clear(self) -> None:
        everything = lab_pb2.ClearFaultsRequest(all=True)
        await self.agent.ClearFaults(everything, metadata=TOKEN, timeout=10)

    async def list_took_s(self) -> float:
        began_s = time.monotonic()
        await self.api.List(api_pb2.ListRequest(kind="Namespace"), metadata=TOKEN, timeout=10)
        return time.monotonic() - began_s


def run(directory: Path, body: Callable[[Plane], Awaitable[None]]) -> None:
    async def main() -> None:
        (directory / "control-plane").mkdir()
        plane = ControlPlane(
            {
                "cluster": "slow-test",
                "directory": str(directory / "control-plane"),
                "address": "127.62.245.2",
                "inner": "127.62.245.2",
                "token": "token",
                "speed": 1.0,
                "cloud": "none",
                "lab": "127.0.0.1:1",
            }
        )
        told = await plane.start()
        channel = connect_aio(told["api"])
        try:
            await body(Plane(channel))
        finally:
            await channel.close()
            await plane.stop(0)

    asyncio.run(main())


def test_calls_are_late_while_the_lab_is_answered_at_once(tmp_path: Path) -> None:
    async def body(plane: Plane) -> None:
        fault = await plane.inject("slow", params=b'{"delay": 0.4, "jitter": 0.1}')
        assert (fault.state, fault.mechanism) == ("in force", "calls and watches held up")
        assert await plane.list_took_s() >= DELAY_S - 0.1
        await plane.clear()
        await plane.inject("slow", "slow-2", b'{"delay": 60}')
        listed = await plane.agent.ListFaults(
            lab_pb2.ListFaultsRequest(), metadata=TOKEN, timeout=20
        )
        assert [each.id for each in listed.faults if each.state == "in force"] == ["slow-2"]
        described = await plane.agent.Describe(
            lab_pb2.DescribeRequest(), metadata=TOKEN, timeout=20
        )
        assert (described.name, described.state) == ("control-plane", "running")
        await plane.clear()
        assert await plane.list_took_s() < 60

    run(tmp_path, body)


def test_a_watch_that_was_there_before_is_late_as_well(tmp_path: Path) -> None:
    async def body(plane: Plane) -> None:
        watch = plane.api.Watch(
            api_pb2.WatchRequest(kinds=["Namespace"]), metadata=TOKEN, timeout=20
        )
        while not (await watch.read()).state_done:
            pass
        await plane.inject("slow", params=b'{"delay": 0.4}')
        namespace = Namespace(metadata=ObjectMeta(name="late"))
        began_s = time.monotonic()
        await plane.api.Create(
            api_pb2.WriteRequest(json=codec.encode_json(namespace)), metadata=TOKEN, timeout=10
        )
        message = await watch.read()
        assert [codec.decode_json(each.json).metadata.name for each in message.events] == ["late"]
        assert time.monotonic() - began_s >= 2 * DELAY_S, "the call and then the message"
        watch.cancel()

    run(tmp_path, body)


def test_what_it_cannot_have_by_itself_is_refused(tmp_path: Path) -> None:
    async def body(plane: Plane) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await plane.inject("freeze")
        assert "cannot be held at the control plane" in (refused.value.details() or "")

    run(tmp_path, body)
