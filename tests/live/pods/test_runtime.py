"""The container runtime of a node in both packings, with plain processes in place of Ray's."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest

from emucluster.core.errors import EmuclusterError
from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.live.pods.actor_pods import ActorPods
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.pods.pod_setup import channel, identity, until
from tests.live.pods.runtime_setup import PACKINGS, Node, processes, running

pytestmark = pytest.mark.live


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_pod_serves_at_the_port_that_the_runtime_names(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            started = await node.started(node.start(pod))
            reply = await node.call(pod)
            assert (reply.pod_ip, reply.pid) == (pod.ip, started.pid)
            assert (started.pid != os.getpid()) == (packing == "pod")
            assert dict(started.ports) == {50051: node.runtime.real_port(pod.ip, 50051)}
            assert node.runtime.pid_of(pod.uid) == started.pid
            assert node.runtime.ip_of(pod.uid) == pod.ip

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_sigterm_ends_a_pod_with_0_and_a_restart_has_a_fresh_memory(
    packing: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            first = node.start(pod)
            before = await node.started(first)
            assert (await node.call(pod)).executed == 1
            node.signal(pod, first, "TERM")
            assert (await node.exited(first)).exit_code == 0
            assert node.runtime.real_port(pod.ip, 50051) is None
            again = await node.started(node.start(pod))
            assert (await node.call(pod)).executed == 1
            assert (again.pid != before.pid) == (packing == "pod")

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_crashed_pod_is_told_as_killed_and_its_connections_break(
    packing: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            container = node.start(pod)
            await node.started(container)
            real = node.runtime.real_port(pod.ip, 50051)
            async with channel(f"{pod.ip}:{real}") as opened:
                stub = echo_pb2_grpc.EchoStub(opened)
                chat = stub.Chat(timeout=30)
                await chat.write(echo_pb2.EchoRequest(message="hello"))
                assert (await chat.read()).message == "hello"
                await node.runtime.crash(pod.uid)
                with pytest.raises(grpc.aio.AioRpcError) as failure:
                    await chat.read()
            assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
            exited = await node.exited(container)
            assert (exited.exit_code, exited.signal) == (137, 9)

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_frozen_pod_answers_nobody_until_it_is_thawed(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            await node.started(node.start(pod))
            await node.runtime.freeze(pod.uid)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await node.call(pod, timeout_s=0.3)
            await node.runtime.thaw(pod.uid)
            assert (await node.call(pod)).pod == pod.name
            assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_faults_of_a_pod_without_containers_are_refused(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            container = node.start(pod)
            await node.started(container)
            node.signal(pod, container, "KILL")
            await node.exited(container)
            for fault in (node.runtime.freeze, node.runtime.crash):
                with pytest.raises(EmuclusterError, match="no running container"):
                    await fault(pod.uid)
            await node.runtime.thaw(pod.uid)

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_frozen_pod_can_be_killed(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            container = node.start(pod)
            await node.started(container)
            await node.runtime.freeze(pod.uid)
            node.signal(pod, container, "KILL")
            assert (await node.exited(container)).exit_code == 137
            await node.started(node.start(pod))
            assert (await node.call(pod)).executed == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_container_killed_while_it_starts_is_told_as_killed(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            container = node.start(pod, "command:/bin/sleep", args=("600",))
            await asyncio.sleep(0)
            node.signal(pod, container, "KILL")
            assert (await node.exited(container)).exit_code == 137

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_after_a_power_cut_nothing_is_left_and_nobody_is_told(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            container = node.start(pod)
            started = await node.started(container)
            await node.runtime.freeze_all()
            await node.runtime.kill_all()
            assert node.runtime.describe() == []
            await node.started(node.start(pod))
            assert (await node.call(pod)).executed == 1
            assert not any(isinstance(event, e.ContainerExited) for event in node.events)
            if packing == "pod":
                await until(lambda: not _is_alive(started.pid))

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_failed_start_tells_why(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            exited = await node.exited(node.start(pod, "python://no_such_module_here:add"))
            assert (exited.exit_code, exited.reason) == (1, "Error")
            assert "No module named 'no_such_module_here'" in exited.message

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_output_is_kept_per_instance_and_removed_with_the_pod(packing: str, tmp_path: Path) -> None:
    (tmp_path / "talker.py").write_text(
        "import os\ndef add(server):\n    print('hello from', os.environ['WHO'], flush=True)\n"
    )

    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            for who in ("first", "second"):
                container = node.start(
                    pod, "python://talker:add", env=(("WHO", who),), source_dir=str(tmp_path)
                )
                await node.started(container)
                node.signal(pod, container, "KILL")
                await node.exited(container)
                sys.modules.pop("talker", None)
            logs = node.runtime.logs
            now, before = (logs.find("default", pod.name, previous=each) for each in (False, True))
            assert now is not None
            assert before is not None
            assert b"hello from second" in now.read_bytes()
            assert b"hello from first" in before.read_bytes()
            assert b"serving python://talker:add" in now.read_bytes()
            node.runtime.perform(c.StopPod(pod.uid))
            assert logs.find("default", pod.name) is not None
            node.runtime.forget_logs(pod.namespace, pod.name, pod.uid)
            assert logs.find("default", pod.name) is None

    asyncio.run(scenario())


def test_containers_of_a_pod_share_its_process_and_end_one_by_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            ids = [node.start(pod, name=name, ports=(port,)) for name, port in NAMES]
            pids = {(await node.started(each)).pid for each in ids}
            assert len(pids) == 1
            node.runtime.perform(c.SignalContainer(pod.uid, "a", ids[0], "KILL"))
            assert (await node.exited(ids[0])).exit_code == 137
            assert (await node.call(pod, port=81)).pid in pids

    asyncio.run(scenario())


NAMES = (("a", 80), ("b", 81))


def test_a_pod_dies_with_its_node(tmp_path: Path) -> None:
    async def scenario() -> None:
        spawn, made = processes()
        runtime = ActorPods(tmp_path, spawn=spawn)
        await runtime.start()
        node = Node(runtime)
        await node.started(node.start(identity()))
        await runtime._leash.close()  # what the kernel does when the node's process dies
        assert await asyncio.to_thread(made[0].wait, 20) == 0
        await runtime.stop(0)

    asyncio.run(scenario())


def test_an_outsiders_sigkill_is_a_crash(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            container = node.start(pod)
            started = await node.started(container)
            os.kill(started.pid, signal.SIGKILL)
            assert (await node.exited(container)).exit_code == 137

    asyncio.run(scenario())


def test_a_command_in_a_pod_dies_when_the_pods_process_is_killed(tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.write_text(
        f"#!{sys.executable} -S\nimport os, socket, time\n"
        "s = socket.create_server((os.environ['HOST'], int(os.environ['PORT'])))\n"
        "time.sleep(600)\n"
    )
    server.chmod(0o755)

    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            container = node.start(pod, "command:./server", source_dir=str(tmp_path))
            started = await node.started(container)
            pid = node.runtime.pid_of(pod.uid)
            assert pid is not None
            assert pid != started.pid
            os.kill(pid, signal.SIGKILL)
            assert (await node.exited(container)).exit_code == 137
            await until(lambda: not _is_alive(started.pid))

    asyncio.run(scenario())


def test_a_process_that_cannot_be_made_is_a_failed_start(tmp_path: Path) -> None:
    def spawn(config: dict[str, Any]) -> tuple[object, Awaitable[None]]:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(RuntimeError("no room"))
        return object(), failed

    async def scenario() -> None:
        runtime = ActorPods(tmp_path, spawn=spawn)
        await runtime.start()
        node = Node(runtime)
        exited = await node.exited(node.start(identity()))
        assert (exited.exit_code, exited.reason, exited.message) == (128, "StartError", "no room")
        await runtime.stop(0)

    asyncio.run(scenario())


def test_a_stranger_on_the_leash_is_sent_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            runtime = node.runtime
            assert isinstance(runtime, ActorPods)
            pod = identity()
            await node.started(node.start(pod))
            for line in (b"rubbish\n", b'{"type":"hello","uid":"%s","token":"x"}\n'):
                stranger = socket.socket(socket.AF_UNIX)
                stranger.connect("\0" + runtime._leash.name)
                reader, writer = await asyncio.open_unix_connection(sock=stranger)
                writer.write(line.replace(b"%s", pod.uid.encode()))
                assert await asyncio.wait_for(reader.read(), 10) == b""
                writer.close()
            assert (await node.call(pod)).pod == pod.name

    asyncio.run(scenario())


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
