"""An open loop on virtual time: nothing that was due is ever passed over."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from emucluster.live.load.pacer import Due, OpenLoop


def loop(offsets: Iterable[float], *, slots: int = 2, within_s: float = 1.0) -> OpenLoop:
    return OpenLoop(iter(offsets), start_s=100.0, max_in_flight=slots, start_within_s=within_s)


def test_calls_begin_when_they_are_due_whether_or_not_others_are_answered() -> None:
    pacer = loop([0.0, 0.5, 0.6], slots=9)
    assert pacer.next_wake_s() == 100.0
    assert pacer.wake(100.0) == Due(begin=[100.0])
    assert pacer.next_wake_s() == 100.5
    assert pacer.wake(100.7) == Due(begin=[100.5, 100.6])
    assert pacer.in_flight == 3
    assert pacer.next_wake_s() == math.inf


def test_beyond_the_bound_calls_wait_and_keep_their_intended_start() -> None:
    pacer = loop([0.0, 0.1, 0.2])
    assert pacer.wake(100.25) == Due(begin=[100.0, 100.1])
    assert pacer.ended()
    assert pacer.wake(100.6) == Due(begin_delayed=[100.2])
    assert not pacer.ended()


def test_what_waited_too_long_for_a_slot_is_given_up_and_told() -> None:
    pacer = loop([0.0, 0.1, 0.2, 0.3], slots=1)
    pacer.wake(100.3)
    assert pacer.next_wake_s() > 101.1
    assert pacer.wake(pacer.next_wake_s()) == Due(expired_waiting=[100.1])
    pacer.ended()
    assert pacer.wake(101.25) == Due(expired_waiting=[100.2], begin_delayed=[100.3])


def test_where_nothing_waits_a_call_beyond_the_bound_is_given_up_at_once() -> None:
    pacer = OpenLoop(
        iter([0.0, 0.1, 0.5]), start_s=100.0, max_in_flight=1, start_within_s=1.0, waits=False
    )
    assert pacer.wake(100.2) == Due(begin=[100.0], expired_waiting=[100.1])
    assert not pacer.ended()
    assert pacer.wake(100.5) == Due(begin=[100.5])


def test_what_nobody_looked_after_in_time_is_the_generators_own_fault() -> None:
    pacer = loop([0.0, 0.5, 2.0])
    assert pacer.wake(102.0) == Due(expired_late=[100.0, 100.5], begin=[102.0])


def test_stopping_hands_back_what_was_waiting_and_nothing_is_due_any_more() -> None:
    pacer = loop([0.0, 0.1, 0.2, 5.0], slots=1)
    pacer.wake(100.2)
    assert pacer.stop() == [100.1, 100.2]
    assert pacer.next_wake_s() == math.inf
    assert pacer.wake(200.0) == Due()


@given(
    st.lists(st.floats(0.0, 0.5), max_size=60),
    st.integers(1, 4),
    st.integers(0, 999),
    st.floats(0, 2),
)
def test_every_call_is_begun_or_told_once_and_the_bound_holds(
    gaps: list[float], slots: int, seed: int, within_s: float
) -> None:
    due_s, at_s = [], 0.0
    for gap_s in gaps:
        at_s += gap_s
        due_s.append(at_s)
    rng, now_s, seen = Random(seed), 100.0, []
    pacer = loop(due_s, slots=slots, within_s=within_s)
    while pacer.next_wake_s() < math.inf or pacer.in_flight:
        wake_s = pacer.next_wake_s()
        now_s = max(now_s, wake_s if wake_s < math.inf else now_s) + rng.choice([0.0, 0.1, 3.0])
        due = pacer.wake(now_s)
        seen += due.begin + due.begin_delayed + due.expired_waiting + due.expired_late
        assert pacer.in_flight <= slots
        for _ in range(rng.randint(0, pacer.in_flight)):
            pacer.ended()
    assert sorted(seen) == sorted(100.0 + offset for offset in due_s)
