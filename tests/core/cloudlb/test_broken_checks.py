"""Broken health checkers, on virtual time."""

from __future__ import annotations

from emucluster.core.cloudlb.broken_checks import BrokenChecks
from emucluster.core.cloudlb.commands import SendProbe


def check(number: int) -> SendProbe:
    return SendProbe(number, "node-1", "127.16.0.1", 30080, "tcp", "/", 1.0, 1.0)


def test_a_blind_checker_sends_nothing_and_catches_up_when_it_sees_again() -> None:
    faults = BrokenChecks()
    assert not faults.holds(check(1))
    faults.blind("blind-1")
    assert [faults.holds(check(number)) for number in (2, 3)] == [True, True]
    assert faults.take_held() == []
    faults.end("blind-1")
    assert faults.take_held() == [check(2), check(3)]
    assert not faults.holds(check(4))
    assert faults.take_held() == []


def test_it_stays_blind_until_the_last_such_fault_has_ended() -> None:
    faults = BrokenChecks()
    faults.blind("blind-1")
    faults.blind("blind-2")
    assert faults.holds(check(1))
    faults.end("blind-1")
    assert faults.take_held() == []
    assert faults.holds(check(2))
    faults.end("blind-2")
    assert faults.take_held() == [check(1), check(2)]


def test_checks_of_a_life_before_are_not_sent_later() -> None:
    faults = BrokenChecks()
    faults.blind("blind-1")
    faults.holds(check(1))
    faults.forget_held()
    faults.end("blind-1")
    assert faults.take_held() == []


def test_a_lying_checker_says_the_same_of_everybody_until_it_ends() -> None:
    faults = BrokenChecks()
    assert faults.told("passed") == "passed"
    faults.lie("lying-1", says_healthy=False)
    assert [faults.told("passed"), faults.told("timeout")] == ["refused", "refused"]
    faults.lie("lying-2", says_healthy=True)
    assert faults.told("timeout") == "passed", "the one that began last"
    faults.end("lying-2")
    assert faults.told("passed") == "refused"
    faults.end("lying-1")
    assert faults.told("timeout") == "timeout"
