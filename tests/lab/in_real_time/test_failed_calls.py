"""HAProxy and Envoy presets lose as many calls to a silent target as the real ones did."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

import emucluster as emu
from emucluster.client.experiments.load import Load
from emucluster.client.metrics import Page, pages
from emucluster.client.ready import NotReady
from emucluster.core.quantities import decode_quantity
from emucluster.experiment.history import CallRecord
from emucluster.experiment.spec import ClientGroup
from emucluster.live.clock import wall_s
from tests.lab.setting import outside, pods_on, service
from tests.live.watching import until

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.measured]

RATE_PER_S, DEADLINE_S = 50, 1.0
SILENT = "node-3"
RUNS, ATTEMPTS = 3, 6
WITHIN = 0.1


@dataclass(frozen=True)
class Measured:
    """What a real one did: 1/0.5/3/2, TCP checks, one of three targets silent, 50 calls/s.

    Attributes:
        failed_calls: of three runs, equal to 0.02 s.
        phase_s: from the last passed check to the silence. Where in its interval of a second a
            target falls silent decides over up to 17 calls. For the real ones it follows from the
            time to the last failing call: 0.65 s for HAProxy (5.34 s), 0.98 s for Envoy (3.52 s).
        earliest_s, latest_s: a silence that comes then is near enough to that of the real one: it
            costs six calls more at the most.
    """

    failed_calls: int
    phase_s: float
    earliest_s: float
    latest_s: float


REAL = {"haproxy": Measured(90, 0.5, 0.3, 1.0), "envoy": Measured(59, 0.75, 0.65, 1.0)}


@pytest.mark.parametrize("preset", list(REAL))
def test_a_silent_target_costs_as_many_calls_as_with_the_real_one(
    web: emu.Cluster, preset: str
) -> None:
    real = REAL[preset]
    counts: list[int] = []
    for attempt in range(ATTEMPTS):
        phase_s, lost = silenced(web, preset, real.phase_s, attempt)
        if real.earliest_s <= phase_s <= real.latest_s:
            counts.append(lost)
        if len(counts) == RUNS:
            break
    assert len(counts) == RUNS, "the machine is too slow to silence a node within 0.3 s"
    assert statistics.median(counts) == pytest.approx(real.failed_calls, rel=WITHIN), counts


@pytest.fixture(scope="module")
def web(real_time: emu.Cluster) -> Iterator[emu.Cluster]:
    """Three targets, two pods: the third node only passes calls on, until it falls silent."""
    objects = [
        *pods_on("node-1", "node-2"),
        service("haproxy", preset="haproxy"),
        # Its first minute would have one check: the real one had had traffic long before.
        service("envoy", preset="envoy", no_traffic_interval_s=1),
    ]
    real_time.apply(objects)
    real_time.wait_ready(90)
    yield real_time
    for obj in reversed(objects):
        real_time.delete(obj["kind"], obj["metadata"]["name"])


def silenced(cluster: emu.Cluster, preset: str, aim_s: float, attempt: int) -> tuple[float, int]:
    """When after a passed check the node fell silent, at about `aim_s`, and the calls it cost."""
    until(lambda: _whole(cluster), "all targets are healthy")
    group = msgspec.convert(
        outside(preset, RATE_PER_S, DEADLINE_S), ClientGroup, dec_hook=decode_quantity
    )
    with Load(cluster, [group], run=f"{preset}-{attempt}", seed=attempt, duration_s=12) as load:
        load.start()
        until(lambda: load.ended() >= RATE_PER_S / 2, "traffic")
        passed_s = _passed_a_check(cluster, preset)
        time.sleep(max(0.0, passed_s + aim_s - wall_s()))
        fault = cluster.inject("power-off", f"node/{SILENT}", 20)
        _wait_until_out(cluster, preset)
        due = load.ended() + RATE_PER_S
        until(lambda: load.ended() >= due, "calls after it")
        load.stop(2)
        calls = load.records()
    cluster.clear_faults()
    return fault.injected_s - passed_s, _lost(calls, fault.injected_s)


def _lost(calls: list[CallRecord], since_s: float) -> int:
    lost = [call for call in calls if not call.ok]
    before = [call for call in lost if call.intended_s < since_s - DEADLINE_S]
    assert before == [], "nothing failed before the silence"
    last_s = max(call.intended_s for call in lost)
    assert sum(call.ok for call in calls if call.intended_s > last_s) > RATE_PER_S / 2
    return len(lost)


def _whole(cluster: emu.Cluster) -> bool:
    try:
        cluster.wait_ready(1)
    except NotReady:
        return False
    return all('state="unhealthy"} 0' in _page(cluster, name).read() for name in REAL)


def _wait_until_out(cluster: emu.Cluster, preset: str) -> None:
    page = _page(cluster, preset)
    until(lambda: 'state="unhealthy"} 1' in page.read(), f"{preset} gave {SILENT} up")


def _passed_a_check(cluster: emu.Cluster, preset: str) -> float:
    """Waits for the next check of the node that passes, and returns when that was, wall clock."""
    page = _page(cluster, preset)
    before = _passed(page)
    while (now := _passed(page)) == before:
        time.sleep(0.005)
    assert now == before + 1
    return wall_s()


def _passed(page: Page) -> float:
    start = f'emucluster_lb_health_checks_total{{node="{SILENT}",result="passed"}} '
    return next(
        float(line.removeprefix(start))
        for line in page.read().splitlines()
        if line.startswith(start)
    )


def _page(cluster: emu.Cluster, preset: str) -> Page:
    machines = [m for m in cluster.machines() if m.name == f"lb/default/{preset}"]
    (page,) = pages(machines)
    return page
