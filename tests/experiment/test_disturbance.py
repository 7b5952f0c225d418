"""What others did to the cluster during a run is noticed, and what the run did itself is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emucluster.experiment.disturbance import (
    Injected,
    ObjectState,
    PodState,
    Process,
    View,
    foreign_changes,
    foreign_deletions,
    foreign_faults,
    foreign_processes,
)
from emucluster.experiment.plan import PlanEntry

from .build import entry

RUN = "run12-0"
WEB = ObjectState(uid="u1", content="a", version="7")


def told(*faults: Injected) -> list[str]:
    return foreign_faults(faults, run=RUN, start_s=100.0, end_s=200.0)


def test_faults_of_others_that_were_in_force_during_the_run_are_told() -> None:
    foreign = Injected("freeze-1", "freeze", "node/node-1", 150.0, 151.0)
    assert told(foreign) == [
        "somebody else injected the fault freeze-1 (freeze on node/node-1) during the run"
    ]
    assert told(replace(foreign, injected_s=50.0, ended_s=None))
    assert told(replace(foreign, injected_s=50.0, ended_s=100.5))


def test_faults_of_the_run_or_of_another_time_are_not() -> None:
    fault = Injected(f"{RUN}.freeze.0", "freeze", "node/node-1", 150.0)
    assert told(fault) == []
    assert told(replace(fault, id="a", ended_s=90.0, injected_s=80.0)) == []
    assert told(replace(fault, id="a", injected_s=201.0)) == []
    assert told(replace(fault, id="run12-01.freeze.0")), "of a run with another name"
    assert told(replace(fault, id="gone-node-1")) == [], "the process tells of it"


def processes(**found: Process) -> View:
    return View(0.0, {name.replace("_", "-"): process for name, process in found.items()})


def test_a_process_that_ended_and_came_again_is_told_with_both_numbers() -> None:
    plane = Process(pid=7, started=1000, kind="control-plane")
    before = processes(control_plane=plane)
    killed = processes(control_plane=replace(plane, pid=9, started=2000, ends=1))
    assert foreign_processes(before, killed) == [
        "the process of control-plane ended once during the run, which no fault of the plan did: "
        "it was process 7, and is process 9"
    ]
    assert foreign_processes(before, before) == []
    twice = processes(control_plane=replace(plane, pid=9, started=2000, ends=2))
    assert "ended 2 times" in foreign_processes(before, twice)[0]


def test_a_control_plane_that_a_fault_of_the_plan_crashed_is_another_process_and_no_matter() -> (
    None
):
    plane = Process(pid=7, started=1000, kind="control-plane")
    crashed = processes(control_plane=replace(plane, pid=9, started=2000))
    assert foreign_processes(processes(control_plane=plane), crashed) == []


def test_a_node_that_is_another_process_or_gone_or_stopped_is_told() -> None:
    node = Process(pid=7, started=1000)
    before = processes(node_1=node)
    assert foreign_processes(before, processes(node_1=replace(node, started=2000)))
    for state in ("gone", "stopped"):
        (reason,) = foreign_processes(before, processes(node_1=replace(node, state=state)))
        assert reason == f"the process of node-1 is {state}, which no fault of the plan did"
    assert foreign_processes(before, processes()) == [], "a machine that was removed in good order"


def objects(**found: ObjectState) -> View:
    return View(0.0, objects={f"service/default/{name}": state for name, state in found.items()})


def test_objects_that_others_created_changed_or_deleted_are_told() -> None:
    before = objects(web=WEB, old=WEB)
    after = objects(web=replace(WEB, content="b"), new=WEB)
    assert foreign_changes(before, after, operated=()) == [
        "somebody else created service/default/new during the run",
        "somebody else deleted service/default/old during the run",
        "somebody else changed service/default/web during the run",
    ]
    assert foreign_changes(before, before, operated=()) == []


def test_a_pod_that_the_cluster_may_delete_is_told_only_where_it_is_new() -> None:
    pod = ObjectState(uid="", content="", may_go=True)
    assert foreign_changes(objects(a=pod), objects(), operated=()) == []
    assert foreign_changes(objects(), objects(a=pod), operated=())


def test_a_change_that_was_taken_back_is_one_too() -> None:
    assert foreign_changes(objects(web=WEB), objects(web=replace(WEB, version="9")), operated=())
    assert foreign_changes(objects(web=WEB), objects(web=replace(WEB, uid="u2")), operated=()) == [
        "somebody else replaced service/default/web during the run"
    ]


def test_what_the_plan_operates_upon_is_to_be_as_before_once_it_is_put_back() -> None:
    operated = {"service/default/web"}
    put_back = objects(web=replace(WEB, version="9"))
    assert foreign_changes(objects(web=WEB), put_back, operated=operated) == []
    other = objects(web=replace(WEB, version="9", content="b"))
    assert foreign_changes(objects(web=WEB), other, operated=operated)


def test_of_many_objects_some_are_named() -> None:
    many = objects(**{f"s{number}": WEB for number in range(9)})
    (reason,) = foreign_changes(objects(), many, operated=())
    assert reason.endswith("service/default/s4 and 4 more during the run")


A, B = "pod/default/web-5d-a", "pod/default/web-5d-b"


def pods(*, since: str = "True 12:00", **found: PodState) -> View:
    """Pods of node-1, which is ready since then."""
    keyed = {f"pod/default/web-5d-{name}": state for name, state in found.items()}
    return View(0.0, pods=keyed, readiness={"node-1": since})


POD = PodState("u", "node-1")
BEFORE = pods(a=POD, b=POD)
GRAY = entry("gray", A)


@pytest.mark.parametrize(
    "after",
    [
        pods(b=POD),
        pods(a=replace(POD, uid="another"), b=POD),
        pods(a=replace(POD, is_going=True), b=POD),
    ],
    ids=["gone", "another of its name", "going"],
)
def test_a_pod_that_others_deleted_is_told(after: View) -> None:
    assert foreign_deletions(BEFORE, after, entries=[GRAY]) == [
        f"somebody else deleted {A} during the run"
    ]


def test_pods_that_are_there_or_were_going_are_not() -> None:
    assert foreign_deletions(BEFORE, BEFORE, entries=[]) == []
    ended = pods(a=replace(POD, node=""), b=POD)
    assert foreign_deletions(BEFORE, ended, entries=[]) == []
    assert foreign_deletions(pods(a=replace(POD, is_going=True)), pods(), entries=[]) == []


@pytest.mark.parametrize(
    "after",
    [pods(since="True 12:05"), pods(since="Unknown 12:05"), View(0.0)],
    ids=["was not ready", "is not ready", "is gone"],
)
def test_pods_of_a_node_that_was_not_ready_may_have_been_evicted(after: View) -> None:
    assert foreign_deletions(BEFORE, after, entries=[GRAY]) == []


@pytest.mark.parametrize(
    "taker",
    [
        entry("rolling-update", "deployment/default/web", operation=True),
        entry("drain", "node/node-1", operation=True),
        entry("freeze", "node/node-1"),
        entry("freeze", "control-plane"),
    ],
    ids=lambda taker: f"{taker.kind} on {taker.target}",
)
def test_pods_that_the_plan_may_have_had_deleted_are_no_matter(taker: PlanEntry) -> None:
    assert foreign_deletions(BEFORE, pods(), entries=[GRAY, taker]) == []


def test_a_zombie_is_deleted_by_the_plan_and_another_pod_is_not() -> None:
    assert foreign_deletions(BEFORE, pods(), entries=[entry("zombie", A)]) == [
        f"somebody else deleted {B} during the run"
    ]
