"""A component that tells of one object again and again is heard less and less."""

from __future__ import annotations

from emucluster.core.controllers.spam_filter import BURST, REMEMBERED, SpamFilter
from emucluster.core.durations import Speed
from emucluster.core.objects import Event, EventSource, ObjectReference

REFILL_S = 300.0


def event(name: str = "p", *, host: str = "node-1", reason: str = "Unhealthy") -> Event:
    about = ObjectReference(kind="Pod", namespace="default", name=name, uid=f"uid-{name}")
    source = EventSource(component="kubelet", host=host)
    return Event(involved_object=about, reason=reason, source=source)


def accepted(spam: SpamFilter, *, now_s: float, tries: int = 100) -> int:
    return sum(spam.accepts(event(), now_s=now_s) for _ in range(tries))


def test_a_burst_goes_through_and_then_one_in_five_minutes() -> None:
    spam = SpamFilter()
    assert accepted(spam, now_s=0) == BURST
    assert accepted(spam, now_s=REFILL_S - 1) == 0
    assert accepted(spam, now_s=REFILL_S) == 1
    assert accepted(spam, now_s=REFILL_S * 4) == 3
    assert accepted(spam, now_s=REFILL_S * 1000) == BURST


def test_the_rate_grows_with_the_speed_and_the_burst_does_not() -> None:
    spam = SpamFilter(Speed(10))
    assert accepted(spam, now_s=0) == BURST
    assert accepted(spam, now_s=REFILL_S / 10) == 1


def test_reasons_share_what_other_objects_and_other_sources_do_not() -> None:
    spam = SpamFilter()
    assert accepted(spam, now_s=0) == BURST
    assert not spam.accepts(event(reason="BackOff"), now_s=0)
    assert spam.accepts(event("q"), now_s=0)
    assert spam.accepts(event(host="node-2"), now_s=0)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    spam = SpamFilter()
    assert accepted(spam, now_s=1000, tries=BURST - 1) == BURST - 1
    assert accepted(spam, now_s=0) == 1


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    spam = SpamFilter()
    assert accepted(spam, now_s=0) == BURST
    for number in range(REMEMBERED - 1):
        spam.accepts(event(f"other-{number}"), now_s=0)
    assert accepted(spam, now_s=0) == 0
    for number in range(REMEMBERED):
        spam.accepts(event(f"more-{number}"), now_s=0)
    assert accepted(spam, now_s=0) == BURST
