"""A process's own lag and processor time, since a moment."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.live.rig.clock_offset import moved_s, wall_offset_s
from emucluster.live.rig.lags import FIRST_S, bucket_of, quantile_s, upper_s
from emucluster.live.rig.meter import RigMeter
from emucluster.live.rig.process_cpu import ProcessCpu, cpu_s_of

pytestmark = pytest.mark.live


@given(st.floats(0, 3600))
def test_a_bucket_holds_lags_up_to_a_tenth_below_its_upper_end(lag_s: float) -> None:
    bucket = bucket_of(lag_s)
    assert lag_s <= upper_s(bucket) * (1 + 1e-9)
    assert lag_s <= FIRST_S or lag_s >= upper_s(bucket) / 1.1 * (1 - 1e-9)


def test_quantiles_of_counted_lags() -> None:
    counts = {bucket_of(0.0): 90, bucket_of(0.010): 9, bucket_of(0.5): 1}
    assert quantile_s(counts, 0.5) == 0.0
    assert quantile_s(counts, 0.99) == pytest.approx(0.010, rel=0.11)
    assert quantile_s(counts, 1.0) == pytest.approx(0.5, rel=0.11)
    assert quantile_s({}, 0.99) == 0.0


def test_a_loop_that_was_held_up_says_for_how_long_and_what_it_took() -> None:
    async def scenario() -> None:
        meter = RigMeter("node-1", settling_s=0.0)
        meter.start()
        began_s = time.time()
        held_s = _burn(0.3)
        await _noticed(meter, held_s / 2)
        report = meter.report(0.0)
        meter.stop()
        assert (report.name, report.pid) == ("node-1", os.getpid())
        assert report.cpu_s >= 0.3
        assert report.lag_max_s <= time.time() - began_s
        assert report.lag_p50_s <= report.lag_p99_s <= report.lag_max_s

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_process_that_has_only_begun_is_not_late() -> None:
    async def scenario() -> None:
        meter = RigMeter("node-1", settling_s=0.2)
        meter.start()
        _burn(0.3)
        await asyncio.sleep(0.1)
        assert meter.report(0.0).lag_max_s < 0.2
        _burn(0.3)
        await _noticed(meter, 0.2)
        meter.stop()

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_seconds_that_were_over_before_do_not_count() -> None:
    async def scenario() -> None:
        meter = RigMeter("node-1", settling_s=0.0)
        meter.start()
        _burn(1.1)  # a second of its own, over when it is noticed
        await _noticed(meter, 0.5)
        since_s = time.time()
        report = meter.report(since_s)
        meter.stop()
        assert report.from_s <= since_s
        assert report.lag_max_s < 0.5
        assert report.cpu_s < 1.0

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_another_process_is_measured_by_the_kernel_and_its_successor_apart() -> None:
    cpu = ProcessCpu("control-plane")
    assert cpu.report(0.0) is None
    cpu.sample(os.getppid())
    cpu.sample(os.getpid())
    _burn(0.1)
    cpu.sample(os.getpid())
    report = cpu.report(0.0)
    assert report is not None
    assert report.pid == os.getpid()
    assert 0.05 <= report.cpu_s <= (cpu_s_of(os.getpid()) or 0.0)
    assert not report.HasField("lag_p99_s")


async def _noticed(meter: RigMeter, lag_s: float) -> None:
    while meter.report(0.0).lag_max_s < lag_s:  # noqa: ASYNC110 - a meter has no event
        await asyncio.sleep(0.005)


def _burn(cpu_s: float) -> float:
    """Take so much processor time; the time that passed is returned."""
    began_s, from_s = time.monotonic(), time.process_time()
    while time.process_time() - from_s < cpu_s:
        pass
    return time.monotonic() - began_s


def test_a_wall_clock_that_is_set_shows_whichever_way_and_also_when_it_is_set_back_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    true, set_by_s = time.time, [0.0]

    async def scenario() -> None:
        meter = RigMeter("node-1", settling_s=0.0)
        meter.start()
        since_s = time.time()
        assert meter.report(since_s).clock_step_s < 0.01
        for each_s in (-3600.0, 0.0):
            set_by_s[0] = each_s
            _burn(1.1)  # a second of its own, over when it is noticed
            await asyncio.sleep(0.1)
        report = meter.report(since_s)
        meter.stop()
        assert report.clock_step_s == pytest.approx(3600, abs=0.1)

    monkeypatch.setattr(time, "time", lambda: true() + set_by_s[0])
    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_reading_in_whose_midst_the_processor_was_lost_is_not_taken_for_a_step() -> None:
    now = [100.0]
    pauses_s = iter([0.3, 0.2, 0.0001, 0.5])

    def monotonic() -> float:
        return now[0]

    def wall() -> float:
        read_s = now[0] + 1_000.0
        now[0] += next(pauses_s)
        return read_s

    assert wall_offset_s(monotonic=monotonic, wall=wall) == pytest.approx(1_000.0, abs=1e-3)
    assert moved_s([1.0, 1.5, 0.75]) == 0.75
    assert moved_s([]) == 0.0
