import pytest

from emucluster.experiment.ledger import Ask, Clear, Ledger, List
from emucluster.experiment.lifecycle import (
    Acknowledged,
    Listed,
    Observed,
    Refused,
    Restarted,
    State,
    Triggered,
)
from emucluster.experiment.plan import Plan, expand

from .build import experiment, topology

T0 = 1000.0
ID = "freeze.0"
NODE = "node/node-1"


def plan(**fields: object) -> Plan:
    """node-1 freezes from 12 s to 17 s."""
    fault = {"kind": "freeze", "target": NODE, "at": "2s", "for": "5s", **fields}
    return expand(experiment(fault), topology(), 1)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(plan(), start_s=T0)


def acknowledge(ledger: Ledger, at_s: float, attempt: int = 1) -> None:
    ledger.handle(Acknowledged(at_s=T0 + at_s, id=ID, attempt=attempt, mechanism="imitated"))


def observe(ledger: Ledger, at_s: float) -> None:
    ledger.handle(Observed(at_s=T0 + at_s, id=ID, by="client/users", what="calls hang"))


def listed(ledger: Ledger, at_s: float, *in_force: str, asked_s: float | None = None) -> None:
    asked_s = at_s if asked_s is None else asked_s
    ledger.handle(Listed(at_s=T0 + at_s, target=NODE, asked_s=T0 + asked_s, in_force=in_force))


def wake(ledger: Ledger, at_s: float) -> list[object]:
    return list(ledger.wake(now_s=T0 + at_s))


def test_a_fault_goes_from_planned_to_clean(ledger: Ledger) -> None:
    states = [ledger.state(ID)]
    wake(ledger, 12)
    states.append(ledger.state(ID))
    acknowledge(ledger, 12.1)
    states.append(ledger.state(ID))
    observe(ledger, 12.5)
    states.append(ledger.state(ID))
    assert wake(ledger, 17) == [List(NODE, T0 + 17)]
    listed(ledger, 17.1)
    states.append(ledger.state(ID))
    assert states == [
        State.PLANNED, State.ASKED, State.ACKNOWLEDGED, State.OBSERVED, State.CLEAN,
    ]  # fmt: skip
    assert ledger.invalid_reasons() == []
    (record,) = ledger.records()
    assert (record.ended_by, record.ended_s, record.mechanism) == ("expiry", T0 + 17, "imitated")


def test_it_is_asked_for_when_it_is_due_and_for_what_is_left_of_its_time(ledger: Ledger) -> None:
    assert ledger.next_wake_s() == T0 + 12
    assert wake(ledger, 11.9) == []
    (ask,) = wake(ledger, 13)
    assert isinstance(ask, Ask)
    assert (ask.for_s, ask.until_s, ask.attempt) == (4, T0 + 17, 1)


def test_without_an_answer_it_is_asked_for_again_with_the_same_id_and_end(ledger: Ledger) -> None:
    wake(ledger, 12)
    assert wake(ledger, 12.4) == []
    (ask,) = wake(ledger, 12.5)
    assert isinstance(ask, Ask)
    assert (ask.entry.id, ask.attempt, ask.until_s) == (ID, 2, T0 + 17)
    acknowledge(ledger, 12.6)
    assert wake(ledger, 14) == []


def test_nothing_is_asked_for_after_its_end(ledger: Ledger) -> None:
    assert wake(ledger, 17) == []
    assert ledger.next_wake_s() is None
    assert ledger.invalid_reasons() == [
        f"freeze: freeze on {NODE} was never asked for: the run ended before"
    ]


def test_what_is_acknowledged_and_seen_by_nobody_else_makes_the_run_invalid(
    ledger: Ledger,
) -> None:
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    wake(ledger, 17)
    listed(ledger, 17.1)
    assert ledger.is_clean
    assert ledger.invalid_reasons() == [
        f"freeze: freeze on {NODE} was acknowledged, and nobody but its target saw it"
    ]


def test_a_target_bears_no_witness_to_its_own_fault(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="cannot bear witness"):
        ledger.handle(Observed(at_s=T0 + 12, id=ID, by=NODE))


def test_what_was_seen_needs_no_acknowledgement(ledger: Ledger) -> None:
    wake(ledger, 12)
    observe(ledger, 13)
    wake(ledger, 19)
    listed(ledger, 19.5)
    assert ledger.invalid_reasons() == []


def test_a_refusal_makes_the_run_invalid_with_the_reason(ledger: Ledger) -> None:
    wake(ledger, 12)
    ledger.handle(Refused(at_s=T0 + 12.1, id=ID, attempt=1, error="no such node"))
    assert ledger.invalid_reasons() == [f"freeze: freeze on {NODE} was refused: no such node"]


def test_what_does_not_end_by_itself_is_cleared_and_told(ledger: Ledger) -> None:
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    observe(ledger, 12.5)
    wake(ledger, 18.5)
    listed(ledger, 18.6, ID, asked_s=18.5)
    assert wake(ledger, 19) == [Clear(ID, NODE), List(NODE, T0 + 19)]
    listed(ledger, 19.1)
    assert ledger.is_clean
    assert ledger.invalid_reasons() == [f"freeze: freeze on {NODE} did not end by itself"]


def test_a_stopped_run_rolls_back_until_the_target_is_seen_without_it(ledger: Ledger) -> None:
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    ledger.stop(now_s=T0 + 13)
    both = [Clear(ID, NODE), List(NODE, T0 + 13)]
    assert list(ledger.rollback(now_s=T0 + 13)) == both
    assert wake(ledger, 13) == both
    assert wake(ledger, 13.2) == []
    listed(ledger, 13.3, ID, asked_s=13)
    assert not ledger.is_clean
    assert wake(ledger, 13.5) == [Clear(ID, NODE), List(NODE, T0 + 13.5)]
    listed(ledger, 13.6, asked_s=13.5)
    assert ledger.is_clean
    assert ledger.rollback(now_s=T0 + 14) == []


def test_an_ask_without_answer_may_still_arrive_so_a_list_before_it_proves_nothing(
    ledger: Ledger,
) -> None:
    wake(ledger, 12)
    ledger.stop(now_s=T0 + 12.1)
    listed(ledger, 13, asked_s=12.2)
    assert not ledger.is_clean
    listed(ledger, 14.2, asked_s=14.1)
    assert ledger.is_clean


def test_a_list_asked_for_before_the_fault_does_not_tell_of_it() -> None:
    ledger = Ledger(plan(follow="instance"), start_s=T0)
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    listed(ledger, 12.2, asked_s=11.9)
    assert ledger.state(ID) == State.ACKNOWLEDGED


def test_a_fault_that_follows_the_identity_is_put_on_its_restarted_target_again() -> None:
    ledger = Ledger(plan(follow="identity"), start_s=T0)
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    ledger.handle(Restarted(at_s=T0 + 14, target=NODE))
    (ask,) = wake(ledger, 14)
    assert isinstance(ask, Ask)
    assert (ask.attempt, ask.for_s, ask.until_s) == (2, 3, T0 + 17)


def test_a_fault_that_follows_the_instance_ends_with_it() -> None:
    ledger = Ledger(plan(follow="instance"), start_s=T0)
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    observe(ledger, 12.2)
    ledger.handle(Restarted(at_s=T0 + 14, target=NODE))
    assert not any(isinstance(command, Ask) for command in wake(ledger, 14))
    listed(ledger, 14.1, asked_s=14)
    (record,) = ledger.records()
    assert (record.ended_by, record.ended_s) == ("target-gone", T0 + 14)
    assert ledger.is_clean
    assert ledger.invalid_reasons() == []


def test_a_triggered_fault_begins_with_its_trigger_and_ends_with_the_inject_phase() -> None:
    fault = {"kind": "freeze", "target": NODE, "trigger": {"after": 9}, "for": "5s"}
    ledger = Ledger(expand(experiment(fault), topology(), 1), start_s=T0)
    assert ledger.next_wake_s() is None
    assert [entry.id for entry in ledger.waiting()] == [ID]
    ledger.handle(Triggered(at_s=T0 + 18, id=ID))
    (ask,) = wake(ledger, 18)
    assert isinstance(ask, Ask)
    assert ask.until_s == T0 + 20


def test_a_trigger_that_never_comes_makes_the_run_invalid() -> None:
    fault = {"kind": "freeze", "target": NODE, "trigger": {"after": 9}, "for": "5s"}
    ledger = Ledger(expand(experiment(fault), topology(), 1), start_s=T0)
    ledger.handle(Triggered(at_s=T0 + 20.5, id=ID))
    assert ledger.invalid_reasons() == [
        f"freeze: freeze on {NODE} never began: fewer than 9 calls ended in the inject phase"
    ]


def test_a_repeated_acknowledgement_changes_nothing(ledger: Ledger) -> None:
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    before = ledger.records()
    acknowledge(ledger, 13)
    assert ledger.records() == before
