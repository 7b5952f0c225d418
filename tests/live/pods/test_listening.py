"""A command that listens elsewhere runs as well as any; one word tells of it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from socket import AF_INET, AF_INET6, AddressFamily

import pytest

from emucluster.core.kubelet.events import ContainerNotListening, ContainerStarted
from emucluster.live.pods.listening import watch
from tests.live.pods.pod_setup import identity, until
from tests.live.pods.runtime_setup import PACKINGS, running

pytestmark = pytest.mark.live

SERVER = f"""#!{sys.executable} -S
import os, socket, time
while not os.path.exists("listen"):
    time.sleep(0.01)
server = socket.create_server({{}})
time.sleep(600)
"""
ASTRAY = SERVER.format('("127.62.200.7", 0)')
OBEDIENT = SERVER.format('(os.environ["HOST"], int(os.environ["PORT"]))')


def watched(
    address: str, *ports: int, wanted: Callable[[], bool] = lambda: True
) -> tuple[bool, list[str]]:
    """Of this process, which is given no time; what is found, and what is told."""
    told: list[str] = []
    watching = watch(
        "image",
        os.getpgid(0),
        address,
        ports,
        wanted=lambda: wanted() and not told,
        deadline_s=0,
        tell=told.append,
    )
    return asyncio.run(watching), told


@pytest.mark.parametrize(("prefix", "family"), [("", AF_INET), ("::ffff:", AF_INET6)])
def test_one_of_its_ports_is_enough(prefix: str, family: AddressFamily) -> None:
    ip = "127.62.200.8"
    mapped = family == AF_INET6  # as a server of IPv6 has an address of IPv4
    with socket.create_server((prefix + ip, 0), family=family, dualstack_ipv6=mapped) as server:
        assert watched(ip, 1, server.getsockname()[1]) == (True, [])


def test_every_address_is_not_the_pods_own() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        listens, told = watched("127.62.200.9", port)
    assert not listens
    assert f"0.0.0.0:{port}" in told[0]
    assert told[0].startswith("image listens on ")


def test_of_one_that_has_ended_nothing_is_told() -> None:
    assert watched("127.62.200.9", 1, wanted=lambda: False) == (False, [])


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_command_that_listens_elsewhere_is_told_of_and_runs_on(
    packing: str, tmp_path: Path
) -> None:
    (tmp_path / "listen").touch()
    (tmp_path / "server").write_text(ASTRAY)
    (tmp_path / "server").chmod(0o755)

    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            node.runtime.listen_deadline_s = 1.0
            pod = identity()
            made = node.start(pod, "command:./server", source_dir=str(tmp_path))
            await node.started(made)
            told = await until(
                lambda: [each for each in node.events if isinstance(each, ContainerNotListening)]
            )
            assert told[0].message.startswith("command:./server listens on 127.62.200.7:")
            real = node.runtime.real_port(pod.ip, 50051)
            assert told[0].message.endswith(
                f" after 1 s; it must listen on HOST and PORT of its environment, "
                f"here {pod.ip}:{real}"
            )
            assert [type(each) for each in node.events] == [ContainerStarted, ContainerNotListening]
            assert node.runtime.serving_containers(pod.uid) == set()

    asyncio.run(scenario())


def test_one_that_comes_to_listen_serves_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "server").write_text(OBEDIENT)
    (tmp_path / "server").chmod(0o755)

    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            pod = identity()
            await node.started(node.start(pod, "command:./server", source_dir=str(tmp_path)))
            assert node.runtime.serving_containers(pod.uid) == set()
            lives: list[str] = []
            node.runtime.on_life = lives.append
            (tmp_path / "listen").touch()
            await until(lambda: node.runtime.serving_containers(pod.uid) == {"main"})
            assert lives == [pod.uid]

    asyncio.run(scenario())


def test_one_that_declares_no_port_is_no_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            node.runtime.listen_deadline_s = 0.0
            worker, server = identity("worker"), identity("server")
            args = ("600",)
            await node.started(node.start(worker, "command:/bin/sleep", ports=(), args=args))
            await node.started(node.start(server, "command:/bin/sleep", args=args))
            told = await until(
                lambda: [each for each in node.events if isinstance(each, ContainerNotListening)]
            )
            assert [each.pod_uid for each in told] == [server.uid]
            assert "listens nowhere" in told[0].message
            assert node.runtime.serving_containers(worker.uid) == {"main"}
            assert node.runtime.serving_containers(server.uid) == set()

    asyncio.run(scenario())
