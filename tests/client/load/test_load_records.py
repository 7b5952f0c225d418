"""What generators told, as counts, records, health and a noise floor."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.client.experiments.load.counts import Counts
from emucluster.client.experiments.load.health import load_health
from emucluster.client.experiments.load.noise import noise_floor, quiet, takes_s
from emucluster.client.experiments.load.records import records
from emucluster.experiment.rig import GENERATOR_TOO_LATE
from emucluster.live.load.calls import CANCELLED_HERE
from emucluster.live.load.group_run import NO_SLOT, TOO_LATE
from emucluster.live.rpc.pb import load_pb2
from tests.client.load.workload import group
from tests.experiment.build import call

OK, FAILED, UNKNOWN, NEVER = range(4)


def batch(*calls: dict[str, Any], to_s: float = 0.0, per_call: bool = False) -> Any:
    """A batch of one group whose calls differ in what is given."""
    made = load_pb2.LoadBatch(
        run="r",
        generator="load-generator-1",
        groups=["web"],
        per_call=[per_call],
        pods=[load_pb2.LoadPod(pod="web-1", namespace="default", node="node-1", zone="zone-a")],
        connections=[load_pb2.LoadConnection(id=7, channel="web/2/1", opened_s=99.0)],
        details=[CANCELLED_HERE, TOO_LATE, NO_SLOT, "no route"],
    )
    made.health.to_s = to_s
    for given in calls:
        for field in load_pb2.LoadCalls.DESCRIPTOR.fields:
            getattr(made.calls, field.name).append(given.get(field.name, 0))
    return made


def recorded(*calls: dict[str, Any], **more: Any) -> list[Any]:
    return list(records(batch(*calls, **more), {"web": "default/web"}))


BASE = {"client": 2, "number": 5, "intended_s": 100.0, "started_s": 100.1, "ended_s": 100.3}


def test_an_answered_call_tells_who_answered_on_which_connection() -> None:
    sizes = {"sent_bytes": 10, "received_bytes": 20}
    (found,) = recorded({**BASE, **sizes, "pod": 1, "connection": 7, "attempts": 2})
    assert (found.id, found.client, found.service) == ("r/web/2/5", 2, "default/web")
    assert (found.pod, found.node, found.zone) == ("default/web-1", "node-1", "zone-a")
    assert (found.status, found.outcome, found.attempts) == ("OK", "ok", 2)
    assert (found.intended_s, found.started_s, found.ended_s) == (100.0, 100.1, 100.3)
    assert found.connection == "load-generator-1/web/2/1/7"
    assert found.connection_opened_s == 99.0
    assert (found.request_bytes, found.reply_bytes) == (10, 20)


def test_a_call_with_a_connection_of_its_own_is_as_old_as_that() -> None:
    good, bad = recorded(BASE, {**BASE, "outcome": FAILED, "status": 14}, per_call=True)
    assert (good.connection, good.connection_opened_s) == (good.id, 100.1)
    assert (bad.connection, bad.connection_opened_s) == ("", None)
    assert (bad.status, bad.outcome) == ("UNAVAILABLE", "failed")


def test_a_call_that_was_open_at_the_end_may_have_run() -> None:
    (found,) = recorded({**BASE, "outcome": FAILED, "status": 1, "detail": 1})
    assert (found.ended_s, found.outcome, found.latency_s) == (None, "unknown", None)


def test_calls_never_begun_have_failed_and_say_whose_fault_that_is() -> None:
    never = {**BASE, "started_s": 0.0, "outcome": NEVER}
    late, full = recorded({**never, "detail": 2}, {**never, "detail": 3})
    assert {(c.status, c.outcome, c.started_s) for c in (late, full)} == {
        ("NOT_STARTED", "failed", 100.3)
    }
    assert (late.error, full.error) == (GENERATOR_TOO_LATE, NO_SLOT)


def test_progress_is_of_the_last_second_and_totals_of_all() -> None:
    counts = Counts(["web", "other"])
    counts.add(batch({"outcome": OK, "ended_s": 9.0}, to_s=10.0))
    took = {"outcome": OK, "intended_s": 10.0, "ended_s": 10.5}
    counts.add(batch(took, {"outcome": UNKNOWN}, to_s=11.0))
    counts.add(batch({"outcome": FAILED}, {"outcome": NEVER}, to_s=11.5))
    found = counts.progress(11.6)
    assert found["other"].ended == found["other"].calls == 0
    web = found["web"]
    assert (web.ended, web.calls, web.ok, web.failed, web.unknown) == (5, 4, 1, 2, 1)
    assert web.p50_s == 0.5
    assert (counts.ended("web"), counts.ended("other"), counts.ended("")) == (5, 0, 5)
    assert counts.progress(20.0)["web"].calls == 0
    assert counts.ended("") == 5


def health(from_s: float, to_s: float, **fields: Any) -> Any:
    return load_pb2.GeneratorHealth(from_s=from_s, to_s=to_s, **fields)


def test_the_health_of_a_load_is_that_of_its_worst_moments() -> None:
    found = load_health(
        {
            "a": [
                health(0.0, 0.5, cpu_s=0.1, lag_max_s=0.4, expired_late=1),
                health(0.5, 1.0, cpu_s=0.5, late=2, expired_waiting=3),
                health(1.0, 1.5, cpu_s=0.4, run_lag_p99_s=0.01),
            ],
            "b": [health(0.0, 0.5, cpu_s=0.2, run_lag_p99_s=0.02)],
        },
        {"a": "", "b": "ended before its load did"},
    )
    assert (found.generators, found.late, found.expired_late, found.expired_waiting) == (2, 2, 1, 3)
    assert found.lag_p99_s == {"a": 0.01, "b": 0.02}
    assert found.lag_max_s == 0.4
    assert found.cpu_share == {"a": pytest.approx(2 / 3), "b": pytest.approx(0.4)}
    assert found.invalid_reasons == ["not all calls of b are known: ended before its load did"]


def test_a_generator_that_was_busy_all_the_time_makes_the_run_invalid() -> None:
    (reason,) = load_health({"a": [health(0.0, 2.0, cpu_s=1.9)]}, {}).invalid_reasons
    assert reason.startswith("a was busy 95% of the time")


def test_the_noise_floor_is_the_furthest_median_of_five_batches() -> None:
    took_s = [0.010] * 4 + [0.012] * 4 + [0.010] * 8 + [0.007] * 4
    calls = [call(float(n), taken_s=one_s) for n, one_s in enumerate(took_s)]
    found = noise_floor(calls, ["users"])
    assert found.unmeasured == ()
    assert found.median_s == {"users": pytest.approx(0.010)}
    assert found.scatter_s == {"users": pytest.approx(0.003)}
    assert found.floor_s == pytest.approx(0.003)


def test_too_few_answers_are_no_measurement() -> None:
    failed = [call(float(n), outcome="failed") for n in range(100)]
    found = noise_floor(failed + [call(200.0 + n) for n in range(19)], ["users", "others"])
    assert found.floor_s is None
    assert found.unmeasured == ("users", "others")


def test_slow_groups_are_measured_for_longer_and_none_for_ever() -> None:
    def lasts_s(rate: float) -> float:
        return takes_s([group(arrival={"kind": "constant", "rate": rate})])

    assert lasts_s(80) == 1.5
    assert lasts_s(5) * 5 >= 20
    assert lasts_s(0.1) == 8.0


def test_the_noise_floor_is_measured_at_a_low_rate_that_slow_groups_keep() -> None:
    assert quiet(group(arrival={"kind": "constant", "rate": 900})).rate_per_s_max == 80
    assert quiet(group(arrival={"kind": "poisson", "rate": 3})).rate_per_s_max == 3
    assert quiet(group(arrival={"kind": "closed"})).rate_per_s_max == 80
