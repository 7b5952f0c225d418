"""When calls are due, on no clock at all."""

from __future__ import annotations

import math
from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.live.load.schedule import Segment, arrivals, evenly, poisson, thinking, turns

rates = st.floats(0.0, 200.0)
segments = st.lists(st.builds(Segment, st.floats(0.1, 10.0), rates, rates), min_size=1, max_size=4)


def constant(rate: float, duration_s: float = math.inf) -> list[Segment]:
    return [Segment(duration_s, rate, rate)]


def test_a_constant_rate_is_evenly_spaced_from_the_start_on() -> None:
    assert list(arrivals(constant(4.0, 1.0), evenly())) == pytest.approx([0, 0.25, 0.5, 0.75])


def test_a_rate_without_end_goes_on() -> None:
    assert list(islice(arrivals(constant(10.0), evenly()), 1000, 1001)) == pytest.approx([100.0])


def test_a_ramp_is_due_where_the_area_under_the_rate_passes_whole_numbers() -> None:
    ramp = [Segment(10.0, 0.0, 10.0)]  # t^2 / 2 calls by t
    assert list(arrivals(ramp, evenly())) == pytest.approx([math.sqrt(2 * n) for n in range(50)])


def test_a_ramp_down_to_nothing_and_a_silent_stretch_pass_into_the_next_segment() -> None:
    profile = [Segment(2.0, 2.0, 0.0), Segment(5.0, 0.0, 0.0), Segment(1.0, 2.0, 2.0)]
    assert list(arrivals(profile, evenly())) == pytest.approx([0, 2 - math.sqrt(2), 7.0, 7.5])


def test_a_rate_of_nothing_without_end_is_no_call_at_all() -> None:
    assert list(arrivals(constant(0.0), evenly())) == []


@pytest.mark.parametrize("make", [evenly, lambda: poisson(Random(7))])
def test_clients_on_any_generators_have_the_turns_that_they_have_on_one(make) -> None:
    whole = list(arrivals(constant(10.0, 3.0), make()))
    for homes in ([{0, 1, 2}], [{0, 2}, {1}], [{0}, {1}, {2}]):
        parts = [list(arrivals(constant(10.0, 3.0), turns(make(), home, 3))) for home in homes]
        assert sorted(at_s for part in parts for at_s in part) == whole
        for home, part in zip(homes, parts, strict=True):
            assert part == [at_s for number, at_s in enumerate(whole) if number % 3 in home]


@given(segments, st.integers(0, 99))
def test_arrivals_never_decrease_and_lie_within_the_profile(
    profile: list[Segment], seed: int
) -> None:
    end_s = sum(segment.duration_s for segment in profile)
    for marks in (evenly(), poisson(Random(seed))):
        due = list(arrivals(profile, marks))
        assert all(earlier <= later + 1e-9 for earlier, later in pairwise(due))
        assert all(0 <= at_s <= end_s + 1e-9 for at_s in due)


@given(segments)
def test_evenly_spaced_calls_are_as_many_as_the_area_under_the_rate(profile: list[Segment]) -> None:
    area = sum(segment.calls for segment in profile)
    assert abs(len(list(arrivals(profile, evenly()))) - area) <= 1


def test_poisson_counts_have_the_mean_and_the_variance_of_poisson() -> None:
    # 2,000 independent seconds at 20/s: mean and variance are both 20. Five standard errors of the
    # mean are 0.5, of the variance about 3.2; the seed is fixed.
    due = list(arrivals(constant(20.0, 2000.0), poisson(Random("load/web/1/arrivals"))))
    counts = [0] * 2000
    for at_s in due:
        counts[int(at_s)] += 1
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
    assert abs(mean - 20) < 0.5
    assert abs(variance - 20) < 3.2


def test_the_same_stream_has_the_same_arrivals_and_another_has_others() -> None:
    def first(name: str) -> list[float]:
        return list(arrivals(constant(50.0, 2.0), poisson(Random(name))))

    assert first("7/load/a/1/arrivals") == first("7/load/a/1/arrivals")
    assert first("7/load/a/1/arrivals") != first("7/load/b/1/arrivals")


def test_thinking_is_the_same_pause_or_exponential_about_it() -> None:
    assert list(islice(thinking(0.5, None), 3)) == [0.5, 0.5, 0.5]
    drawn = list(islice(thinking(0.5, Random(1)), 4000))
    assert abs(sum(drawn) / len(drawn) - 0.5) < 0.04
    assert list(islice(thinking(0.0, Random(1)), 2)) == [0.0, 0.0]
