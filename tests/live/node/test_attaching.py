"""Attaching to a container's own process: its output from now on, and its input."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emucluster.core.errors import BadRequest, NotFound
from emucluster.core.kubelet.commands import PodIdentity
from emucluster.live.node.attaching import attach
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.rpc.pb import lab_pb2
from tests.live.pods.pod_setup import identity, until
from tests.live.pods.runtime_setup import PACKINGS, Node, running

pytestmark = pytest.mark.live

DEADLINE_S = 60


class Attached:
    """A client, its requests by `send`; what it is shown gathers in `said`."""

    def __init__(self, runtime: PodRuntime, pod: PodIdentity, *, stdin: bool = True) -> None:
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        start = lab_pb2.ExecStart(uid=pod.uid, container="main", stdin=stdin, attach=True)
        self._outputs: AsyncGenerator[Any, None] = attach(runtime, start, self._asked())
        self.said = b""

    async def begin(self) -> None:
        assert (await anext(self._outputs)).started

    def send(self, data: bytes) -> None:
        self._requests.put_nowait(lab_pb2.ExecInput(stdin=data))

    def end_input(self) -> None:
        self._requests.put_nowait(lab_pb2.ExecInput(end_of_stdin=True))

    async def read(self, until: bytes = b"") -> bytes:
        """All that comes, till it says something or ends."""
        async with asyncio.timeout(DEADLINE_S):
            async for output in self._outputs:
                self.said += output.stdout
                if until and until in self.said:
                    break
        return self.said

    async def go(self) -> None:
        await self._outputs.aclose()

    async def _asked(self) -> AsyncIterator[Any]:
        while True:
            yield await self._requests.get()


def start(node: Node, pod: PodIdentity, script: str, **spec: Any) -> str:
    return node.start(pod, "command:/bin/sh", args=("-c", script), **spec)


async def logged(node: Node, pod: PodIdentity, text: str) -> None:
    path = node.runtime.logs.directory(pod.namespace, pod.name, pod.uid) / "main.log"
    await until(lambda: text in path.read_text())


@pytest.mark.parametrize("packing", PACKINGS)
def test_input_is_waited_for_and_output_is_shown_from_now_on(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            script = "echo before; read x; echo got $x; cat; echo over; exit 3"
            container = start(node, pod, script, stdin=True, stdin_once=True)
            await node.started(container)
            await logged(node, pod, "before")
            client = Attached(node.runtime, pod)
            await client.begin()
            client.send(b"hello\nmo")
            client.send(b"re\n")
            client.end_input()
            assert await client.read() == b"got hello\nmore\nover\n"
            assert (await node.exited(container)).exit_code == 3

    asyncio.run(scenario())


def test_more_than_a_pipe_holds_goes_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            script = "read x; sleep 0.5; wc -c"
            container = start(node, pod, script, stdin=True, stdin_once=True)
            await node.started(container)
            client = Attached(node.runtime, pod)
            await client.begin()
            client.send(b"go\n" + bytes(1_000_000))
            client.end_input()
            assert (await client.read()).split() == [b"1000000"]

    asyncio.run(scenario())


def test_without_stdin_once_input_ends_only_for_whoever_gave_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            container = start(node, pod, "while read x; do echo got $x; done", stdin=True)
            await node.started(container)
            for word in (b"one", b"two"):
                client = Attached(node.runtime, pod)
                await client.begin()
                client.send(word + b"\n")
                assert await client.read(b"got") == b"got " + word + b"\n"
                client.end_input()
                await client.read()  # it ends, and the container does not
            assert node.runtime.has_containers(pod.uid)
            node.signal(pod, container, "KILL")
            assert (await node.exited(container)).exit_code == 137

    asyncio.run(scenario())


def test_whoever_goes_ends_the_input_that_is_for_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            script = "cat; read x < /dev/null; sleep 1; exit 4"
            container = start(node, pod, script, stdin=True, stdin_once=True)
            await node.started(container)
            looker = Attached(node.runtime, pod, stdin=False)
            await looker.begin()
            client = Attached(node.runtime, pod)
            await client.begin()
            client.send(b"said\n")
            await client.read(b"said")
            await client.go()
            late = Attached(node.runtime, pod)
            await late.begin()
            late.send(b"unheard\n")
            assert await late.read() == b""
            assert await looker.read() == b"said\n"
            assert (await node.exited(container)).exit_code == 4

    asyncio.run(scenario())


def test_a_container_without_stdin_reads_nothing_and_shows_what_it_writes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            container = start(node, pod, "read x; while :; do echo has $x; sleep 0.1; done")
            await node.started(container)
            client = Attached(node.runtime, pod)
            await client.begin()
            client.send(b"hello\n")
            client.end_input()
            assert (await client.read(b"has")).startswith(b"has\n")
            await client.go()

    asyncio.run(scenario())


def test_each_run_of_a_container_has_its_own_input(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            for number in (1, 2):
                container = start(node, pod, "read x; echo got $x", stdin=True, stdin_once=True)
                await node.started(container)
                client = Attached(node.runtime, pod)
                await client.begin()
                client.send(f"{number}\n".encode())
                assert await client.read() == f"got {number}\n".encode()
                await node.exited(container)

    asyncio.run(scenario())


def test_what_does_not_run_or_has_no_process_is_not_attached_to(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            pod, echo = identity(), identity("echo")
            container = start(node, pod, "true", stdin=True)
            await node.exited(container)
            with pytest.raises(NotFound, match='container not found \\("main"\\)'):
                await Attached(node.runtime, pod).begin()
            await node.started(node.start(echo))
            with pytest.raises(BadRequest, match="has no processes of its own"):
                await Attached(node.runtime, echo).begin()

    asyncio.run(scenario())
