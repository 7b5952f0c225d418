"""Code of the user's that ends, hangs or daemonises takes its container along, and nothing else."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import grpc
import pytest

from emucluster.client.manifests import SOURCE_DIR, load_files
from emucluster.core.kubelet.events import ContainerExited
from emucluster.core.objects import Pod
from emucluster.live.keeper import warden
from emucluster.live.pods import mark
from tests.live.pods.pod_setup import identity, until
from tests.live.pods.test_runtime import PACKINGS, running

pytestmark = pytest.mark.live

ENDS = {
    "import": "import sys\nsys.exit('no licence')\n",
    "function": "import sys\ndef add(server):\n    sys.exit(4)\n",
    "coroutine": "async def add(server):\n    raise KeyboardInterrupt\n",
    "cancelled": "import asyncio\nasync def add(server):\n    raise asyncio.CancelledError\n",
}
SAYS = {
    "import": (1, "SystemExit: no licence"),
    "function": (4, "SystemExit: 4"),
    "coroutine": (1, "KeyboardInterrupt"),
    "cancelled": (1, "asyncio.exceptions.CancelledError"),
}
HANGS = {
    "import": "import time\nwhile True: time.sleep(0.01)\n",
    "function": "def add(server):\n    while True: pass\n",
    "coroutine": "import asyncio\nasync def add(server):\n    await asyncio.Event().wait()\n",
}
METHOD_ENDS = """
import sys
from emucluster.live.rpc.pb import echo_pb2_grpc

class Leaver(echo_pb2_grpc.EchoServicer):
    {keyword}def Call(self, request, context):
        sys.exit(7)

def add(server):
    echo_pb2_grpc.add_EchoServicer_to_server(Leaver(), server)
"""
DAEMON = """#!{python} -S
import os, socket, time
server = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    server.close()
    print(os.getpid(), flush=True)
while True:
    time.sleep(1)
"""


def written(directory: Path) -> str:
    """By all pods whose logs are there."""
    return "".join(each.read_text() for each in directory.rglob("*.log"))


async def outcome(packing: str, directory: Path, module: str, deadline_s: float) -> ContainerExited:
    """How a container of this module ends; a neighbour of its serves before and after."""
    async with running(packing, directory) as node:
        node.runtime.listen_deadline_s = deadline_s
        neighbour = identity("neighbour")
        await node.started(node.start(neighbour))
        made = node.start(identity(), f"python://{module}:add", source_dir=str(directory))
        ended = await node.exited(made)
        await node.call(neighbour)
        return ended


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("where", ENDS)
def test_an_exit_while_a_servicer_is_made_fails_its_container(
    packing: str, where: str, tmp_path: Path
) -> None:
    module = f"ends_in_{where}"
    (tmp_path / f"{module}.py").write_text(ENDS[where])
    ended = asyncio.run(outcome(packing, tmp_path, module, 30))
    code, said = SAYS[where]
    assert (ended.exit_code, ended.reason) == (code, "Error")
    assert ended.message == f"python://{module}:add: {said}"


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("where", HANGS)
def test_one_that_does_not_return_in_time_fails_its_container(
    packing: str, where: str, tmp_path: Path
) -> None:
    module = f"hangs_in_{where}"
    (tmp_path / f"{module}.py").write_text(HANGS[where])
    ended = asyncio.run(outcome(packing, tmp_path, module, 0.5))
    assert (ended.exit_code, ended.reason) == (1, "Error")
    assert ended.message == f"python://{module}:add did not return within 0.5 s"


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("keyword", ["", "async "])
def test_an_exit_in_a_method_ends_its_container(packing: str, keyword: str, tmp_path: Path) -> None:
    module = f"leaves_{'async' if keyword else 'sync'}"
    (tmp_path / f"{module}.py").write_text(METHOD_ENDS.replace("{keyword}", keyword))

    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            neighbour, pod = identity("neighbour"), identity()
            await node.started(node.start(neighbour))
            made = node.start(pod, f"python://{module}:add", source_dir=str(tmp_path))
            await node.started(made)
            with pytest.raises(grpc.aio.AioRpcError):
                await node.call(pod)
            ended = await node.exited(made)
            assert (ended.exit_code, ended.message) == (7, "SystemExit: 7")
            await node.call(neighbour)

    asyncio.run(scenario())


def test_a_servicer_makes_channels_and_tasks_while_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "makes_channels.py").write_text(
        "import asyncio, grpc\n"
        "def add(server):\n"
        "    server.channel = grpc.aio.insecure_channel('127.0.0.1:1')\n"
        "    server.task = asyncio.get_running_loop().create_task(asyncio.sleep(0))\n"
    )

    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            made = node.start(identity(), "python://makes_channels:add", source_dir=str(tmp_path))
            await node.started(made)

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("way", ["signal", "stop"])
def test_the_daemons_of_a_command_end_with_it(packing: str, way: str, tmp_path: Path) -> None:
    from emucluster.core.kubelet.commands import StopPod

    path = tmp_path / "daemon"
    path.write_text(DAEMON.format(python=sys.executable))
    path.chmod(0o755)

    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity("daemon")
            made = node.start(pod, "command:./daemon", source_dir=str(tmp_path))
            started = await node.started(made)
            value = mark.mark_of(pod.uid, made)
            own = {started.pid, int(await until(lambda: written(tmp_path)))}
            await until(lambda: set(mark.marked(value)) == own)
            (daemon,) = own - {started.pid}
            assert os.getsid(daemon) != os.getsid(0)
            if way == "stop":
                node.runtime.perform(StopPod(pod.uid))
            else:
                node.signal(pod, made, "TERM")
            await until(lambda: not mark.marked(value))

    asyncio.run(scenario())


def test_a_command_carries_the_mark_of_its_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(warden.MARK, "1.2")

    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            args = ("-c", f"echo keeper is ${warden.MARK}; exit 3")
            ended = await node.exited(node.start(identity(), "command:/bin/sh", args=args))
            assert ended.message == "keeper is 1.2"

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_missing_executable_is_told_by_the_exit_of_a_container_that_never_ran(
    packing: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            made = node.start(identity(), "command:./missing", source_dir=str(tmp_path))
            ended = await node.exited(made)
            assert (ended.exit_code, ended.reason) == (128, "StartError")
            assert "No such file or directory" in ended.message
            assert [type(each) for each in node.events] == [ContainerExited]

    asyncio.run(scenario())


def test_a_command_image_is_looked_for_beside_its_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
        "spec: {containers: [{name: main, image: 'command:./server'}]}\n"
    )
    (pod,) = load_files([str(manifest)])
    assert isinstance(pod, Pod)
    assert (pod.metadata.annotations or {})[SOURCE_DIR] == str(tmp_path)
