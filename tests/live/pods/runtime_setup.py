"""A container runtime in either packing, with plain processes in place of Ray's."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.core.kubelet.image import parse_image
from emucluster.live.pods.actor_pods import ActorPods
from emucluster.live.pods.in_process import InProcessPods
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.pods.pod_setup import channel, until

ROOT = Path(__file__).parents[3]
PACKINGS = ("pod", "node")


class Node:
    """A runtime with a record of what it told."""

    def __init__(self, runtime: PodRuntime) -> None:
        self.runtime = runtime
        self.events: list[e.RuntimeEvent] = []
        runtime.on_event = self.events.append
        self._ids = 0

    def start(
        self,
        pod: c.PodIdentity,
        image: str = "emucluster/echo",
        *,
        name: str = "main",
        ports: tuple[int, ...] = (50051,),
        **spec: Any,
    ) -> str:
        self._ids += 1
        container_id = f"id-{self._ids}"
        ports_spec = tuple(c.PortSpec(port) for port in ports)
        made = c.ContainerSpec(name, parse_image(image), ports=ports_spec, **spec)
        self.runtime.perform(c.StartContainer(pod, container_id, made))
        return container_id

    async def started(self, container_id: str) -> e.ContainerStarted:
        def found() -> list[e.ContainerStarted]:
            told = [each for each in self.events if isinstance(each, e.ContainerStarted)]
            return [each for each in told if each.container_id == container_id]

        return (await until(found))[0]

    async def exited(self, container_id: str) -> e.ContainerExited:
        def found() -> list[e.ContainerExited]:
            told = [each for each in self.events if isinstance(each, e.ContainerExited)]
            return [each for each in told if each.container_id == container_id]

        return (await until(found))[0]

    def signal(self, pod: c.PodIdentity, container_id: str, name: c.Signal) -> None:
        self.runtime.perform(c.SignalContainer(pod.uid, "main", container_id, name))

    async def call(self, pod: c.PodIdentity, *, timeout_s: float = 10, port: int = 50051) -> Any:
        real = self.runtime.real_port(pod.ip, port)
        async with channel(f"{pod.ip}:{real}") as opened:
            stub = echo_pb2_grpc.EchoStub(opened)
            return await stub.Call(echo_pb2.EchoRequest(id="a"), timeout=timeout_s)


def processes() -> tuple[Any, list[subprocess.Popen[bytes]]]:
    """A `spawn` that makes plain processes, and the list of them."""
    made: list[subprocess.Popen[bytes]] = []

    def spawn(config: dict[str, Any]) -> tuple[object, Awaitable[None]]:
        command = [sys.executable, "-m", "tests.live.pods.pod_main", json.dumps(config)]
        made.append(subprocess.Popen(command, cwd=ROOT))
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ready.set_result(None)
        return made[-1], ready

    return spawn, made


@asynccontextmanager
async def running(packing: str, directory: Path) -> AsyncIterator[Node]:
    spawn, made = processes()
    runtime: PodRuntime = InProcessPods(directory)
    if packing == "pod":
        runtime = ActorPods(directory, spawn=spawn)
    await runtime.start()
    try:
        yield Node(runtime)
    finally:
        await runtime.stop(grace_s=0)
        for process in made:
            await asyncio.to_thread(process.wait, 20)
