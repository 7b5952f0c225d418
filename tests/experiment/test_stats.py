import math
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.experiment.stats import (
    binomial_cdf,
    binomial_range,
    bootstrap,
    distribution,
    exact_binomial,
    quantile,
    wilson,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_both_intervals_hold_the_share_and_stay_within_0_and_1(count: tuple[int, int]) -> None:
    successes, total = count
    for interval in (wilson(successes, total), exact_binomial(successes, total)):
        assert 0 <= interval.low <= successes / total <= interval.high <= 1


@given(counts)
def test_the_distribution_function_is_the_sum_of_the_binomials(count: tuple[int, int]) -> None:
    successes, total = count
    share = 0.3
    terms = [
        math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(successes + 1)
    ]
    assert binomial_cdf(successes, total, share) == pytest.approx(math.fsum(terms), abs=1e-9)


def test_intervals_are_those_of_the_textbooks() -> None:
    assert exact_binomial(9, 10).low == pytest.approx(0.5550, abs=1e-4)
    assert exact_binomial(9, 10).high == pytest.approx(0.9975, abs=1e-4)
    assert exact_binomial(0, 10).high == pytest.approx(1 - 0.025**0.1, abs=1e-9)
    assert wilson(9, 10).low == pytest.approx(0.5958, abs=1e-4)
    assert wilson(0, 0).high == 1


def test_the_exact_interval_covers_as_often_as_it_says() -> None:
    total = 40
    for share in (0.01, 0.1, 0.333, 0.5, 0.9):
        covered = sum(
            binomial_cdf(k, total, share) - binomial_cdf(k - 1, total, share)
            for k in range(total + 1)
            if share in exact_binomial(k, total)
        )
        assert covered >= 0.95


@given(st.integers(1, 500), st.floats(0.01, 0.99))
def test_a_binomial_range_holds_the_confidence(total: int, share: float) -> None:
    low, high = binomial_range(total, share)
    inside = binomial_cdf(high, total, share) - binomial_cdf(low - 1, total, share)
    assert inside >= 0.95 - 1e-9


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 0.99))
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(values: list[float], q: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, q)
    assert found in ordered
    assert sum(v <= found for v in ordered) >= q * len(ordered) - 1e-6
    assert sum(v < found for v in ordered) < q * len(ordered) + 1e-6


def test_the_median_of_two_is_the_lower_and_p99_of_a_hundred_the_ninety_ninth() -> None:
    assert quantile([1, 2], 0.5) == 1
    assert quantile([float(n) for n in range(1, 101)], 0.99) == 99
    assert quantile([float(n) for n in range(1, 1001)], 0.999) == 999


def test_a_bootstrap_is_the_same_for_the_same_stream_and_brackets_the_statistic() -> None:
    values = [Random(1).gauss(10, 2) for _ in range(1)] + [
        Random(n).gauss(10, 2) for n in range(50)
    ]
    one, other = (bootstrap(values, median, rng=Random("a")) for _ in range(2))
    assert one == other
    assert one.low <= median(values) <= one.high


def test_a_bootstrap_covers_the_true_median_in_most_samples() -> None:
    rng = Random(5)
    samples = [[rng.gauss(0, 1) for _ in range(25)] for _ in range(100)]
    held = sum(0.0 in bootstrap(s, median, rng=rng, resamples=200) for s in samples)
    assert held >= 85


def test_a_distribution_of_one_trial_is_that_trial() -> None:
    found = distribution([3.0], rng=Random(1))
    assert (found.median, found.low, found.high, found.stddev) == (3, 3, 3, 0)
    assert (found.confidence.low, found.confidence.high) == (3, 3)


def test_nothing_has_no_quantile_bootstrap_or_distribution() -> None:
    for ask in (
        lambda: quantile([], 0.5),
        lambda: bootstrap([], median, rng=Random(1)),
        lambda: distribution([], rng=Random(1)),
        lambda: wilson(3, 2),
    ):
        with pytest.raises(ValueError):
            ask()
