"""Random schedules of every kind of fault leave nothing behind, whatever becomes of who runs them.

EMUCLUSTER_SCHEDULES is how many are run, 50 unless it says otherwise. EMUCLUSTER_SCHEDULE_SEED is
the first of their seeds, and EMUCLUSTER_SCHEDULES_PAGE a file for a page of what they did.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import emucluster as emu
from emucluster.core.faults import kinds
from tests.lab.schedule_page import page
from tests.lab.schedule_run import Kinds, Ran, Schedules
from tests.lab.setting import pods_on, service

COUNT = int(os.environ.get("EMUCLUSTER_SCHEDULES", "50"))
FIRST_SEED = int(os.environ.get("EMUCLUSTER_SCHEDULE_SEED", "1"))
PAGE = os.environ.get("EMUCLUSTER_SCHEDULES_PAGE")
NODES = 2
SPEED = 20.0
SHARED = tuple(
    (kind.name, target)
    for kind in kinds.KINDS
    if not kind.is_operation and kind.name != "cpu-hog"  # refused: pods share the node's process
    for target in kind.targets
)
PACKINGS: dict[str, Kinds] = {"pod": None, "node": SHARED}


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(240 + 15 * COUNT)
def test_random_schedules_leave_nothing(tmp_path: Path) -> None:
    began_s = time.monotonic()
    seeds = {
        packing: range(FIRST_SEED + number, FIRST_SEED + COUNT, len(PACKINGS))
        for number, packing in enumerate(PACKINGS)
    }
    with ThreadPoolExecutor(len(PACKINGS)) as pool:
        runs = pool.map(lambda packing: _run(packing, seeds[packing], tmp_path), PACKINGS)
        ran = [each for of_one in runs for each in of_one]
    if PAGE:
        Path(PAGE).write_text(page(ran, time.monotonic() - began_s))
    failed = [str(each) for each in ran if each.problems]
    assert len(ran) == COUNT
    assert not failed, "\n".join([f"{len(failed)} of {COUNT} left something:", *failed])


def _run(packing: str, seeds: range, directory: Path) -> list[Ran]:
    """On one cluster after the other: one on which something was left is not used again."""
    ran: list[Ran] = []
    left = list(seeds)
    while left:
        name = f"schedules-{packing}-{os.getpid()}"
        with emu.Cluster(
            nodes=NODES, zones=NODES, packing=packing, speed=SPEED, name=name
        ) as cluster:
            cluster.apply(
                [
                    *pods_on(*(f"node-{number}" for number in range(1, NODES + 1))),
                    service("web-lb"),
                    service("web", "ClusterIP"),
                ]
            )
            cluster.wait_ready(90)
            schedules = Schedules(cluster, directory, kinds=PACKINGS[packing])
            while left:
                ran.append(schedules.run(left.pop(0)))
                if ran[-1].problems:
                    break
    return ran
