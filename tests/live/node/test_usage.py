"""What a pod is said to take is what its own processes take."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from emucluster.live.node.usage import WINDOW_MIN_S, NodeUsage
from tests.live.pods.pod_setup import identity, until
from tests.live.pods.runtime_setup import PACKINGS, Node, running

pytestmark = pytest.mark.live

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SLEEP = ("600",)
HOLD_MB = 64
HOLDER = f"import time; held = b'x' * {HOLD_MB << 20}; print('held', flush=True); time.sleep(600)"
ORPHAN = f"""({sys.executable} -S -c "{HOLDER}" &) ; exec sleep 600"""


async def memory(node: Node, usage: NodeUsage | None = None) -> dict[tuple[str, str], int]:
    """By pod and container, in bytes."""
    report: Any = await (usage or NodeUsage(node.runtime)).report()
    return {(each.pod, each.container): each.memory_bytes for each in report.containers}


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_command_takes_what_its_process_does_and_not_what_started_it(
    packing: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            started = await node.started(
                node.start(identity("idle"), "command:/bin/sleep", args=SLEEP)
            )
            assert await memory(node) == {("idle", "main"): resident_bytes(started.pid)}

    asyncio.run(scenario())


def test_what_its_children_left_behind_is_its_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            await node.started(
                node.start(identity("parent"), "command:/bin/sh", args=("-c", ORPHAN))
            )
            logs = tmp_path / "pods"
            await until(lambda: any(each.read_text() for each in logs.rglob("*.log")))
            assert (await memory(node))["parent", "main"] > HOLD_MB << 20

    asyncio.run(scenario())


def test_a_server_takes_what_the_process_of_its_pod_does(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("pod", tmp_path) as node:
            started = await node.started(node.start(identity("echo")))
            found = await memory(node)
            assert found["echo", "main"] == pytest.approx(resident_bytes(started.pid), rel=0.2)

    asyncio.run(scenario())


def test_servers_that_share_a_process_have_no_figures(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            await node.started(node.start(identity("echo")))
            await node.started(node.start(identity("idle"), "command:/bin/sleep", args=SLEEP))
            assert (await memory(node)).keys() == {("idle", "main")}

    asyncio.run(scenario())


def test_a_pod_that_has_come_since_somebody_asked_has_figures(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running("node", tmp_path) as node:
            usage = NodeUsage(node.runtime)
            assert await memory(node, usage) == {}
            await asyncio.sleep(WINDOW_MIN_S)  # from then on, the first look would do
            await node.started(node.start(identity("idle"), "command:/bin/sleep", args=SLEEP))
            assert (await memory(node, usage)).keys() == {("idle", "main")}

    asyncio.run(scenario())
