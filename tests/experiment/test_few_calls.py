"""What can be told before a run: that too few calls will come to decide a hypothesis."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.experiment.few_calls import warnings

from .build import experiment


def warned(hypothesis: dict[str, Any], arrival: dict[str, Any], **fields: Any) -> list[str]:
    group = {"name": "users", "target": "service/web", "arrival": arrival}
    return warnings(experiment(workload=[group], hypotheses=[hypothesis], **fields))


AVAILABLE = {"kind": "availability", "atLeast": "99%", "over": ["verify"]}


def test_a_share_wants_so_many_calls_that_one_may_be_lost() -> None:
    rare = {"kind": "constant", "rate": 5}
    assert warned(AVAILABLE, rare) == [
        "hypotheses[0]: about 50 calls come in verify; 100 are needed to tell"
    ]
    assert warned(AVAILABLE, {"kind": "constant", "rate": 10}) == []
    assert warned({**AVAILABLE, "minCalls": 50}, rare) == []


def test_that_nothing_is_asked_is_told() -> None:
    assert warnings(experiment()) == [
        "hypotheses: nothing is asked; the run measures, and its verdict will be unknown"
    ]


def test_scaled_phases_hold_fewer_calls() -> None:
    often = {"kind": "poisson", "rate": 10}
    assert warned(AVAILABLE, often, scaled=True, cluster={"speed": 10}) == [
        "hypotheses[0]: about 10 calls come in verify; 100 are needed to tell"
    ]


@pytest.mark.parametrize(("needed", "comes"), [(75, True), (76, False)])
def test_a_ramp_is_followed_to_where_the_phase_is(needed: int, comes: bool) -> None:
    # From 0 to 10 a second in 20 s; recover is from 20 s on, inject from 10 s: 75 calls.
    ramp = {"kind": "ramp", "from": 0, "to": 10, "over": 20}
    asked = {"kind": "outage", "atMost": "1s", "over": ["inject"], "minCalls": needed}
    assert (warned(asked, ramp) == []) is comes


def test_asked_continuously_each_stretch_wants_its_calls() -> None:
    asked = {"kind": "latency", "quantile": "p99", "atMost": "1s", "every": "5s"}
    assert warned(asked, {"kind": "constant", "rate": 10}) == [
        "hypotheses[0]: about 50 calls come in every 5 s; 100 are needed to tell"
    ]


def test_of_closed_loops_and_what_is_no_matter_of_calls_nothing_is_said() -> None:
    assert warned(AVAILABLE, {"kind": "closed"}) == []
    assert warned({"kind": "no-fault-left"}, {"kind": "constant", "rate": 1}) == []
