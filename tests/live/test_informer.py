"""A node that boots takes the API server's whole state, whatever it had read before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from emucluster.live.node.informer import Informer
from emucluster.live.rpc.channel import connect_aio
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

pytestmark = pytest.mark.live


class ApiServer(api_pb2_grpc.ApiServicer):
    """An empty cluster at version 5, and whatever the test says next on the first stream."""

    def __init__(self) -> None:
        self.asked_after: list[int | None] = []
        self.next: asyncio.Queue[api_pb2.WatchEvents] = asyncio.Queue()
        self.asked = asyncio.Condition()

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[api_pb2.WatchEvents]:
        after = request.after_version if request.HasField("after_version") else None
        async with self.asked:
            self.asked_after.append(after)
            self.asked.notify_all()
        yield api_pb2.WatchEvents(state_done=True, version=5)
        while len(self.asked_after) == 1:
            yield await self.next.get()
        await asyncio.Event().wait()

    async def Heartbeat(self, request: Any, context: Any) -> api_pb2.HeartbeatResponse:
        return api_pb2.HeartbeatResponse()


async def _after_resume(*, reconnect: bool) -> tuple[ApiServer, int]:
    """What is asked for, and how often a whole state came, with one message read while paused."""
    api, server = ApiServer(), grpc.aio.server()
    api_pb2_grpc.add_ApiServicer_to_server(api, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = connect_aio(f"127.0.0.1:{port}")
    listed = 0

    def on_listed() -> None:
        nonlocal listed
        listed += 1

    informer = Informer(
        channel,
        "token",
        ("Pod",),
        node_name="node-1",
        on_event=lambda type_, obj, old: None,
        on_listed=on_listed,
        rng=random.Random(1),
    )
    informer.start()
    try:
        async with asyncio.timeout(20):
            await informer.synced.wait()
            informer.pause()
            api.next.put_nowait(api_pb2.WatchEvents(version=6))
            # On the same connection as the watch, so the message has arrived before its answer.
            await api_pb2_grpc.ApiStub(channel).Heartbeat(api_pb2.HeartbeatRequest())
            informer.resume(reconnect=reconnect)
            if reconnect:
                async with api.asked:
                    await api.asked.wait_for(lambda: len(api.asked_after) == 2)
                while listed < 2 and api.asked_after[1] is None:  # noqa: ASYNC110 - has no event
                    await asyncio.sleep(0)
            else:
                while informer.version != 6:  # noqa: ASYNC110 - has no event
                    await asyncio.sleep(0)
    finally:
        await informer.stop()
        await channel.close()
        await server.stop(None)
    return api, listed


def test_what_was_read_before_the_power_went_does_not_make_a_boot_a_resumption() -> None:
    api, listed = asyncio.run(_after_resume(reconnect=True))
    assert api.asked_after == [None, None]
    assert listed == 2


def test_a_thawed_node_takes_what_it_had_read_and_asks_for_nothing_again() -> None:
    api, listed = asyncio.run(_after_resume(reconnect=False))
    assert api.asked_after == [None]
    assert listed == 1
