"""`command:`: any executable that listens on the HOST and PORT of its environment."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from emucluster.live.pods import proc_net
from emucluster.live.pods.workload import StartError
from tests.live.pods.pod_setup import run, until

pytestmark = pytest.mark.live

SERVER = """#!{python} -S
import os, socket, subprocess, sys, time
host = {host}
server = socket.create_server((host, int(os.environ["PORT"]) + {offset}))
print("listening", os.environ.get("GREETING"), sys.argv[1:], flush=True)
{more}
while True:
    time.sleep(1)
"""


def script(
    directory: Path, *, host: str = 'os.environ["HOST"]', offset: int = 0, more: str = ""
) -> str:
    path = directory / "server"
    path.write_text(SERVER.format(python=sys.executable, host=host, offset=offset, more=more))
    path.chmod(0o755)
    return "command:./server"


def test_it_serves_on_host_and_port_and_logs_into_the_pods_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        image = script(tmp_path)
        workload, context = await run(
            tmp_path, image, env={"GREETING": "hi"}, args=("--fast",), source_dir=str(tmp_path)
        )
        await until(lambda: proc_net.is_listening(context.pod.ip, workload.ports[50051]))
        assert workload.pid != os.getpid()
        assert os.getpgid(workload.pid) == workload.pid
        assert os.getsid(workload.pid) == os.getsid(0)
        await until(lambda: "listening hi ['--fast']" in (tmp_path / "main.log").read_text())
        workload.signal("TERM")
        assert (await workload.wait()).exit_code == 143

    asyncio.run(scenario())


def test_it_runs_before_it_listens(tmp_path: Path) -> None:
    async def scenario() -> None:
        args = ("-c", "echo early; exec sleep 600")
        workload, context = await run(tmp_path, "command:/bin/sh", args=args)
        await until(lambda: (tmp_path / "main.log").read_text() == "early\n")
        assert not proc_net.is_listening(context.pod.ip, workload.ports[50051])
        workload.signal("KILL")
        assert (await workload.wait()).signal == 9

    asyncio.run(scenario())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_has_the_three_standard_streams_and_no_other_descriptors(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    shown = f"{sys.executable} -S -c 'import os; print(*sorted(os.listdir(\"/proc/self/fd\")))'"

    async def scenario() -> None:
        workload, _ = await run(tmp_path, "command:/bin/sh", args=("-c", f"exec {shown}"))
        assert (await workload.wait()).exit_code == 0

    with (tmp_path / "left open").open("w") as file, asyncio.Runner(loop_factory=new_loop) as loop:
        os.set_inheritable(file.fileno(), True)
        loop.run(scenario())
    # The fourth is that of the directory itself.
    assert (tmp_path / "main.log").read_text() == "0 1 2 3\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [("nothing-here", "No such file or directory"), ("no-program", "Permission denied")],
)
def test_what_cannot_be_executed_has_not_started(name: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "no-program").touch(mode=0o644)
    with pytest.raises(StartError) as failure:
        asyncio.run(run(tmp_path, f"command:./{name}", source_dir=str(tmp_path)))
    assert str(failure.value) == f"command:./{name}: exec {tmp_path}/./{name}: {problem}"
    assert (failure.value.reason, failure.value.exit_code) == ("StartError", 128)


def test_one_that_fails_at_once_has_run_and_says_so_with_its_last_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        args = ("-c", "echo starting; echo 'no config' >&2; exit 3")
        workload, _ = await run(tmp_path, "command:/bin/sh", args=args)
        ended = await workload.wait()
        assert (ended.exit_code, ended.reason, ended.message) == (3, "Error", "no config")

    asyncio.run(scenario())


def test_one_that_ends_well_has_completed(tmp_path: Path) -> None:
    async def scenario() -> None:
        workload, _ = await run(tmp_path, "command:/bin/true")
        ended = await workload.wait()
        assert (ended.exit_code, ended.reason, ended.message) == (0, "Completed", "")

    asyncio.run(scenario())


def test_the_children_of_a_command_end_with_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        image = script(tmp_path, more="subprocess.Popen(['sleep', '600'])")
        workload, _ = await run(tmp_path, image, source_dir=str(tmp_path))
        await until(lambda: len(proc_net.pids_of_group(workload.pid)) == 2)
        workload.signal("KILL")
        assert (await workload.wait()).exit_code == 137
        await until(lambda: not proc_net.pids_of_group(workload.pid))

    asyncio.run(scenario())


def test_the_generic_image_takes_its_command_from_the_container(tmp_path: Path) -> None:
    script(tmp_path)

    async def scenario() -> None:
        workload, _ = await run(
            tmp_path, "emucluster/command:1", command=("./server",), source_dir=str(tmp_path)
        )
        workload.signal("KILL")
        assert (await workload.wait()).signal == 9

    asyncio.run(scenario())
    with pytest.raises(StartError, match="needs `command` in the container"):
        asyncio.run(run(tmp_path, "emucluster/command:1"))
