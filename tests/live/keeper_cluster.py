"""Clusters of small actors on a real Ray, and a look at what they leave."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from emucluster.client import instances
from emucluster.client.options import StartOptions
from emucluster.client.sockets_in_use import listening
from emucluster.client.start import start_cluster, stop_cluster
from emucluster.core.errors import NotRunning
from emucluster.live.keeper import warden
from emucluster.live.keeper.settings import ClusterRecord, Implementations
from emucluster.live.rpc.channel import connect, credentials
from emucluster.live.rpc.pb import lab_pb2_grpc

ROOT = Path(__file__).parents[2]

FAKES = Implementations(
    control_plane="tests.live.keeper_fakes:FakeControlPlane",
    node="tests.live.keeper_fakes:FakeMachine",
    load_balancer="tests.live.keeper_fakes:FakeMachine",
)


@contextmanager
def fakes_importable() -> Iterator[None]:
    """Workers find the small actors by PYTHONPATH, which they inherit."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def cluster(
    options: StartOptions, implementations: Implementations = FAKES
) -> Iterator[ClusterRecord]:
    """A running cluster, removed at the end whatever became of it."""
    with fakes_importable():
        record = start_cluster(options, implementations=implementations)
    try:
        yield record
    finally:
        try:
            stop_cluster(record.name)
        except NotRunning:
            pass


class LabCalls:
    """The `Lab` of a cluster, each call with the token."""

    def __init__(self, record: ClusterRecord, token: str | None = None) -> None:
        self._channel = connect(record.lab)
        self.stub: Any = lab_pb2_grpc.LabStub(self._channel)
        self.metadata = credentials(record.token if token is None else token)

    def call(self, method: str, request: Any) -> Any:
        return getattr(self.stub, method)(request, metadata=self.metadata, timeout=30)

    def refusal(self, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
        """The status of a call that must fail."""
        try:
            self.call(method, request)
        except grpc.RpcError as error:
            return error.code(), error.details()
        raise AssertionError(f"{method} was not refused")

    def close(self) -> None:
        self._channel.close()


def traces(record: ClusterRecord) -> list[str]:
    """Processes, files and listening sockets of a cluster that are still there."""
    found = [f"process {pid}" for pid in warden.members(record.keeper_pid, record.keeper_started)]
    base = Path(record.directory).parent
    for path in (Path(record.directory), base / f".ray-{record.slice}"):
        if path.exists():
            found.append(f"file {path}")
    found += [f"file {path}" for path in base.glob(f".gone-{record.name}-*")]
    octets = {16 + record.slice, 224 + record.slice, 240 + record.slice}
    for entry in listening():
        words = entry.address.split(".")
        if words[0] == "127" and int(words[1]) in octets:
            found.append(f"listener {entry.address}:{entry.port}")
    return found


def states() -> dict[str, str]:
    """All clusters of this user by name."""
    return {found.name: found.state for found in instances.list_instances()}
