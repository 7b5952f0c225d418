"""What the tests of workloads share: a pod on an address of its own, and clients of it."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc

from emucluster.core.kubelet.commands import ContainerSpec, PodIdentity, PortSpec
from emucluster.core.kubelet.image import parse_image
from emucluster.live.pods.logs import ContainerLog
from emucluster.live.pods.workload import Workload, WorkloadContext, start_workload

T = TypeVar("T")

_addresses = (f"127.62.{third}.{last}" for third in itertools.count(1) for last in range(2, 255))


def identity(name: str = "web-1") -> PodIdentity:
    """Of a pod that has never been: what ends another test's processes goes by the uid."""
    return PodIdentity(
        uid=str(uuid.uuid4()),
        namespace="default",
        name=name,
        node="node-1",
        zone="zone-a",
        ip=next(_addresses),
    )


def container(image: str, *, ports: tuple[int, ...] = (50051,), **more: Any) -> ContainerSpec:
    return ContainerSpec(
        name="main",
        image=parse_image(image),
        ports=tuple(PortSpec(port) for port in ports),
        **more,
    )


async def run(
    directory: Path,
    image: str,
    *,
    env: dict[str, str] | None = None,
    ports: tuple[int, ...] = (50051,),
    source_dir: str = "",
    listen_deadline_s: float = 30.0,
    shares_process: bool = False,
    **more: Any,
) -> tuple[Workload, WorkloadContext]:
    context = WorkloadContext(
        pod=identity(),
        spec=container(image, ports=ports, **more),
        log=ContainerLog(directory / "main.log"),
        source_dir=source_dir,
        listen_deadline_s=listen_deadline_s,
        shares_process=shares_process,
        env=env or {},
    )
    return await start_workload(context), context


def channel(address: str) -> grpc.aio.Channel:
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(address, options=options)


async def until(condition: Callable[[], T], *, deadline_s: float = 20.0) -> T:
    """Wait for a condition; fails when the deadline passes."""
    give_up = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < give_up, "the condition did not come true in time"
        await asyncio.sleep(0.01)
    return value
