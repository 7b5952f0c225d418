"""Speed divides configured durations and no count; one seed makes one history."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.sim.clock import VirtualClock
from emucluster.sim.event_loop import EventLoop
from emucluster.sim.runtime import SimRuntime
from tests.contract.observe import (
    calls,
    healthy,
    node_is_ready,
    pod_on,
    ready_addresses,
    results,
)
from tests.sim.cluster import web_cluster


def milestones(speed: float) -> dict[str, float]:
    """When each thing follows on a node's loss of power, scaled back to speed 1."""
    runtime = web_cluster(speed=speed)
    pod = pod_on(runtime, "node-2")
    runtime.inject("power-off", "node/node-2")
    began_s = runtime.now_s()

    def evicted() -> bool:
        found = runtime.get("pod", pod.metadata.name)
        return found is None or found.metadata.deletion_timestamp is not None

    waits = {
        "target out": lambda: "node-2" not in healthy(runtime),
        "not ready": lambda: not node_is_ready(runtime, "node-2"),
        "endpoint gone": lambda: pod.status.pod_ip not in ready_addresses(runtime),
        "evicted": evicted,
    }
    return {
        what: (runtime.wait_until(check, timeout_s=500.0 / speed, what=what) - began_s) * speed
        for what, check in waits.items()
    }


@pytest.mark.parametrize("speed", [10.0, 25.0])
def test_at_a_speed_things_happen_in_its_fraction_of_the_time(speed: float) -> None:
    plain, fast = milestones(1.0), milestones(speed)
    assert list(plain) == list(fast)
    for what, at_s in plain.items():
        # Phases of the periods differ: up to a lease and a monitor period, or a check's interval.
        assert fast[what] == pytest.approx(at_s, abs=16.0), what


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_counts_are_the_same_at_every_speed(speed: float) -> None:
    runtime = web_cluster(speed=speed)
    runtime.inject("power-off", "node/node-2")
    found = calls(runtime, "service/web-nodeport", 6, node="node-1", timeout_s=0.3)
    assert results(found) == {"ok": 4, "timeout": 2}


def eventful(seed: int) -> SimRuntime:
    runtime = web_cluster(seed=seed)
    runtime.load("service/web-lb", rate_per_s=5.0, timeout_s=1.0)
    runtime.inject("power-off", "node/node-2", 100.0)
    runtime.sleep(30.0)
    runtime.inject("crash", "control-plane")
    runtime.sleep(400.0)
    return runtime


def digest(seed: int) -> str:
    return hashlib.sha256(repr(eventful(seed).history).encode()).hexdigest()


def test_the_same_seed_gives_the_same_history_in_any_process() -> None:
    script = "from tests.sim.test_time_and_chance import digest; print(digest(7))"
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert found == {digest(7)}


def test_another_seed_gives_another_history() -> None:
    assert digest(7) != digest(8)


@given(st.lists(st.floats(min_value=0.0, max_value=1e6), max_size=50))
def test_events_run_in_the_order_of_time_and_then_of_arrival(delays: list[float]) -> None:
    loop = EventLoop(VirtualClock())
    ran: list[tuple[float, int]] = []

    def note(index: int) -> None:
        ran.append((loop.now_s(), index))

    for index, delay_s in enumerate(delays):
        loop.call_later(delay_s, partial(note, index))
    loop.run_until(1e6)
    assert ran == sorted((delay_s, index) for index, delay_s in enumerate(delays))
    assert loop.now_s() == 1e6


def test_a_cancelled_timer_does_not_run_and_does_not_hold_up_time() -> None:
    loop = EventLoop(VirtualClock())
    ran: list[str] = []
    timer = loop.call_later(1.0, lambda: ran.append("cancelled"))
    loop.call_later(2.0, lambda: ran.append("kept"))
    timer.cancel()
    assert loop.next_due_s() == 2.0
    loop.run_until(3.0)
    assert ran == ["kept"]
