"""Faults that only clients, or those who look, can tell."""

from __future__ import annotations

from typing import Any

from emucluster.client.experiments.sightings import lingering, sightings
from emucluster.experiment.history import BeliefRecord, CallRecord, FaultRecord
from emucluster.experiment.lifecycle import Observed
from emucluster.experiment.plan import Plan

from .build import plan

POD = "pod/default/web-1"


def call(number: int, at_s: float, latency_s: float = 0.01, **fields: Any) -> CallRecord:
    values: dict[str, Any] = {"status": "OK", "outcome": "ok", "pod": "default/web-1", **fields}
    return CallRecord(
        group="users",
        client=0,
        id=f"r/users/0/{number}",
        intended_s=at_s,
        started_s=at_s,
        ended_s=at_s + latency_s,
        **values,
    )


def found(
    planned: Plan, calls: list[CallRecord], beliefs: list[BeliefRecord] | None = None
) -> list[Observed]:
    """With each fault of the plan in force from 10 s to 20 s."""
    records = [
        FaultRecord(
            id=entry.id,
            fault=entry.fault,
            kind=entry.kind,
            target=entry.target,
            asked_s=10.0,
            acknowledged_s=10.0,
            ended_s=20.0,
        )
        for entry in planned.entries
    ]
    return sightings("r", planned.entries, records, calls, beliefs or [])


def failed(at_s: float, error: str) -> CallRecord:
    return call(1, at_s, status="INTERNAL", outcome="failed", pod="", error=error)


GRAY = {"kind": "gray", "target": POD}
ERROR = "error injected by the fault r.gray.0 at pod default/web-1"


def test_a_failed_call_that_names_the_fault_bears_witness() -> None:
    (seen,) = found(plan(GRAY), [failed(12.0, ERROR)])

    assert (seen.id, seen.by) == ("gray.0", "client/users")
    assert "INTERNAL" in seen.what


def test_a_failed_call_that_names_another_fault_bears_none() -> None:
    other = ERROR.replace("gray.0", "gray.01")

    assert found(plan(GRAY), [failed(12.0, other), failed(12.0, "connection refused")]) == []


def test_a_call_outside_the_faults_time_bears_none() -> None:
    assert found(plan(GRAY), [failed(9.0, ERROR), failed(21.0, ERROR)]) == []


def test_a_deleted_pod_that_answers_is_a_zombie() -> None:
    (seen,) = found(plan({"kind": "zombie", "target": POD}), [call(1, 12.0)])

    assert seen.what == "default/web-1, which is deleted, answered call r/users/0/1"


SLOW = {"kind": "slow", "target": POD, "params": {"delay": "200ms"}}


def test_a_slow_pod_is_seen_by_the_median_of_its_calls() -> None:
    before = [call(n, 5.0 + n / 10) for n in range(10)]
    during = [call(n, 12.0 + n / 10, 0.21) for n in range(10, 20)]

    (seen,) = found(plan(SLOW), before + during)
    assert seen.what == "its median call took 210 ms, before the fault 10 ms"
    assert found(plan(SLOW), before + [call(n, 12.0 + n / 10) for n in range(10)]) == []


def test_another_pods_slowness_is_not_the_targets() -> None:
    before = [call(n, 5.0 + n / 10) for n in range(10)]
    other = [call(n, 12.0 + n / 10, 0.21, pod="default/web-2") for n in range(10, 20)]

    assert found(plan(SLOW), before + other) == []


def believed(observer: Any, where: str, at_s: float = 12.0) -> BeliefRecord:
    return BeliefRecord(
        at_s=at_s, observer=observer, subject="node/node-1", state="out", where=where, word="w"
    )


def test_who_looks_for_himself_bears_witness() -> None:
    planned = plan({"kind": "power-off", "target": "node/node-1"})

    (seen,) = found(planned, [], [believed("load-balancer", "default/web")])
    assert seen.by == "lb/default/web"
    (seen,) = found(planned, [], [believed("lease", "")])
    assert seen.by == "control-plane"


def test_neither_hearsay_nor_the_target_itself_bears_witness() -> None:
    planned = plan({"kind": "power-off", "target": "node/node-1"})
    hearsay = [believed("proxy", "node-2"), believed("probe", "node-1")]

    assert found(planned, [], hearsay) == []
    assert found(planned, [], [believed("lease", "", at_s=9.0)]) == []


def test_calls_that_a_fault_fails_after_its_end_make_the_run_invalid() -> None:
    planned = plan(GRAY)
    record = FaultRecord(
        id="gray.0", fault="gray", kind="gray", target=POD, acknowledged_s=10.0, ended_s=20.0
    )

    def told(*calls: CallRecord) -> list[str]:
        return lingering("r", planned.entries, [record], calls)

    assert told(failed(19.0, ERROR), failed(20.5, ERROR), failed(25.0, "another error")) == []
    (reason,) = told(failed(23.0, ERROR), failed(25.0, ERROR))
    assert "was over, and 2 calls begun later failed by it, the last 5 s after its end" in reason


def test_of_a_delay_that_hits_some_calls_only_those_bear_witness() -> None:
    params = {"delay": "100ms", "every": 5, "times": 2}
    planned = plan({"kind": "slow", "target": POD, "params": params})
    before = [call(number, 1.0 + number / 10) for number in range(20)]
    during = [call(100 + number, 11.0 + number / 10) for number in range(20)]
    late = [call(200, 12.0, 0.12), call(201, 13.0, 0.11)]

    assert found(planned, before + during + late[:1]) == []
    (seen,) = found(planned, before + during + late)
    assert seen.by == "client/users"
    assert "2 of its 22 calls took 60 ms or longer" in seen.what
