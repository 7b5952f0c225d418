"""What delay, jitter and distribution of a fault mean."""

from __future__ import annotations

import random
import statistics

import pytest

from emucluster.core.faults.delay import Delay


def draws(delay: Delay, count: int = 20_000) -> list[float]:
    rng = random.Random(1)
    return [delay.draw_s(rng) for _ in range(count)]


@pytest.mark.parametrize("distribution", ["constant", "uniform", "normal", "pareto"])
def test_without_jitter_every_distribution_is_constant(distribution: str) -> None:
    assert set(draws(Delay(0.2, 0.0, distribution), 10)) == {0.2}


def test_constant_takes_no_notice_of_jitter() -> None:
    assert set(draws(Delay(0.2, 0.1, "constant"), 10)) == {0.2}


def test_uniform_stays_within_jitter_and_centres_on_the_delay() -> None:
    found = draws(Delay(0.2, 0.1, "uniform"))
    assert 0.1 <= min(found) < 0.101
    assert 0.299 < max(found) <= 0.3
    assert statistics.mean(found) == pytest.approx(0.2, rel=0.01)


def test_normal_has_jitter_for_sigma() -> None:
    found = draws(Delay(0.2, 0.02, "normal"))
    assert statistics.mean(found) == pytest.approx(0.2, rel=0.01)
    assert statistics.stdev(found) == pytest.approx(0.02, rel=0.05)


def test_pareto_is_never_below_the_delay_and_has_a_long_tail() -> None:
    found = draws(Delay(0.2, 0.1, "pareto"))
    assert min(found) >= 0.2
    assert statistics.mean(found) == pytest.approx(0.25, rel=0.03)
    assert max(found) > 0.2 + 10 * 0.1


def test_no_draw_is_negative() -> None:
    assert min(draws(Delay(0.01, 0.1, "normal"))) == 0.0


def test_a_kind_without_distribution_is_uniform() -> None:
    assert Delay.of({"delay": 0.2, "jitter": 0.1}) == Delay(0.2, 0.1, "uniform")
