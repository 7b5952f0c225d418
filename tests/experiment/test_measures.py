import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.experiment.history import (
    BeliefRecord,
    BelievedState,
    FaultRecord,
    ObserverKind,
    TruthRecord,
    from_lines,
    to_lines,
)
from emucluster.experiment.measures.availability import availability, error_budget
from emucluster.experiment.measures.connections import split
from emucluster.experiment.measures.executions import executions
from emucluster.experiment.measures.lanes import lanes, state_at
from emucluster.experiment.measures.latency import latency
from emucluster.experiment.measures.outage import (
    longest_gap_s,
    outage_of_group,
    outage_of_service,
)
from emucluster.experiment.measures.rates import (
    bins,
    bins_between,
    edges,
    goodput,
    rates_between,
)
from emucluster.experiment.measures.spread import jain, spread

from .build import END_S, call, executed, fault, history, steady

NODE, POD = "node/node-1", "pod/default/web-1"


def belief(
    at_s: float,
    observer: ObserverKind,
    state: BelievedState,
    subject: str = POD,
    *,
    where: str = "",
    service: str = "default/web",
) -> BeliefRecord:
    return BeliefRecord(
        at_s=at_s, observer=observer, state=state, subject=subject, where=where, service=service
    )


# --- the history ---------------------------------------------------------------------------------


def test_a_call_belongs_to_the_phase_in_which_it_was_due() -> None:
    found = history([call(19.99, taken_s=5), call(20.0), call(0.0), call(40.0)])
    assert [c.phase for c in found.calls] == ["baseline", "inject", "recover", ""]
    assert [c.intended_s for c in found.calls_in(["inject", "recover"])] == [19.99, 20.0]


def test_records_can_be_written_a_line_each_and_read_again() -> None:
    records = [belief(1, "lease", "out"), belief(2, "proxy", "in", where="node-1")]
    assert from_lines(to_lines(records), BeliefRecord) == records


def test_the_last_fault_has_not_ended_while_one_has_not() -> None:
    assert history(faults=[fault(end_s=15), fault(end_s=18)]).last_fault_end_s == 18
    assert history(faults=[fault(end_s=15), fault(end_s=None)]).last_fault_end_s is None


# --- calls ---------------------------------------------------------------------------------------


def test_availability_tells_definite_failures_from_unknown_outcomes() -> None:
    calls = [call(1), call(2), call(3, "failed"), call(4, "unknown"), call(5, "unknown")]
    found = availability(calls)
    assert (found.total, found.ok, found.failed, found.unknown) == (5, 2, 1, 2)
    assert (found.share, found.lost) == (0.4, 3)
    assert availability([]).share is None


def test_an_error_budget_is_spent_by_lost_calls() -> None:
    found = availability([*steady(0, 99.9), call(99.95, "failed")])
    budget = error_budget(found, 0.998)
    assert budget.allowed == pytest.approx(2)
    assert budget.spent_share == pytest.approx(0.5)
    assert error_budget(found, 1.0).spent_share is None


def test_latency_counts_from_when_the_call_was_due() -> None:
    late = call(1.0, taken_s=3.0, started_s=3.5)
    assert latency([late]).p50_s == 3.0


def test_calls_without_success_have_no_latency_and_are_counted_as_left_out() -> None:
    found = latency([call(0, taken_s=0.125), call(2, "unknown", taken_s=9), call(3, taken_s=0.25)])
    assert (found.calls, found.left_out, found.max_s, found.p50_s) == (2, 1, 0.25, 0.125)


def test_calls_are_old_by_their_connection_and_new_without_one() -> None:
    calls = [
        call(13, connection_opened_s=1),
        call(14, connection_opened_s=12),
        call(15, "failed", connection="", connection_opened_s=None),
        call(11, connection_opened_s=1),
    ]
    ages = {age: [c.intended_s for c in part] for age, part in split(calls, 12.0).items()}
    assert ages == {"old": [13], "new": [14, 15]}


# --- spread --------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 1000), min_size=1).filter(any))
def test_jains_index_is_between_one_nth_and_one(counts: list[int]) -> None:
    found = jain(counts)
    assert found is not None
    assert 1 / len(counts) - 1e-9 <= found <= 1 + 1e-9


@given(st.integers(1, 50), st.integers(1, 1000))
def test_jains_index_of_one_taker_is_one_nth_and_of_equals_one(n: int, each: int) -> None:
    assert jain([each] + [0] * (n - 1)) == pytest.approx(1 / n)
    assert jain([each] * n) == pytest.approx(1)


def test_pods_that_answered_nothing_count() -> None:
    calls = [call(n, pod="default/web-1") for n in range(10)]
    assert spread(calls).jain == 1
    assert spread(calls, known=["default/web-1", "default/web-2"]).jain == 0.5
    assert spread(calls, among=4).jain == 0.25
    assert spread(calls, known=["default/web-2"]).counts == {
        "default/web-1": 10,
        "default/web-2": 0,
    }


# --- executions ----------------------------------------------------------------------------------


def test_what_pods_executed_is_held_against_what_clients_were_told() -> None:
    calls = [
        call(1, id="ok"),
        call(2, "failed", id="failed"),
        call(3, "unknown", id="unknown"),
        call(4, id="again"),
        call(5, id="retried"),
        call(6, "failed", id="never"),
    ]
    seen = [
        *executed("ok", "failed", "unknown", "retried"),
        *executed("again", count=2),
        *executed("retried", pod="default/web-2"),
        *executed("somebody else's"),
    ]
    found = executions(calls, seen)
    assert found.remembered == 5
    assert found.twice == ("again", "retried")
    assert found.but_failed == ("failed",)
    assert found.though_unknown == ("unknown",)


# --- rates and goodput ---------------------------------------------------------------------------


def test_bins_hold_the_calls_that_were_due_in_them() -> None:
    found = bins([call(0), call(0.999), call(1.0, "failed"), call(2.5)], start_s=0, end_s=2.2)
    assert [(b.start_s, b.ok, b.failed) for b in found] == [(0, 2, 0), (1, 0, 1)]


def test_bins_begin_with_what_happened_where_they_would_not_be_too_narrow() -> None:
    assert edges(0, 10, width_s=2) == [0, 2, 4, 6, 8, 10]
    assert edges(0, 10, width_s=2, moments=[5]) == pytest.approx([0, 2.5, 5, 7.5, 10])
    assert edges(0, 10, width_s=4, moments=[9, 1, 5, 6]) == [0, 5, 10]


@given(st.floats(0.5, 200), st.lists(st.floats(0, 40), max_size=5), st.floats(0.1, 10))
def test_a_constant_rate_is_constant_in_every_bin(
    rate_per_s: float, moments: list[float], width_s: float
) -> None:
    width_s = max(width_s, 1.01 / rate_per_s)
    at_s = edges(0, END_S, width_s=width_s, moments=moments)
    if (END_S / (len(at_s) - 1)) < 1 / rate_per_s:
        return
    found = rates_between(steady(rate_per_s=rate_per_s), at_s)[:-1]
    assert [one.ok for one in found] == pytest.approx([rate_per_s] * len(found))


def test_a_pause_is_one_and_calls_due_at_once_count_all() -> None:
    found = rates_between([call(0), call(0, "failed"), call(1), call(8)], [0, 2, 4, 6, 8, 10])
    assert [(one.ok, one.failed) for one in found] == [
        (pytest.approx(0.75), pytest.approx(0.5)),
        (pytest.approx(0.25), 0),
        (0, 0),
        (0, 0),
        (0.5, 0),
    ]


def test_bins_need_not_be_alike() -> None:
    found = bins_between([call(0), call(4.9), call(5), call(10)], [0, 5, 6])
    assert [(one.width_s, one.ok) for one in found] == [(5, 2), (1, 1)]


def test_goodput_that_comes_back_tells_when() -> None:
    calls = [*steady(0, 12), *steady(12, 22, outcome="failed"), *steady(22, END_S)]
    found = goodput(history(calls, faults=[fault(12, 18)]))
    assert (found.state, found.recovered_after_s) == ("recovered", 4)
    assert found.baseline_per_s == pytest.approx(10)


def test_goodput_that_stays_away_although_the_fault_is_gone_is_metastable() -> None:
    calls = [*steady(0, 12), *steady(12, END_S, outcome="unknown")]
    found = goodput(history(calls, faults=[fault(12, 18)]))
    assert (found.state, found.after_per_s, found.recovered_after_s) == ("metastable", 0, None)


def test_a_closed_loop_whose_callers_wait_is_metastable_without_a_lost_call() -> None:
    calls = [*steady(0, 12, 20), *steady(12, END_S, 5, taken_s=2)]
    assert goodput(history(calls, faults=[fault(12, 18)])).state == "metastable"


def test_random_arrivals_are_not_mistaken_for_an_outage() -> None:
    uneven = [c for c in steady(rate_per_s=40) if int(c.intended_s * 7) % 5 or c.intended_s < 10]
    assert goodput(history(uneven, faults=[fault(12, 18)]), at_least=0.7).state == "recovered"


def test_goodput_cannot_be_told_without_load_or_baseline() -> None:
    assert goodput(history(steady(0, 15), faults=[fault(12, 18)])).state == "no-load"
    assert goodput(history(steady(10, 40), faults=[fault(12, 18)])).state == "no-baseline"


# --- truth and belief ----------------------------------------------------------------------------


def truth(
    at_s: float, state: str, subject: str = POD, node: str = "node-1", why: str = ""
) -> TruthRecord:
    return TruthRecord(at_s=at_s, subject=subject, state=state, node=node, why=why)  # type: ignore[arg-type]


def test_a_lane_shows_what_was_and_what_each_observer_held() -> None:
    found = lanes(
        history(
            truths=[truth(0, "up"), truth(12, "down")],
            beliefs=[belief(0, "endpoints", "in"), belief(15, "endpoints", "out")],
        )
    )
    assert [lane.observer for lane in found] == ["truth", "endpoints"]
    true, held = found
    assert [(s.state, s.start_s, s.end_s) for s in true.segments] == [
        ("up", 0, 12),
        ("down", 12, END_S),
    ]
    assert state_at(held.segments, 14) == "in"
    assert held.wrong_s == 3


def test_belief_about_what_is_neither_up_nor_down_is_not_wrong() -> None:
    (_, held) = lanes(
        history(truths=[truth(0, "degraded")], beliefs=[belief(0, "proxy", "in", where="n")])
    )
    assert held.wrong_s == 0


def test_each_proxy_has_a_lane_of_its_own() -> None:
    beliefs = [belief(0, "proxy", "in", where=where) for where in ("node-1", "node-2")]
    assert [lane.where for lane in lanes(history(beliefs=beliefs))] == ["node-1", "node-2"]


# --- outages -------------------------------------------------------------------------------------


def story() -> tuple[list[BeliefRecord], list[TruthRecord]]:
    beliefs = [
        belief(0, "endpoints", "in"),
        belief(0, "endpoints", "in", "pod/default/web-2"),
        belief(13, "load-balancer", "out", NODE, where="default/web", service="default/web"),
        belief(14, "lease", "out", NODE, service=""),
        belief(14.2, "endpoints", "out"),
        belief(14.5, "proxy", "out", where="node-2"),
        belief(14.9, "proxy", "out", where="node-3"),
        belief(15.0, "proxy", "out", where="node-2"),
        belief(16, "endpoints", "out", "pod/default/other", service="default/other"),
        belief(24, "endpoints", "in", "pod/default/web-3"),
    ]
    return beliefs, [truth(0, "up"), truth(12, "down"), truth(0, "up", NODE)]


def test_an_outage_is_told_phase_by_phase() -> None:
    beliefs, truths = story()
    calls = steady(0, 12.5) + steady(12.5, 15, outcome="failed") + steady(15, END_S)
    found = outage_of_group(
        history(calls, faults=[fault()], beliefs=beliefs, truths=truths), "users"
    )
    assert found is not None
    assert found.injected_s == 12
    assert found.first_error_s == 12.5
    assert (found.noticed_s, found.noticed_by) == (13, "load-balancer/default/web")
    assert found.balancer_out_s == 13
    assert found.endpoint_out_s == 14.2
    assert found.proxies_updated_s == 14.9
    assert found.last_error_s == pytest.approx(14.9)
    assert found.capacity_back_s == 24
    assert found.calls.lost == 25
    assert found.error_span_s == pytest.approx(2.4)
    assert found.dark_s == pytest.approx(2.6)


@pytest.mark.parametrize(
    ("truths", "noticed_s"),
    [
        ([truth(12, "degraded", NODE), truth(18, "up", NODE)], None),
        ([truth(12, "down", NODE), truth(21, "up", NODE)], 20),
    ],
)
def test_a_notice_after_the_fault_counts_only_until_its_target_is_up_again(
    truths: list[TruthRecord], noticed_s: float | None
) -> None:
    beliefs = [belief(20, "lease", "out", NODE, service="")]
    found = outage_of_group(
        history(steady(), faults=[fault()], beliefs=beliefs, truths=truths), "users"
    )
    assert found is not None
    assert found.noticed_s == noticed_s


def update(start_s: float, end_s: float) -> FaultRecord:
    return fault(
        start_s,
        end_s,
        target="deployment/default/web",
        id="rolling-update.0",
        fault="rolling-update",
        kind="rolling-update",
        is_operation=True,
    )


NEW_POD = "pod/default/web-new"


def test_what_an_operation_starts_and_takes_away_tells_of_no_fault() -> None:
    """A rolling update while a node is cut off, and after that."""
    found = outage_of_group(
        history(
            steady(),
            faults=[fault(12, 18, kind="partition", fault="partition"), update(16, 22)],
            truths=[
                truth(0, "up", NODE),
                truth(0, "up"),
                truth(12, "degraded", NODE),
                truth(12, "degraded"),
                truth(16, "down", NEW_POD),
                truth(16.1, "degraded", NEW_POD),
                truth(17.0, "down", why="not running"),
                truth(17.2, "down", why="deleted"),
                truth(18, "up", NODE),
            ],
            beliefs=[
                belief(0, "probe", "in"),
                belief(16, "probe", "out", NEW_POD),
                belief(16.2, "probe", "in", NEW_POD),
                belief(16.9, "endpoints", "out"),
                belief(17.0, "probe", "out"),
                belief(19, "probe", "out", "pod/default/web-newer"),
            ],
        ),
        "users",
    )
    assert found is not None
    assert (found.about, found.noticed_s, found.endpoint_out_s) == ("", None, None)
    (one,) = found.detections
    assert (one.fault, one.injected_s, one.is_unnoticed) == ("partition", 12, True)


def test_a_pod_that_began_under_a_fault_and_then_fails_by_it_tells_of_it() -> None:
    found = outage_of_group(
        history(
            steady(),
            faults=[fault()],
            truths=[truth(13, "down", NEW_POD), truth(13, "up", NEW_POD)],
            beliefs=[
                belief(13, "probe", "out", NEW_POD),
                belief(14, "probe", "in", NEW_POD),
                belief(16, "probe", "out", NEW_POD),
            ],
        ),
        "users",
    )
    assert found is not None
    assert found.noticed_s == 16


def test_of_several_faults_the_one_that_was_noticed_is_spoken_of() -> None:
    found = outage_of_group(
        history(
            steady(),
            faults=[
                fault(12, 14, target=POD, id="gray.0", kind="gray", fault="gray"),
                fault(15, 18, target="node/node-2"),
            ],
            truths=[
                truth(0, "up"),
                truth(12, "degraded"),
                truth(14, "up"),
                truth(0, "up", "node/node-2", node="node-2"),
                truth(15, "down", "node/node-2", node="node-2"),
                truth(18, "up", "node/node-2", node="node-2"),
            ],
            beliefs=[
                belief(0, "endpoints", "in"),
                belief(17, "lease", "out", "node/node-2", service=""),
                belief(17.5, "endpoints", "out"),
            ],
        ),
        "users",
    )
    assert found is not None
    assert (found.about, found.about_s, found.noticed_s) == ("power-off", 15, 17)
    assert found.endpoint_out_s is None
    assert [(one.fault, one.is_unnoticed) for one in found.detections] == [
        ("gray", True),
        ("power-off", False),
    ]


def test_the_end_of_a_fault_is_no_detection_of_it() -> None:
    """A pod that should be gone is so at last, when the fault that kept it is lifted."""
    found = outage_of_group(
        history(
            steady(),
            faults=[fault(12, 18, target=POD, kind="zombie", fault="zombie")],
            truths=[truth(0, "up"), truth(12, "degraded"), truth(18.01, "down", why="deleted")],
            beliefs=[belief(0, "probe", "in"), belief(18.01, "probe", "out")],
        ),
        "users",
    )
    assert found is not None
    assert found.noticed_s is None


@pytest.mark.parametrize("down_s", [11.99, 12.0, 12.5])
def test_the_kube_proxy_of_a_machine_without_power_is_not_waited_for(down_s: float) -> None:
    beliefs, truths = story()
    beliefs.append(belief(19, "proxy", "out", where="node-1"))
    found = outage_of_group(
        history(
            steady(),
            faults=[fault()],
            beliefs=beliefs,
            truths=[*truths, truth(down_s, "down", NODE), truth(18, "up", NODE)],
        ),
        "users",
    )
    assert found is not None
    assert found.proxies_updated_s == 14.9


def test_services_are_told_apart() -> None:
    calls = steady() + steady(12, 15, outcome="failed", service="default/other", group="g")
    found = history(calls, faults=[fault()])
    assert [
        outage.calls.lost
        for name in ("default/web", "default/other")
        if (outage := outage_of_service(found, name)) is not None
    ] == [0, 30]


def test_without_a_fault_that_took_effect_there_is_no_outage_to_tell() -> None:
    asked = fault(acknowledged_s=None, observed_s=None)
    assert outage_of_group(history(steady(), faults=[asked]), "users") is None


def test_sparse_load_is_no_outage_and_a_lost_call_between_two_successes_is() -> None:
    assert longest_gap_s([call(1), call(30)], start_s=0, end_s=40) == 0
    assert longest_gap_s([call(1), call(5, "failed"), call(9)], start_s=0, end_s=40) == 8
    assert longest_gap_s([call(5, "failed")], start_s=0, end_s=40) == 40


def test_a_fifth_of_a_small_load_that_stays_lost_is_metastable_too() -> None:
    calls = [
        call(n / 5, "failed" if n >= 60 and n % 5 == 0 else "ok") for n in range(int(END_S * 5))
    ]
    assert goodput(history(calls, faults=[fault(12, 18)])).state == "metastable"
