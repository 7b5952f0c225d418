"""Clusters that the live tests share: starting one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

import emucluster as emu
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

WEB = Path(__file__).parents[2] / "examples" / "web.yaml"
OUTSIDE_NAME = "legacy.example"
"""What the ExternalName Service of examples/web.yaml stands for."""


class Legacy(echo_pb2_grpc.EchoServicer):
    """A server outside the cluster, which has never heard of it."""

    def Call(self, request: Any, context: Any) -> Any:
        return echo_pb2.EchoReply(id=request.id, pod="legacy", message=request.message)


@pytest.fixture(scope="package")
def legacy() -> Iterator[str]:
    """ADDR:PORT of the server outside."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    echo_pb2_grpc.add_EchoServicer_to_server(Legacy(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


@pytest.fixture(scope="package")
def started(legacy: str) -> Iterator[emu.Cluster]:
    """Three nodes in two zones, each pod a process, with everything of examples/web.yaml."""
    with emu.Cluster(
        nodes=3, zones=2, packing="pod", speed=10, outside={OUTSIDE_NAME: legacy}
    ) as cluster:
        cluster.apply(WEB)
        cluster.wait_ready(90)
        yield cluster


@pytest.fixture
def web(started: emu.Cluster) -> Iterator[emu.Cluster]:
    """The shared cluster; faults end with the test, and it is whole again for the next one."""
    yield started
    started.clear_faults()
    started.wait_ready(60)


@pytest.fixture
def outside(web: emu.Cluster) -> Iterator[emu.Client]:
    with web.client() as client:
        yield client


@pytest.fixture
def inside(web: emu.Cluster) -> Iterator[emu.Client]:
    """Somebody in pod/client."""
    with web.client("pod/client") as client:
        yield client


@pytest.fixture(scope="package")
def small() -> Iterator[emu.Cluster]:
    """Two nodes with their pods inside, without a cloud, where any image comes up as echo."""
    with emu.Cluster(
        nodes=2, zones=2, packing="node", cloud="none", speed=10, stand_in="echo"
    ) as cluster:
        cluster.apply(WEB)
        cluster.wait_ready(90)
        yield cluster
