"""Errors that cross between processes come out as what they went in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emucluster.client.lab import FaultRequest, LabClient
from emucluster.core.errors import (
    BadRequest,
    ClusterError,
    EmuclusterError,
    NotFound,
    ServiceUnavailable,
    Unreachable,
)
from emucluster.live.rpc.errors import translated
from emucluster.live.rpc.pb import lab_pb2_grpc
from emucluster.live.rpc.server import bind, make_server

TOKEN = "t"


class _Lab(lab_pb2_grpc.LabServicer):
    def __init__(self, error: EmuclusterError) -> None:
        self._error = error

    @translated
    async def InjectFault(self, request: Any, context: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("control-plane does not answer: deadline exceeded"),
        BadRequest("no such fault"),
        NotFound("no such node"),
        ServiceUnavailable("not now"),
        EmuclusterError("it will not"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_has_its_class_on_the_other_side(error: EmuclusterError) -> None:
    async def scenario() -> BaseException:
        server = make_server(TOKEN)
        lab_pb2_grpc.add_LabServicer_to_server(_Lab(error), server)
        port = bind(server, "127.0.0.1", 0)
        await server.start()
        client = LabClient(f"127.0.0.1:{port}", TOKEN)
        try:
            await asyncio.to_thread(client.inject, FaultRequest("freeze", "node/a"))
        except EmuclusterError as raised:
            return raised
        finally:
            client.close()
            await server.stop(None)
        raise AssertionError("nothing was raised")

    raised = asyncio.run(scenario())
    assert type(raised) is type(error)
    assert str(raised) == str(error)
    assert isinstance(raised, ClusterError) == isinstance(error, ClusterError)
