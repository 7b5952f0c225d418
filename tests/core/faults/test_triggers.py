"""Which calls a fault hits, counted exactly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.faults.triggers import Trigger, late_by_s


def hits(trigger: Trigger, calls: int, seed: int = 1) -> list[int]:
    """The numbers, from 1, of the calls that are hit."""
    rng = random.Random(seed)
    return [number for number in range(1, calls + 1) if trigger.hits(rng)]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ({"after": 3}, [4, 5, 6, 7, 8, 9, 10]),
        ({"every": 4}, [1, 5, 9]),
        ({"after": 3, "every": 2}, [4, 6, 8, 10]),
        ({"times": 2}, [1, 2]),
        ({"after": 1, "every": 3, "times": 2}, [2, 5]),
        ({"share": 0.0}, []),
    ],
)
def test_calls_are_hit_by_their_number(params: dict[str, float], expected: list[int]) -> None:
    assert hits(Trigger.of(params), 10) == expected


@given(
    after=st.integers(0, 20),
    every=st.integers(1, 7),
    times=st.none() | st.integers(1, 20),
    share=st.floats(0, 1),
    seed=st.integers(),
)
def test_chance_chooses_only_among_calls_that_the_count_allows(
    after: int, every: int, times: int | None, share: float, seed: int
) -> None:
    trigger = Trigger(after=after, every=every, times=times, share=share)
    struck = hits(trigger, 100, seed)
    assert all(number > after and (number - after - 1) % every == 0 for number in struck)
    assert trigger.seen == 100
    assert trigger.hit == len(struck) <= (100 if times is None else times)


def test_a_share_of_the_calls_is_hit() -> None:
    struck = hits(Trigger(share=0.3), 10_000)
    assert 2_800 < len(struck) < 3_200


def test_two_faults_count_each_for_itself() -> None:
    one, other = Trigger(times=1), Trigger(after=2)
    rng = random.Random(1)
    struck = [(one.hits(rng), other.hits(rng)) for _ in range(4)]
    assert struck == [(True, False), (False, False), (False, True), (False, True)]


@given(delay=st.floats(0, 10), jitter=st.floats(0, 10), seed=st.integers())
def test_an_answer_is_late_by_the_delay_give_or_take_the_jitter(
    delay: float, jitter: float, seed: int
) -> None:
    late_s = late_by_s({"delay": delay, "jitter": jitter}, random.Random(seed))
    assert max(0.0, delay - jitter) <= late_s <= delay + jitter


def test_without_jitter_the_delay_is_exact() -> None:
    assert late_by_s({"delay": 0.2}, random.Random(1)) == 0.2
