from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from emucluster.experiment.assembly import overall_of_trials, repeats, run_result, trial_result
from emucluster.experiment.difference import diff
from emucluster.experiment.history import CallRecord
from emucluster.experiment.plan import expand
from emucluster.experiment.result import (
    RunResult,
    Trial,
    UnreadableResult,
    from_json,
    results_schema,
    to_json,
)
from emucluster.experiment.rig import (
    GENERATOR_TOO_LATE,
    NOT_STARTED,
    Environment,
    refusals,
    saturation_reasons,
)

from .build import END_S, call, executed, experiment, fault, history, steady, topology

HYPOTHESES = [
    {"kind": "availability", "atLeast": "99%"},
    {"kind": "no-fault-left"},
]
POWER_OFF = {"kind": "power-off", "target": "node/node-1", "at": "2s", "for": "6s"}


def run(calls: list[CallRecord], *, trials: int = 1, **fields: Any) -> RunResult:
    own = {"faults": [POWER_OFF], "hypotheses": HYPOTHESES, "cluster": {"speed": 10}}
    asked = experiment(**{**own, **fields})
    found: list[Trial] = []
    for number in range(trials):
        records = history(calls, faults=[fault()], executions=executed("users-1"))
        plan = expand(asked, topology(), number)
        found.append(trial_result(asked, plan, records, Environment(), number=number, clean=True))
    return run_result(asked, found, Environment(cores=2, versions={"python": "3"}), seed=0)


def half_lost(**fields: Any) -> RunResult:
    return run(steady(0, 12) + steady(12, 30, outcome="failed") + steady(30, END_S), **fields)


def test_a_result_can_be_written_and_read_again() -> None:
    found = half_lost(trials=3)
    assert from_json(to_json(found)) == found


def test_what_is_written_is_what_the_schema_documents() -> None:
    import json

    validator = jsonschema.Draft202012Validator(results_schema())
    tree = json.loads(to_json(half_lost()))
    assert list(validator.iter_errors(tree)) == []
    del tree["trials"][0]["digest"]
    assert list(validator.iter_errors(tree)) != []


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": 99}', b'{"format": 1}'])
def test_what_is_no_result_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableResult):
        from_json(data)


def test_a_trial_has_a_row_for_each_group_and_phase_and_the_run() -> None:
    (trial,) = half_lost().trials
    rows = {row.phase: row for row in trial.groups}
    assert list(rows) == ["baseline", "inject", "recover", "verify", "run"]
    assert [row.calls.lost for row in rows.values()] == [0, 80, 100, 0, 180]
    assert rows["baseline"].old is None
    assert rows["inject"].old is not None
    assert rows["inject"].old.total == 80
    assert rows["run"].rate_per_s == pytest.approx(10)


def test_both_clocks_are_told() -> None:
    (trial,) = half_lost().trials
    assert (trial.duration_s, trial.configured_s) == (40, 400)


def test_the_exit_code_is_that_of_the_worst_trial() -> None:
    assert half_lost().exit_code == 1
    assert run(steady()).exit_code == 0
    assert overall_of_trials(["pass", "invalid", "fail"]) == "fail"
    assert overall_of_trials(["pass", "invalid", "unknown"]) == "invalid"
    assert overall_of_trials([]) == "unknown"


def test_trials_give_distributions_and_invalid_ones_do_not_count() -> None:
    found = run(steady(), trials=4)
    assert found.distributions["users/run/availability"].values == (1.0,) * 4
    late = [call(n / 10, started_s=n / 10 + 0.3) for n in range(400)]
    assert run(late, trials=2).distributions == {}


# --- honesty -------------------------------------------------------------------------------------


def test_a_run_whose_limit_was_the_emulator_is_invalid() -> None:
    late = [call(n / 10, started_s=n / 10 + 0.3, taken_s=0.4) for n in range(400)]
    found = run(late)
    assert found.overall == "invalid"
    assert found.trials[0].invalid_reasons == (
        "calls of users were begun 300 ms after they were due (p99); given what is judged, at most "
        "100 ms tell of the cluster",
    )


def test_calls_that_a_generator_came_too_late_for_make_a_run_invalid() -> None:
    never = replace(call(15.0, "failed"), status=NOT_STARTED)
    full = [*steady(), replace(never, error="as many calls in flight as allowed")]
    assert saturation_reasons(experiment(), Environment(), history(full)) == []
    late = [*full, replace(never, error=GENERATOR_TOO_LATE)]
    (reason,) = saturation_reasons(experiment(), Environment(), history(late))
    assert reason.startswith("1 calls were never begun")


def test_a_late_event_loop_and_busy_processors_are_told() -> None:
    busy = Environment(loop_lag_p99_s={"node-1": 0.25, "node-2": 0.01}, cpu_share=0.99)
    first, second = saturation_reasons(experiment(), busy, history(steady()))
    assert "event loop of node-1 was late by 250 ms" in first
    assert second == "processors were 99% busy"


def test_faults_that_would_measure_the_rig_are_refused_with_the_reason() -> None:
    hog = {"kind": "cpu-hog", "target": "node/node-1"}
    assert refusals(experiment(hog), cores=2) == []
    (reason,) = refusals(experiment(hog, cluster={"packing": "node"}), cores=2)
    assert reason.startswith('faults[0] "cpu-hog": cpu-hog with packing node')


def test_more_load_than_cores_is_refused() -> None:
    heavy = {
        "name": "users",
        "target": "service/web",
        "clients": 3,
        "arrival": {"kind": "constant", "rate": 6001},
    }
    (reason,) = refusals(experiment(workload=[heavy]), cores=2)
    assert reason.startswith("workload: 6001 calls/s need more than the 2 cores")
    assert refusals(experiment(workload=[heavy]), cores=3) == []


def test_what_the_cores_allow_is_told_before_what_more_clients_would() -> None:
    arrival = {"kind": "constant", "rate": 90_000}
    group = {"name": "users", "target": "service/web", "clients": 2, "arrival": arrival}
    first, second, *_ = refusals(experiment(workload=[group]), cores=2)
    assert "(at most 6000 unary calls/s in all, 3000 for each core" in first
    assert second.startswith("workload[0].clients: ")


def test_a_delay_below_the_noise_floor_is_refused() -> None:
    slow = {"kind": "slow", "target": "node/node-1", "params": {"delay": "5ms"}}
    assert refusals(experiment(slow), cores=2, noise_floor_s=0.001) == []
    (reason,) = refusals(experiment(slow), cores=2, noise_floor_s=0.004)
    assert "5 ms cannot be told from this machine's own scatter of 4 ms" in reason


# --- two runs ------------------------------------------------------------------------------------


def test_a_run_does_not_differ_from_itself() -> None:
    one = half_lost()
    found = diff(one, one)
    assert (found.same_plan, found.same_hypotheses, found.settings) == (True, True, ())
    assert not found.is_worse
    assert not any(n.is_clear or n.before != n.after for n in found.numbers)


def test_trouble_and_cure_differ_in_settings_verdicts_and_numbers() -> None:
    cure, trouble = run(steady(), cluster={"speed": 10, "cloud": "envoy"}), half_lost()
    found = diff(cure, trouble)
    assert found.same_plan
    assert found.same_hypotheses
    assert found.settings == ("cluster.cloud: envoy -> aws-nlb",)
    assert found.is_worse
    assert [(v.before, v.after) for v in found.verdicts] == [("pass", "fail"), ("pass", "pass")]
    changed = {n.name: n for n in found.numbers}
    assert changed["users/inject/availability"].is_clear
    assert not changed["users/baseline/availability"].is_clear


def latency(delay: str) -> dict[str, Any]:
    link = {"kind": "link", "from": "node/node-1", "to": "node/node-2"}
    own = {"kind": "latency", "target": link, "at": "2s", "for": "6s"}
    return {**own, "params": {"delay": delay}}


def settings(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    return diff(half_lost(**before), half_lost(**after)).settings


def test_what_differs_within_lists_is_told_by_its_path() -> None:
    assert settings(
        {"faults": [POWER_OFF, latency("100ms")]}, {"faults": [POWER_OFF, latency("200ms")]}
    ) == ("faults[1].params.delay: 100ms -> 200ms",)


def test_one_more_of_a_list_is_one_difference() -> None:
    old, new = [latency("1s")], [POWER_OFF, latency("1s")]
    (line,) = settings({"faults": old}, {"faults": new})
    assert line.startswith("faults[0]: none -> {kind: power-off, target: node/node-1, at: 2s, ")
    (line,) = settings({"faults": new}, {"faults": old})
    assert line.startswith("faults[0]: {kind: power-off, ")
    assert line.endswith(" -> none")


def test_what_is_of_another_kind_is_told_as_a_whole() -> None:
    (line,) = settings({"faults": [POWER_OFF]}, {"faults": [latency("1s")]})
    assert line.startswith("faults[0]: {kind: power-off, ")
    assert " -> {kind: latency, " in line


def test_settings_are_told_as_files_have_them() -> None:
    group = {"name": "users", "target": "service/web"}
    before = {"scaled": False, "workload": [{**group, "deadline": "500ms"}]}
    after = {"scaled": True, "workload": [{**group, "deadline": 90}]}
    assert settings(before, after) == (
        "scaled: false -> true",
        "workload[0].deadline: 500ms -> 90s",
    )
    strict = [{"kind": "availability", "atLeast": "99.9%"}, HYPOTHESES[1]]
    assert settings({}, {"hypotheses": strict}) == ("hypotheses[0].atLeast: 99% -> 99.9%",)


def test_long_texts_are_cut_where_they_do_not_differ() -> None:
    same = "A long story that both runs tell with the very same words until its end: "
    (line,) = settings({"story": f"{same} one."}, {"story": f"{same} two."})
    before, _, after = line.removeprefix("story: ").partition(" -> ")
    assert before != after
    assert before.endswith("one.")
    assert after.endswith("two.")


def limited_trials(*overalls: str) -> list[Trial]:
    """`limited` in place of a verdict is a trial that the emulator limited."""
    (trial,) = half_lost().trials
    return [
        replace(trial, number=number, overall="invalid", limited=True)
        if overall == "limited"
        else replace(trial, number=number, overall=overall)
        for number, overall in enumerate(overalls)
    ]


@pytest.mark.parametrize(
    ("overalls", "asked", "decided"),
    [
        (["pass", "limited", "pass", "pass"], 3, "pass"),
        (["pass", "limited", "pass"], 3, "invalid"),  # nobody repeated it
        (["fail", "limited", "pass", "pass"], 3, "fail"),
        (["pass", "invalid", "pass", "pass"], 3, "invalid"),  # not the emulator's fault
        (["limited"], 1, "invalid"),
    ],
)
def test_trials_that_the_emulator_limited_do_not_count_once_repeated(
    overalls: list[str], asked: int, decided: str
) -> None:
    asked_for = replace(experiment(), trials=asked)
    trials = limited_trials(*overalls)
    result = run_result(asked_for, trials, Environment(), seed=0)
    assert result.overall == decided


def test_at_most_half_as_many_trials_are_run_again() -> None:
    assert [repeats(3, replace(experiment(), trials=n)) for n in (1, 2, 5, 20)] == [0, 1, 2, 3]


def test_only_the_emulators_own_limits_make_a_trial_limited() -> None:
    late = Environment(loop_lag_p99_s={"node-1": 5.0})
    records, plan = history([]), expand(experiment(), topology(), 0)
    only = trial_result(experiment(), plan, records, late, clean=True)
    both = trial_result(experiment(), plan, records, late, clean=True, invalid_reasons=["dirty"])
    assert (only.overall, only.limited) == ("invalid", True)
    assert (both.overall, both.limited) == ("invalid", False)
