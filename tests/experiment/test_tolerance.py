"""How late the machine may be hangs on what is judged; what was not measured is not passed over."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from emucluster.experiment.hypotheses import judge_all
from emucluster.experiment.rig import Environment, saturation_reasons, unknown_reasons
from emucluster.experiment.tolerance import LAG_MAX_S, LAG_MIN_S, lag_max_s

from .build import experiment, history, steady

LATENCY = {"kind": "latency", "quantile": "p99", "atMost": "10ms"}
SLOW = {"kind": "slow", "target": "node/node-1", "for": "5s", "params": {"delay": "20ms"}}


def asked(*hypotheses: dict[str, Any], **fields: Any) -> Any:
    return experiment(hypotheses=list(hypotheses), **fields)


def test_without_a_bound_a_tenth_of_a_second_is_the_limit() -> None:
    assert lag_max_s(asked()) == LAG_MAX_S
    assert lag_max_s(asked({"kind": "no-fault-left"})) == LAG_MAX_S
    assert lag_max_s(asked({"kind": "outage", "atMost": "0s"})) == LAG_MAX_S


@pytest.mark.parametrize(
    ("hypothesis", "expected_s"),
    [
        (LATENCY, 0.005),
        ({**LATENCY, "atMost": "300ms"}, 0.1),
        ({**LATENCY, "atMost": "1ms"}, LAG_MIN_S),
        ({"kind": "time-to-detect", "atMost": "100ms"}, 0.05),
        ({"kind": "time-to-recover", "atMost": "60ms"}, 0.03),
        ({"kind": "outage", "atMost": "40ms"}, 0.02),
        ({"kind": "endpoints-match", "within": "80ms"}, 0.04),
        ({"kind": "goodput-recovers", "within": "20ms"}, 0.01),
    ],
)
def test_no_more_than_half_of_the_shortest_time_that_is_judged(
    hypothesis: dict[str, Any], expected_s: float
) -> None:
    assert lag_max_s(asked(hypothesis)) == pytest.approx(expected_s)
    wide = {"kind": "outage", "atMost": "30s"}
    assert lag_max_s(asked(wide, hypothesis)) == pytest.approx(expected_s), "the shortest counts"


def test_bounds_that_the_speed_divides_count_as_they_hold() -> None:
    bound = {"kind": "outage", "atMost": "1s"}
    phases = {name: 100 for name in ("baseline", "inject", "recover", "verify")}
    fast = asked(bound, scaled=True, cluster={"speed": 20}, phases=phases)
    assert lag_max_s(fast) == pytest.approx(0.025)
    assert lag_max_s(asked(bound, cluster={"speed": 20})) == LAG_MAX_S


def test_a_deadline_decides_of_calls_that_are_judged_and_of_no_others() -> None:
    workload = [
        {"name": "quick", "target": "service/web", "deadline": "30ms"},
        {"name": "slow", "target": "service/web", "deadline": "5s"},
    ]
    availability = {"kind": "availability", "atLeast": "90%"}
    assert lag_max_s(asked(availability, workload=workload)) == pytest.approx(0.015)
    assert lag_max_s(asked({**availability, "group": "slow"}, workload=workload)) == LAG_MAX_S
    assert lag_max_s(asked({"kind": "no-fault-left"}, workload=workload)) == LAG_MAX_S


def test_a_loop_that_is_late_beside_a_short_bound_makes_the_run_invalid() -> None:
    late = Environment(loop_lag_p99_s={"node-1": 0.025}, noise_floor_s=0.001)
    (reason,) = saturation_reasons(asked(LATENCY), late, history(steady()))
    assert reason == (
        "event loop of node-1 was late by 25 ms (p99); given what is judged, at most 5 ms tell of "
        "the cluster"
    )
    assert saturation_reasons(asked(), late, history(steady())) == []


def test_calls_that_are_begun_late_beside_a_short_bound_make_the_run_invalid() -> None:
    calls = [replace(call, started_s=call.intended_s + 0.02) for call in steady()]
    (reason,) = saturation_reasons(asked(LATENCY), Environment(), history(calls))
    assert "calls of users were begun 20 ms after they were due (p99)" in reason
    assert saturation_reasons(asked(), Environment(), history(calls)) == []


def test_a_delay_beside_a_noise_floor_that_nobody_knows_makes_the_run_invalid() -> None:
    slowed = experiment(SLOW)
    (reason,) = unknown_reasons(slowed, Environment(), history(steady()))
    assert reason.startswith("slow: whether 20 ms can be told from this machine's own scatter")
    measured = Environment(noise_floor_s=0.001, noise_unmeasured=("users",))
    assert unknown_reasons(slowed, measured, history(steady())) == []
    assert unknown_reasons(slowed, Environment(), history()) == [], "a trial that never began"


def test_a_latency_whose_scatter_nobody_knows_is_not_passed() -> None:
    def answers(*unmeasured: str, **about: Any) -> list[str]:
        questions = asked({**LATENCY, "atMost": "100ms", **about}).hypotheses
        found = judge_all(questions, history(steady()), clean=True, unmeasured=unmeasured)
        return [verdict.answer for verdict in found]

    assert answers() == ["pass"]
    assert answers("users") == ["unknown"]
    assert answers("users", group="users") == ["unknown"]
    assert answers("others", group="users") == ["pass"]
    assert answers("users", atMost="1ms") == ["fail"], "no scatter makes calls quicker"


def test_a_wall_clock_that_was_set_makes_the_run_invalid() -> None:
    steps = {"node-1": 0.0001, "keeper": 3600.0, "emucluster run": 3600.0}
    (reason,) = unknown_reasons(asked(), Environment(clock_step_s=steps), history(steady()))
    assert reason.startswith("the wall clock was set during the run: it moved by 3600.0 s")
    assert unknown_reasons(asked(), Environment(clock_step_s={"a": 0.002}), history()) == []
