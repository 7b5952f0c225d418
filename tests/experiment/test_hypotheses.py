from typing import Any

import pytest

from emucluster.experiment.history import BeliefRecord, History, Members, TruthRecord
from emucluster.experiment.hypotheses import judge
from emucluster.experiment.verdict import EXIT_CODES, Verdict, overall

from .build import END_S, call, executed, experiment, fault, history, steady
from .test_measures import belief, truth


def verdict(
    kind: str, found: History, *, speed: float = 1, clean: bool | None = True, **fields: Any
) -> Verdict:
    (asked,) = experiment(hypotheses=[{"kind": kind, **fields}]).hypotheses
    return judge(asked, found, divisor=speed, clean=clean)


def answer(kind: str, found: History, **fields: Any) -> str:
    return verdict(kind, found, **fields).answer


def lossy(lost: int, of: int, outcome: Any = "failed") -> History:
    every = END_S / of
    return history([call(n * every, outcome if n < lost else "ok") for n in range(of)])


# --- availability --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "of", "wanted"),
    [
        (0, 1000, "pass"),
        (1, 1000, "pass"),
        (2, 1000, "fail"),
        (0, 999, "unknown"),
        (1, 999, "unknown"),
        (50, 100, "fail"),
        (0, 0, "unknown"),
    ],
)
def test_availability_is_unknown_where_one_lost_call_would_decide(
    lost: int, of: int, wanted: str
) -> None:
    found = history() if not of else lossy(lost, of)
    assert answer("availability", found, atLeast="99.9%") == wanted


def test_the_needed_number_of_calls_can_be_set() -> None:
    assert answer("availability", lossy(0, 10), atLeast=0.999, minCalls=10) == "pass"
    assert answer("availability", lossy(0, 10), atLeast=0.999, minCalls=11) == "unknown"


def test_evidence_names_the_calls_and_the_numbers_that_decided() -> None:
    found = verdict("availability", lossy(2, 100, "unknown"), atLeast="99%")
    assert found.evidence.calls == ("users-0", "users-0.4")
    assert found.evidence.numbers["unknown"] == 2
    assert found.evidence.numbers["budget_spent_share"] == pytest.approx(2)
    assert found.asked == "availability at least 99 %"
    assert found.found == "98 %: 2 of 100 calls lost (0 failed, 2 unknown)"


def test_only_the_named_phases_and_group_count() -> None:
    calls = (
        steady(0, 10, outcome="failed")
        + steady(10, 20)
        + steady(10, 20, group="b", outcome="failed")
    )
    found = history(calls)
    assert answer("availability", found, atLeast="99%", over=["inject"], minCalls=1) == "fail"
    (one, two) = experiment(
        workload=[{"name": n, "target": "service/web"} for n in ("users", "b")],
        hypotheses=[
            {"kind": "availability", "atLeast": 0.99, "over": ["inject"], "group": g}
            for g in ("users", "b")
        ],
    ).hypotheses
    assert [judge(h, found, clean=True).answer for h in (one, two)] == ["pass", "fail"]


def test_asked_continuously_every_stretch_must_hold() -> None:
    calls = steady(0, 12, 50) + steady(12, 13, 50, outcome="failed") + steady(13, END_S, 50)
    whole = verdict("availability", history(calls), atLeast="95%")
    parts = verdict("availability", history(calls), atLeast="95%", every="1s", minCalls=20)
    assert (whole.answer, parts.answer) == ("pass", "fail")
    assert [(s.start_s, s.value) for s in parts.evidence.stretches] == [(12, 0)]
    assert parts.asked == "availability at least 95 %, in every 1 s"


# --- latency -------------------------------------------------------------------------------------


def slow(count: int, of: int = 200) -> History:
    return history([call(n / 5, taken_s=0.5 if n < count else 0.01) for n in range(of)])


@pytest.mark.parametrize(("count", "wanted"), [(0, "pass"), (2, "pass"), (3, "fail")])
def test_a_quantile_is_over_its_bound_when_too_many_calls_are(count: int, wanted: str) -> None:
    assert answer("latency", slow(count), quantile="p99", atMost="100ms") == wanted


def test_p99_needs_a_hundred_calls_unless_too_many_are_slow_anyway() -> None:
    assert answer("latency", slow(0, 99), quantile="p99", atMost="100ms") == "unknown"
    assert answer("latency", slow(30, 99), quantile="p99", atMost="100ms") == "fail"
    assert answer("latency", history(), quantile="p50", atMost="1s") == "unknown"


def test_bounds_on_latency_are_never_scaled() -> None:
    assert answer("latency", slow(9), quantile="p99", atMost="1s", speed=100) == "pass"


# --- lost calls ----------------------------------------------------------------------------------


def test_lost_calls_on_old_and_new_connections_are_told_apart() -> None:
    calls = steady(0, 12) + steady(12, 14, outcome="unknown")
    calls += steady(14, END_S, connection_opened_s=14.0)
    found = history(calls, faults=[fault()])
    old = verdict("lost-calls", found, atMost=0, connections="old")
    assert (old.answer, old.value) == ("fail", 20)
    assert answer("lost-calls", found, atMost=0, connections="new") == "pass"
    assert answer("lost-calls", found, atMost=0, outcomes="failed") == "pass"
    assert answer("lost-calls", found, atLeast=21) == "fail"


def test_ages_of_connections_are_unknown_without_a_fault() -> None:
    assert answer("lost-calls", history(steady()), atMost=0, connections="old") == "unknown"


# --- detection and recovery ----------------------------------------------------------------------


def noticed(at_s: float | None = 14.0) -> History:
    beliefs = [] if at_s is None else [belief(at_s, "lease", "out", "node/node-1", service="")]
    return history(steady(), faults=[fault()], beliefs=beliefs)


def test_the_time_to_detect_is_from_the_fault_to_the_first_who_noticed() -> None:
    found = verdict("time-to-detect", noticed(), atMost="2s")
    assert (found.answer, found.value) == ("pass", 2)
    assert found.evidence.stretches[0].what == "node/node-1: lease"
    assert answer("time-to-detect", noticed(), atMost="1.9s") == "fail"


def test_bounds_on_detection_are_scaled_with_the_speed() -> None:
    assert answer("time-to-detect", noticed(), atMost="20s", speed=10) == "pass"
    assert answer("time-to-detect", noticed(), atMost="19s", speed=10) == "fail"


def test_what_nobody_noticed_fails_once_its_time_is_up() -> None:
    assert answer("time-to-detect", noticed(None), atMost="10s") == "fail"
    assert answer("time-to-detect", noticed(None), atMost="60s") == "unknown"
    assert answer("time-to-detect", noticed(), atMost="10s", by="probe") == "unknown"
    assert answer("time-to-detect", history(steady()), atMost="10s") == "unknown"


def test_what_is_noticed_after_the_fault_is_over_has_another_cause() -> None:
    late = verdict("time-to-detect", noticed(19), atMost="5s")
    assert (late.answer, late.value) == ("fail", None)
    assert late.evidence.stretches[0].end_s == 18


def test_a_detector_may_lag_behind_a_short_fault_within_the_bound() -> None:
    assert verdict("time-to-detect", noticed(19), atMost="8s").value == 7
    assert answer("time-to-detect", noticed(21), atMost="8s") == "fail"


def test_a_pod_that_only_starts_is_no_detection() -> None:
    pod = "pod/default/web-new"
    beliefs = [belief(0, "lease", "in", "node/node-1", service=""), belief(14, "probe", "out", pod)]
    found = history(
        steady(), faults=[fault()], beliefs=beliefs, truths=[truth(14, "down", pod, why="starting")]
    )
    told = verdict("time-to-detect", found, atMost="5s").found
    assert told == "1 of 1 not noticed at all (power-off.0)"


def test_of_many_faults_that_nobody_noticed_three_are_named() -> None:
    faults = [fault(id=f"power-off.{number}") for number in range(5)]
    told = verdict("time-to-detect", history(steady(), faults=faults), atMost="5s").found
    assert told == ("5 of 5 not noticed at all (power-off.0, power-off.1, power-off.2 and 2 more)")


def test_shares_have_as_many_digits_as_tell_them_apart() -> None:
    found = verdict("availability", lossy(1, 25_000), atLeast="99.999%")
    assert found.asked == "availability at least 99.999 %"
    assert found.found.startswith("99.996 %: ")


def recovering(until_s: float, end_s: float = END_S) -> History:
    calls = steady(0, 12) + steady(12, until_s, outcome="failed") + steady(until_s, end_s)
    return history(calls, faults=[fault(12, 18)])


def test_recovery_is_when_the_last_call_was_lost() -> None:
    found = verdict("time-to-recover", recovering(22), atMost="10s")
    assert (found.answer, found.value) == ("pass", pytest.approx(9.9))
    assert answer("time-to-recover", recovering(22), atMost="9s") == "fail"
    assert answer("time-to-recover", recovering(22), atMost="4s", since="fault-end") == "pass"
    assert answer("time-to-recover", recovering(12), atMost="0s") == "pass"


def test_recovery_is_unknown_where_nothing_succeeded_after_the_last_lost_call() -> None:
    assert answer("time-to-recover", recovering(40), atMost="60s") == "unknown"
    assert answer("time-to-recover", recovering(40), atMost="20s") == "fail"


def test_the_longest_time_without_success_is_bounded() -> None:
    found = verdict("outage", recovering(22), atMost="11s")
    assert (found.answer, found.value) == ("pass", pytest.approx(10.1))
    assert answer("outage", recovering(22), atMost="10s") == "fail"
    assert answer("outage", recovering(22), atMost="101s", speed=10) == "pass"
    assert answer("outage", history([call(1)]), atMost="10s") == "unknown"


def test_goodput_that_stays_away_is_called_metastable() -> None:
    found = verdict("goodput-recovers", recovering(40), within="5s")
    assert found.answer == "fail"
    assert found.found.startswith("metastable: 0 of 10 calls/s")
    assert answer("goodput-recovers", recovering(22), within="5s") == "pass"
    assert answer("goodput-recovers", recovering(26), within="5s") == "fail"
    assert answer("goodput-recovers", history(steady(0, 12)), within="5s") == "unknown"


# --- what is left, executed, spread and held -----------------------------------------------------


def test_no_fault_is_left_only_if_somebody_looked_and_all_are_clean() -> None:
    clean, left = history(faults=[fault()]), history(faults=[fault(clean_s=None)])
    assert answer("no-fault-left", clean) == "pass"
    assert answer("no-fault-left", clean, clean=None) == "unknown"
    assert answer("no-fault-left", clean, clean=False) == "fail"
    assert answer("no-fault-left", left) == "fail"


def test_executions_are_counted_from_the_pods_side() -> None:
    calls = [call(n / 10, id=str(n)) for n in range(30)] + [call(5, "failed", id="x")]
    ids = [str(n) for n in range(30)]
    once = history(calls, executions=executed(*ids))
    twice = history(calls, executions=executed(*ids, count=2) + executed("x"))
    assert answer("executed-twice", once) == answer("executed-but-failed", once) == "pass"
    assert answer("executed-twice", twice, atMost=29) == "fail"
    assert verdict("executed-but-failed", twice).evidence.calls == ("x",)
    assert answer("executed-twice", history(calls)) == "unknown"


def test_what_no_pod_remembers_may_have_been_executed_twice() -> None:
    calls = [call(n / 10, id=str(n)) for n in range(40)]
    found = history(calls, executions=executed(*(str(n) for n in range(30))))
    none = verdict("executed-twice", found)
    assert none.answer == "unknown"
    assert none.found == (
        "0 of 30 that pods remember; no pod remembers 10 others that were, or may have been, "
        "executed"
    )
    assert answer("executed-twice", found, atMost=9) == "unknown"
    assert answer("executed-twice", found, atMost=10) == "pass"
    assert answer("executed-but-failed", found) == "pass"
    doubled = history(calls, executions=executed(*(str(n) for n in range(30)), count=2))
    assert answer("executed-twice", doubled) == "fail"


@pytest.mark.parametrize(
    ("kind", "outcome"), [("executed-twice", "unknown"), ("executed-but-failed", "failed")]
)
def test_calls_without_an_answer_are_in_doubt_only_if_a_pod_has_lost_its_memory(
    kind: str, outcome: Any
) -> None:
    calls = [*(call(n / 10, id=str(n)) for n in range(30)), call(13, outcome)]
    memory = executed(*(str(n) for n in range(30)))
    starts, ends = truth(0, "down", why="starting"), truth(12, "down", why="not running")
    for truths, wanted in [
        ([starts, truth(0.1, "up")], "pass"),
        ([starts, truth(0.1, "up"), ends], "unknown"),
    ]:
        found = history(calls, executions=memory, truths=truths)
        assert answer(kind, found) == wanted


def test_spread_counts_pods_that_answered_nothing_and_needs_calls_for_each() -> None:
    pods = tuple(f"default/web-{n}" for n in (1, 2, 3))
    members = Members(pods={"default/web": pods}, nodes=("node-1", "node-2"))
    hot = history(steady(), members=members)
    even = history([call(n / 10, pod=pods[n % 3]) for n in range(300)], members=members)
    assert verdict("spread", hot, atLeast=0.9).value == pytest.approx(1 / 3)
    assert answer("spread", even, atLeast=0.9) == "pass"
    assert answer("spread", hot, atLeast=0.9, across="nodes") == "fail"
    assert answer("spread", history(steady()[:10], members=members), atLeast=0.1) == "unknown"


def lag(out_s: float) -> list[BeliefRecord]:
    ready = [belief(0, "api", "in", service=""), belief(14, "api", "out", service="")]
    return [*ready, belief(0, "endpoints", "in"), belief(out_s, "endpoints", "out")]


def test_endpoints_may_lag_behind_ready_pods_for_so_long() -> None:
    found = verdict("endpoints-match", history(beliefs=lag(15)), within="1s")
    assert (found.answer, found.value) == ("pass", 1)
    late = verdict("endpoints-match", history(beliefs=lag(16)), within="1s")
    assert late.answer == "fail"
    assert late.evidence.stretches[0].what == ("pod/default/web-1: held, not ready by endpoints")
    assert answer("endpoints-match", history(beliefs=lag(16)), within="20s", speed=10) == "pass"
    assert answer("endpoints-match", history(beliefs=lag(16)), within=1, over=["verify"]) == "pass"


def test_a_ready_pod_that_never_becomes_an_endpoint_is_seen() -> None:
    new = "pod/default/web-9"
    beliefs = [*lag(14), belief(20, "api", "in", new, service="")]
    pod = TruthRecord(at_s=19, subject=new, state="up", services=("default/web",))
    found = verdict("endpoints-match", history(beliefs=beliefs, truths=[pod]), within="5s")
    assert (found.answer, found.value) == ("fail", 20)


@pytest.mark.parametrize(
    ("why", "peers", "wanted"),
    [
        ("latency", (), "pass"),
        ("node partition", ("control-plane",), "pass"),
        ("node partition", ("control-plane", "node/node-2", "outside"), "fail"),
        ("gray", (), "fail"),
        ("node freeze", (), "fail"),
        ("deleted, and still running", (), "fail"),
    ],
)
def test_a_pod_whose_network_alone_is_hurt_serves_whoever_reaches_it(
    why: str, peers: tuple[str, ...], wanted: str
) -> None:
    kind = why.removeprefix("node ")
    found = history(
        beliefs=[belief(0, "endpoints", "in")],
        truths=[truth(0, "up"), truth(12, "degraded", why=why)],
        faults=[fault(kind=kind, fault=kind, peers=peers)],
    )
    assert answer("endpoints-match", found, within="1s", ready="truth") == wanted


def test_endpoints_can_be_held_against_the_truth_instead() -> None:
    truths = [truth(0, "up"), truth(12, "down")]
    found = history(beliefs=lag(15), truths=truths)
    assert verdict("endpoints-match", found, within="1s", ready="truth").value == 3


@pytest.mark.parametrize("service", ["web", "service/web", "default/web", "service/default/web"])
def test_a_service_may_be_named_with_and_without_its_namespace(service: str) -> None:
    found = verdict("endpoints-match", history(beliefs=lag(15)), within="1s", service=service)
    assert (found.answer, found.value) == ("pass", 1)


def test_a_service_that_nobody_watched_is_told_with_those_that_were() -> None:
    found = verdict("endpoints-match", history(beliefs=lag(15)), within="1s", service="shop/web")
    assert found.answer == "unknown"
    assert found.found == "no endpoints of shop/web was watched; there were: default/web"


def test_what_nobody_watched_is_unknown() -> None:
    assert answer("endpoints-match", history(), within="1s") == "unknown"
    assert (
        answer("endpoints-match", history(beliefs=lag(15)), within=1, observer="dns") == "unknown"
    )


# --- all together --------------------------------------------------------------------------------


def test_a_run_is_as_good_as_its_worst_verdict_and_an_invalid_one_proves_nothing() -> None:
    good = verdict("no-fault-left", history())
    bad = verdict("no-fault-left", history(), clean=False)
    open_ = verdict("no-fault-left", history(), clean=None)
    assert overall([good, good], []) == "pass"
    assert overall([good, open_], []) == "unknown"
    assert overall([open_, bad], []) == "fail"
    assert overall([good], ["saturated"]) == "invalid"
    assert overall([], []) == "unknown"
    assert EXIT_CODES == {"pass": 0, "fail": 1, "unknown": 2, "invalid": 2}


def test_too_many_lost_calls_are_too_many_however_few_calls_there_were() -> None:
    few = history([call(n, "failed") for n in range(3)])
    assert answer("lost-calls", few, atMost=2) == "fail"
    assert answer("lost-calls", few, atMost=3) == "unknown"
