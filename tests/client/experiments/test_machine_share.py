"""How busy the whole machine was, so that a run limited by others on it can be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from emucluster.client.experiments.rig_sampler import busy_share, machine_ticks


def test_the_share_is_what_was_used_between_two_looks() -> None:
    assert busy_share((100, 1000), (150, 1100)) == 0.5


def test_nothing_is_said_without_two_looks_or_time_between() -> None:
    assert busy_share(None, (1, 2)) is None
    assert busy_share((1, 2), None) is None
    assert busy_share((1, 2), (1, 2)) is None


def test_this_machine_tells_ticks_that_never_go_back() -> None:
    before, after = machine_ticks(), machine_ticks()
    assert before is not None
    assert after is not None
    assert before[0] <= before[1] <= after[1]


def test_programs_that_step_aside_take_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    #              user nice system idle iowait irq softirq steal
    stat = "cpu  100 900 20 70 10 0 3 7 0 0\ncpu0 1 2 3\n"
    monkeypatch.setattr(Path, "read_text", lambda self: stat)
    assert machine_ticks() == (130, 1110)
