import pytest
from msgspec.structs import replace

from emucluster.experiment.ledger import Ask, Clear, Ledger, List
from emucluster.experiment.lifecycle import (
    Acknowledged,
    Asked,
    Listed,
    LookedFor,
    Observed,
    Refused,
    Restarted,
    SeenOver,
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


def test_the_record_of_a_link_tells_from_whom() -> None:
    target = {"kind": "link", "from": "node/node-2", "to": NODE}
    found = plan(kind="latency", target=target, params={"delay": "50ms"})
    ledger = Ledger(found, start_s=T0)
    told = {(record.target, record.peers) for record in ledger.records()}
    assert told == {(entry.target, entry.peers) for entry in found.entries}
    assert (NODE, ("node/node-2",)) in told


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


def test_what_others_saw_instead_is_told(ledger: Ledger) -> None:
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    ledger.handle(LookedFor(at_s=T0 + 13, id=ID, what="node/node-2: answered in 1 ms"))
    wake(ledger, 17)
    listed(ledger, 17.1)
    (reason,) = ledger.invalid_reasons()
    assert reason.endswith("nobody but its target saw it: node/node-2: answered in 1 ms")


def test_a_fault_that_only_clients_can_see_is_marked_so() -> None:
    def unwitnessed(**params: object) -> str:
        fault = {"kind": "error-rate", "target": "pod/default/web-x4", "params": params}
        (entry,) = expand(experiment(fault), topology(), 1).entries
        ledger = Ledger(replace(plan(), entries=(entry,)), start_s=T0)
        return ledger.records()[0].unwitnessed

    assert unwitnessed() == ""
    assert unwitnessed(every=3).startswith("left to clients: ")


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


def test_a_fault_that_is_over_at_once_is_done_once_and_ended_by_itself() -> None:
    fault = {"kind": "crash", "target": "pod/default/web-x1", "at": "2s", "for": "5s"}
    ledger = Ledger(expand(experiment(fault), topology(), 1), start_s=T0)
    (ask,) = ledger.wake(now_s=T0 + 12)
    assert isinstance(ask, Ask)
    assert ask.entry.follow == "instance"
    ledger.handle(Acknowledged(at_s=T0 + 12.1, id="crash.0", attempt=1))
    ledger.handle(Listed(at_s=T0 + 12.2, target=ask.entry.target, asked_s=T0 + 12.15))

    (record,) = ledger.records()
    assert (record.ended_s, record.ended_by) == (T0 + 12.2, "expiry")
    assert not any(isinstance(c, Ask) for c in ledger.wake(now_s=T0 + 13))


def ended(ledger: Ledger) -> None:
    """Acknowledged, seen, and over by its target's word."""
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    observe(ledger, 12.5)
    wake(ledger, 17)
    listed(ledger, 17.1)


def seen_over(ledger: Ledger, at_s: float, end: str, what: str = "") -> None:
    ledger.handle(SeenOver(at_s=T0 + at_s, id=ID, end=end, by="node/node-2", what=what))


def test_others_than_the_target_are_to_see_its_end(ledger: Ledger) -> None:
    assert ledger.unseen_ends() == []
    ended(ledger)
    assert [entry.id for entry in ledger.unseen_ends()] == [ID]
    assert ledger.may_yet_be_seen_over(now_s=T0 + 18)
    seen_over(ledger, 17.5, "gone", "answered in 1 ms")
    assert ledger.unseen_ends() == []
    assert not ledger.may_yet_be_seen_over(now_s=T0 + 18)
    assert ledger.invalid_reasons() == []
    (record,) = ledger.records()
    assert (record.gone_s, record.gone_by) == (T0 + 17.5, "node/node-2")


def test_an_effect_that_is_still_seen_when_its_target_calls_it_over_makes_the_run_invalid(
    ledger: Ledger,
) -> None:
    ended(ledger)
    assert ledger.is_clean, "by its target's word"
    seen_over(ledger, 18, "there", "node/node-2: accepts, and does not answer")
    assert ledger.invalid_reasons() == [
        f"freeze: freeze on {NODE} was over by its target's word, and still seen by others: "
        "node/node-2: accepts, and does not answer"
    ]
    seen_over(ledger, 19, "unknown", "nobody could look")
    assert len(ledger.invalid_reasons()) == 1, "what was seen is not unsaid by who cannot look"
    seen_over(ledger, 20, "gone", "answered in 1 ms")
    assert ledger.invalid_reasons() == []
    (record,) = ledger.records()
    assert (record.ended_s, record.gone_s) == (T0 + 17, T0 + 20), "and how late is recorded"


def test_an_end_that_nobody_could_see_is_told_as_such(ledger: Ledger) -> None:
    ended(ledger)
    seen_over(ledger, 18, "unknown", "nobody else can look")
    assert ledger.invalid_reasons() == []
    (record,) = ledger.records()
    assert (record.gone_s, record.gone_what) == (None, "nobody else can look")


def test_what_is_still_seen_is_waited_for_as_long_as_it_may_last_and_once_more_after_the_stop(
    ledger: Ledger,
) -> None:
    ended(ledger)
    assert ledger.may_yet_be_seen_over(now_s=T0 + 21), "nobody has looked yet"
    seen_over(ledger, 17.5, "unknown", "nobody else can look")
    assert not ledger.may_yet_be_seen_over(now_s=T0 + 21), "nobody can tell: left at that"
    seen_over(ledger, 18, "there", "no answer")
    assert ledger.may_yet_be_seen_over(now_s=T0 + 21)
    assert not ledger.may_yet_be_seen_over(now_s=T0 + 23)
    ledger.stop(now_s=T0 + 40)
    assert ledger.may_yet_be_seen_over(now_s=T0 + 45)
    assert not ledger.may_yet_be_seen_over(now_s=T0 + 47)


def test_a_fault_that_is_asked_for_again_is_to_be_seen_over_again() -> None:
    ledger = Ledger(plan(), start_s=T0)
    ended(ledger)
    seen_over(ledger, 17.5, "gone")
    ledger.handle(Asked(at_s=T0 + 18, id=ID, attempt=2))
    listed(ledger, 21, asked_s=20.9)
    assert [entry.id for entry in ledger.unseen_ends()] == [ID]


def test_a_target_bears_no_witness_to_the_end_of_its_fault(ledger: Ledger) -> None:
    ended(ledger)
    with pytest.raises(ValueError, match="cannot bear witness"):
        ledger.handle(SeenOver(at_s=T0 + 18, id=ID, end="gone", by=NODE))


def test_what_went_with_its_target_needs_nobody_to_see_its_end() -> None:
    ledger = Ledger(plan(follow="instance"), start_s=T0)
    wake(ledger, 12)
    acknowledge(ledger, 12.1)
    ledger.handle(Restarted(at_s=T0 + 13, target=NODE))
    listed(ledger, 17.1)
    assert ledger.unseen_ends() == []


POD = "pod/default/web-x1"
POD_ID = "gray.0"


def gray(*others: dict[str, object]) -> Ledger:
    """web-x1 on node-4 is gray from 12 s to 17 s, with `others` in force from 11 s; it was seen."""
    fault = {"kind": "gray", "target": POD, "at": "2s", "for": "5s"}
    faults = [fault, *({"at": "1s", "for": "8s", **other} for other in others)]
    ledger = Ledger(expand(experiment(*faults), topology(), 1), start_s=T0)
    wake(ledger, 11)
    wake(ledger, 12)
    for entry in ledger.plan.entries:
        ledger.handle(Acknowledged(at_s=T0 + 12.1, id=entry.id, attempt=1))
        ledger.handle(Observed(at_s=T0 + 12.2, id=entry.id, by="client/users"))
    return ledger


def without_its_target(ledger: Ledger) -> None:
    """It is listed no more at 14 s, and found to have no target at 14.6 s."""
    ledger.handle(Listed(at_s=T0 + 14, target=POD, asked_s=T0 + 13.9))
    (ask,) = (each for each in wake(ledger, 14.5) if isinstance(each, Ask))
    refused = Refused(
        at_s=T0 + 14.6, id=POD_ID, attempt=ask.attempt, error="is deleted", not_found=True
    )
    ledger.handle(refused)


def test_a_fault_whose_target_somebody_deleted_ends_then_and_proves_nothing() -> None:
    ledger = gray()
    without_its_target(ledger)
    assert not any(isinstance(command, Ask) for command in wake(ledger, 15.5))
    ledger.handle(Listed(at_s=T0 + 15.6, target=POD, asked_s=T0 + 15.5))
    (record,) = ledger.records()
    assert (record.ended_by, record.ended_s) == ("target-gone", T0 + 14)
    assert ledger.is_clean
    (reason,) = ledger.invalid_reasons(nodes={"default/web-x1": "node-4"})
    assert reason == (
        "gray: gray on pod/default/web-x1 ended 3 s before its time: its target was deleted, which "
        "nothing of the plan did"
    )


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "scale", "target": "deployment/web", "params": {"replicas": 1}},
        {"kind": "drain", "target": "node/node-4"},
        {"kind": "power-off", "target": "node/node-4"},
    ],
    ids=lambda other: str(other["kind"]),
)
def test_a_target_that_the_plan_itself_takes_away_is_no_matter(other: dict[str, object]) -> None:
    ledger = gray(other)
    without_its_target(ledger)
    ledger.handle(Listed(at_s=T0 + 15.6, target=POD, asked_s=T0 + 15.5))
    told = ledger.invalid_reasons(nodes={"default/web-x1": "node-4"})
    assert not [reason for reason in told if "gray" in reason]


def test_a_refusal_of_a_repeat_says_nothing_where_the_target_is_only_new() -> None:
    ledger = gray()
    ledger.handle(Listed(at_s=T0 + 14, target=POD, asked_s=T0 + 13.9))
    wake(ledger, 14.5)
    ledger.handle(Refused(at_s=T0 + 14.6, id=POD_ID, attempt=2, error="not that one"))
    ledger.handle(Listed(at_s=T0 + 15.1, target=POD, asked_s=T0 + 15))
    assert any(isinstance(command, Ask) for command in wake(ledger, 15.2))
