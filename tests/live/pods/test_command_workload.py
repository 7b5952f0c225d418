"""`command:`: any executable that listens on the HOST and PORT of its environment."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

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
        assert proc_net.is_listening(context.pod.ip, workload.ports[50051])
        assert workload.pid != os.getpid()
        assert os.getpgid(workload.pid) == workload.pid
        assert os.getsid(workload.pid) == os.getsid(0)
        workload.signal("TERM")
        assert (await workload.wait()).exit_code == 143
        await until(lambda: "listening hi ['--fast']" in (tmp_path / "main.log").read_text())

    asyncio.run(scenario())


def test_one_that_listens_elsewhere_fails_with_where_it_listens(tmp_path: Path) -> None:
    image = script(tmp_path, host='"127.62.200.7"')
    with pytest.raises(StartError) as failure:
        asyncio.run(run(tmp_path, image, source_dir=str(tmp_path), listen_deadline_s=1.0))
    assert "command:./server listens on 127.62.200.7:" in str(failure.value)
    assert "it must listen on HOST and PORT of its environment" in str(failure.value)


def test_one_that_listens_on_every_address_is_refused(tmp_path: Path) -> None:
    image = script(tmp_path, host='"0.0.0.0"')
    with pytest.raises(StartError, match=r"listens on 0\.0\.0\.0:\d+ after 1 s"):
        asyncio.run(run(tmp_path, image, source_dir=str(tmp_path), listen_deadline_s=1.0))


def test_a_missing_executable_ends_with_127_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory") as failure:
        asyncio.run(run(tmp_path, "command:./nothing-here", source_dir=str(tmp_path)))
    assert (failure.value.reason, failure.value.exit_code) == ("StartError", 127)
    assert "No such file or directory" in (tmp_path / "main.log").read_text()


def test_one_that_fails_before_it_listens_says_so_with_its_last_line(tmp_path: Path) -> None:
    args = ("-c", "echo starting; echo 'no config' >&2; exit 3")
    with pytest.raises(StartError, match=r"exited with 3 before it listened on .*: no config"):
        asyncio.run(run(tmp_path, "command:/bin/sh", args=args))


def test_one_that_ends_well_before_it_listens_has_completed(tmp_path: Path) -> None:
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


def test_an_init_container_need_not_listen(tmp_path: Path) -> None:
    async def scenario() -> None:
        workload, _ = await run(
            tmp_path, "command:/bin/sh", args=("-c", "exit 3"), runs_to_completion=True
        )
        assert (await workload.wait()).exit_code == 3

    asyncio.run(scenario())
