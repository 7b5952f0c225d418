"""Processes beside those of a container."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import uvloop

from emucluster.core.errors import BadRequest, NotFound, ServiceUnavailable
from emucluster.live.pods.execs import ExecFailed, ExecRequest, ExecSession, start_exec
from tests.live.pods.pod_setup import identity, until
from tests.live.pods.runtime_setup import PACKINGS, running

pytestmark = pytest.mark.live

SERVER = f"""#!{sys.executable} -S
import os, socket, time
server = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
time.sleep(600)
"""


async def started(*command: str, **options: bool) -> ExecSession:
    env = {"PATH": os.environ["PATH"], "GREETING": "hi"}
    return await start_exec(ExecRequest(command, **options), env=env, directory="/")


async def read(session: ExecSession) -> tuple[bytes, bytes, int]:
    """Standard output, standard error, exit code; then it is closed."""
    found: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    async for stream, data in session.output():
        found[stream] += data
    code = await session.exit_code()
    session.close()
    return found["stdout"], found["stderr"], code


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("command", "out", "err", "code"),
    [
        (("sh", "-c", "echo $GREETING; echo no >&2; exit 7"), b"hi\n", b"no\n", 7),
        (("sh", "-c", "kill -9 $$"), b"", b"", 137),
    ],
)
def test_its_streams_and_its_exit_are_told(
    command: tuple[str, ...], out: bytes, err: bytes, code: int
) -> None:
    async def scenario() -> None:
        said, complained, ended = await read(await started(*command))
        assert (said, ended) == (out, code)
        assert complained.startswith(err)

    asyncio.run(scenario())


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing-of-that-name", "executable file not found in $PATH"),
        ("/nothing/there", "stat /nothing/there: no such file or directory"),
        ("/etc/passwd", "permission denied"),
    ],
)
def test_what_cannot_be_executed_says_so_in_a_runtimes_words(
    name: str, why: str, tty: bool
) -> None:
    async def scenario() -> None:
        descriptors = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ExecFailed) as failed:
            await started(name, stdin=True, tty=tty)
        assert str(failed.value).endswith(f'process: exec: "{name}": {why}: unknown')
        assert len(os.listdir("/proc/self/fd")) == descriptors

    asyncio.run(scenario())


@pytest.mark.parametrize("tty", [False, True])
def test_it_has_the_three_standard_streams_and_no_other_descriptors(
    tty: bool, tmp_path: Path
) -> None:
    async def scenario() -> None:
        show = "import os; print(*sorted(os.listdir('/proc/self/fd')))"
        said, _, code = await read(await started(sys.executable, "-S", "-c", show, tty=tty))
        # The fourth is that of the directory itself.
        assert (said.split(), code) == ([b"0", b"1", b"2", b"3"], 0)

    new_loop = uvloop.new_event_loop  # as in Ray's workers; it closes less than asyncio's own
    with (tmp_path / "left open").open("w") as file, asyncio.Runner(loop_factory=new_loop) as loop:
        os.set_inheritable(file.fileno(), True)
        loop.run(scenario())


def test_what_it_is_given_comes_back_in_full() -> None:
    data = os.urandom(1 << 20)

    async def scenario() -> None:
        session = await started("cat", stdin=True)

        async def feed() -> None:
            await session.write(data)
            session.end_of_stdin()

        feeding = asyncio.create_task(feed())
        assert await read(session) == (data, b"", 0)
        await feeding

    asyncio.run(scenario())


def test_a_terminal_has_a_size_and_control_characters() -> None:
    async def scenario() -> None:
        session = await started("sh", "-c", "read x; stty size; cat", stdin=True, tty=True)
        session.resize(132, 43)
        await session.write(b"\n")
        said = b""
        async with asyncio.timeout(20):
            async for _, data in session.output():
                said += data
                if b"43 132" in said:
                    await session.write(b"\x03")
        assert await session.exit_code() == 128 + signal.SIGINT
        session.close()

    asyncio.run(scenario())


def test_children_that_keep_the_streams_open_hold_nobody_up() -> None:
    async def scenario() -> None:
        async with asyncio.timeout(20):
            session = await started("sh", "-c", "sleep 60 & echo done")
            said, _, code = await read(session)
        assert (said, code) == (b"done\n", 0)

    asyncio.run(scenario())


def test_whoever_goes_takes_it_along_with_all_that_it_started() -> None:
    async def scenario() -> None:
        session = await started("sh", "-c", "setsid sleep 600 & echo $!; wait")
        async for _, data in session.output():
            child = int(data)
            break
        assert alive(child)
        session.close()
        await until(lambda: not alive(session.pid) and not alive(child))

    asyncio.run(scenario())


@pytest.mark.parametrize("packing", PACKINGS)
def test_it_runs_with_the_variables_of_its_container_and_ends_with_it(
    packing: str, tmp_path: Path
) -> None:
    (tmp_path / "server").write_text(SERVER)
    (tmp_path / "server").chmod(0o755)

    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            container = node.start(
                pod, "command:./server", env=(("GREETING", "hi"),), source_dir=str(tmp_path)
            )
            await node.started(container)
            env = ExecRequest(("sh", "-c", "echo $GREETING $HOST $PORT $PWD"))
            session = await node.runtime.exec(pod.uid, "main", env)
            said, _, _ = await read(session)
            real = node.runtime.real_port(pod.ip, 50051)
            assert said.decode().split() == ["hi", pod.ip, str(real), str(tmp_path)]
            node.runtime.end_exec(session)
            long = await node.runtime.exec(pod.uid, "main", ExecRequest(("sleep", "600")))
            assert node.runtime.exec_pids(container) == [long.pid]
            await node.runtime.freeze(pod.uid)
            with pytest.raises(ServiceUnavailable, match="paused"):
                await node.runtime.exec(pod.uid, "main", env)
            await node.runtime.thaw(pod.uid)
            node.signal(pod, container, "KILL")
            await node.exited(container)
            assert await long.exit_code() == 137
            node.runtime.end_exec(long)
            assert node.runtime.exec_pids(container) == []
            with pytest.raises(NotFound, match='container not found \\("main"\\)'):
                await node.runtime.exec(pod.uid, "main", env)

    asyncio.run(scenario())


def test_a_container_without_processes_of_its_own_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            pod = identity()
            await node.started(node.start(pod))
            with pytest.raises(BadRequest, match="has no processes of its own"):
                await node.runtime.exec(pod.uid, "main", ExecRequest(("sh",)))

    asyncio.run(scenario())
