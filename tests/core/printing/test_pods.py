"""Rows of pods.

The cases are those of pkg/printers/internalversion/printers_test.go at 1.32: TestPrintPod,
TestPrintPodWithRestartableInitContainer, TestPrintPodwide, TestPrintPodConditions.
"""

from typing import Any

import pytest

from emucluster.core.objects import Pod
from emucluster.core.objects.codec import decode_tree
from emucluster.core.printing.pods import POD

NOW_S = 1767225600.0
SECONDS = {10: "2025-12-31T23:59:50Z", 20: "2025-12-31T23:59:40Z", 120: "2025-12-31T23:58:00Z"}
DAYS = {5: "2025-12-27T00:00:00Z", 10: "2025-12-22T00:00:00Z", 20: "2025-12-12T00:00:00Z"}
RUNNING: dict[str, Any] = {"running": {}}
WAITING: dict[str, Any] = {"waiting": {}}
SIDECARS = [{"name": name, "restartPolicy": "Always"} for name in ("init-1", "init-2")]


def pod(containers: int = 1, inits: Any = (), meta: Any = None, **status: Any) -> Pod:
    specs = [{"name": each} if isinstance(each, str) else each for each in inits]
    made = decode_tree(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "test", **(meta or {})},
            "spec": {
                "containers": [{"name": f"c{i}"} for i in range(containers)],
                "initContainers": specs,
            },
            "status": {"phase": "podPhase", **status},
        }
    )
    assert isinstance(made, Pod)
    return made


def was(
    state: Any = None, *, ready: bool = False, count: int = 0, ended: str = "", **more: Any
) -> dict[str, Any]:
    """One container's status; `ended` is when its last instance did."""
    status = {"name": "c0", "ready": ready, "restartCount": count, "state": state or {}, **more}
    if ended:
        status["lastState"] = {"terminated": {"exitCode": 1, "finishedAt": ended}}
    return status


def done(reason: str = "", code: int = 0) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


UP = was(RUNNING, ready=True, count=3)


@pytest.mark.parametrize(
    ("made", "ready", "status", "restarts"),
    [
        (pod(2, containerStatuses=[UP, was(count=3)]), "1/2", "podPhase", "6"),
        (
            pod(2, containerStatuses=[UP, was({"waiting": {"reason": "Why"}}, count=3)]),
            *("1/2", "Why", "6"),
        ),
        (
            pod(
                2,
                containerStatuses=[
                    was({"waiting": {"reason": "Waiting"}}, count=3),
                    was(done("Terminated"), count=3),
                ],
            ),
            *("0/2", "Waiting", "6"),
        ),
        (pod(2, containerStatuses=[UP, was(ready=True, count=3)]), "1/2", "podPhase", "6"),
        (
            pod(2, reason="podReason", containerStatuses=[UP, was(ready=True, count=3)]),
            *("1/2", "podReason", "6"),
        ),
        (
            pod(
                2,
                phase="Running",
                containerStatuses=[was(done("Completed"), ready=True, count=3), UP],
            ),
            *("1/2", "NotReady", "6"),
        ),
        (
            pod(
                2,
                phase="Running",
                containerStatuses=[was(done("Completed"), ready=True, count=3), UP],
                conditions=[{"type": "Ready", "status": "True"}],
            ),
            *("1/2", "Running", "6"),
        ),
        (
            pod(
                inits=["i"],
                initContainerStatuses=[was(RUNNING, count=3, ended=SECONDS[10])],
                containerStatuses=[was(WAITING)],
            ),
            *("0/1", "Init:0/1", "3 (10s ago)"),
        ),
        (
            pod(
                inits=["i", "j"],
                initContainerStatuses=[was(RUNNING, count=3, ended=SECONDS[10]), was(WAITING)],
                containerStatuses=[was(WAITING)],
            ),
            *("0/1", "Init:0/2", "3 (10s ago)"),
        ),
        (
            pod(
                inits=["i", "j"],
                initContainerStatuses=[was(done()), was(RUNNING, count=3, ended=SECONDS[10])],
                containerStatuses=[was(WAITING)],
            ),
            *("0/1", "Init:1/2", "3 (10s ago)"),
        ),
        (
            pod(
                inits=["i", "j"],
                initContainerStatuses=[
                    was(done(), count=2, ended=SECONDS[120]),
                    was(RUNNING, count=3, ended=SECONDS[10]),
                ],
                containerStatuses=[was(WAITING)],
            ),
            *("0/1", "Init:1/2", "5 (10s ago)"),
        ),
        (
            pod(
                phase="Running",
                inits=["i"],
                initContainerStatuses=[was(done(), count=2, ended=SECONDS[120])],
                containerStatuses=[was(RUNNING, count=4, ended=SECONDS[20])],
            ),
            *("0/1", "Running", "4 (20s ago)"),
        ),
        (
            pod(
                phase="Running",
                containerStatuses=[was(RUNNING, ready=True, count=3, ended=DAYS[5])],
            ),
            *("1/1", "Running", "3 (5d ago)"),
        ),
        (
            pod(
                2,
                phase="Running",
                containerStatuses=[
                    was(RUNNING, ready=True),
                    was(RUNNING, ready=True, count=3, ended=DAYS[10]),
                ],
            ),
            *("2/2", "Running", "3 (10d ago)"),
        ),
        (
            pod(
                2,
                phase="Running",
                containerStatuses=[
                    was(RUNNING, ready=True, count=6, ended=DAYS[5]),
                    was(RUNNING, ready=True, count=3, ended=DAYS[20]),
                ],
            ),
            *("2/2", "Running", "9 (5d ago)"),
        ),
        (
            pod(
                2,
                conditions=[
                    {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
                ],
            ),
            *("0/2", "SchedulingGated", "0"),
        ),
        (
            pod(phase="Failed", containerStatuses=[was(done("Error", 1))]),
            *("0/1", "Error", "0"),
        ),
        (
            pod(
                phase="Succeeded",
                meta={"deletionTimestamp": SECONDS[10]},
                containerStatuses=[was(done("Completed"))],
            ),
            *("0/1", "Completed", "0"),
        ),
        (
            pod(
                phase="Running",
                meta={"deletionTimestamp": SECONDS[10]},
                containerStatuses=[was(RUNNING, ready=True)],
            ),
            *("1/1", "Terminating", "0"),
        ),
        (
            pod(
                phase="Running",
                meta={"deletionTimestamp": SECONDS[10]},
                reason="NodeLost",
                containerStatuses=[was(RUNNING, ready=True)],
            ),
            *("1/1", "Unknown", "0"),
        ),
        (pod(containerStatuses=[was(done(code=3))]), "0/1", "ExitCode:3", "0"),
        (
            pod(containerStatuses=[was({"terminated": {"exitCode": 137, "signal": 9}})]),
            *("0/1", "Signal:9", "0"),
        ),
        (
            pod(inits=["i"], initContainerStatuses=[was(done(code=3))]),
            *("0/1", "Init:ExitCode:3", "0"),
        ),
        (
            pod(inits=["i"], initContainerStatuses=[was({"waiting": {"reason": "Pulling"}})]),
            *("0/1", "Init:Pulling", "0"),
        ),
    ],
)
def test_a_pod_is_summed_up_as_upstream_does(
    made: Pod, ready: str, status: str, restarts: str
) -> None:
    assert POD.cells(made, NOW_S)[:5] == ["test", ready, status, restarts, "<unknown>"]


@pytest.mark.parametrize(
    ("made", "ready", "status", "restarts"),
    [
        (
            pod(
                inits=SIDECARS,
                phase="Pending",
                initContainerStatuses=[
                    was(RUNNING, name="init-1", started=False, count=3, ended=SECONDS[10]),
                    was(WAITING, name="init-2", started=False),
                ],
                containerStatuses=[was(WAITING)],
                conditions=[{"type": "Initialized", "status": "False"}],
            ),
            *("0/3", "Init:0/2", "3 (10s ago)"),
        ),
        (
            pod(
                inits=SIDECARS,
                phase="Pending",
                initContainerStatuses=[
                    was(RUNNING, name="init-1", started=True, count=3, ended=SECONDS[10]),
                    was(RUNNING, name="init-2", started=False),
                ],
                containerStatuses=[was(WAITING)],
                conditions=[{"type": "Initialized", "status": "False"}],
            ),
            *("0/3", "Init:1/2", "3 (10s ago)"),
        ),
        (
            pod(
                inits=SIDECARS,
                phase="Running",
                initContainerStatuses=[
                    was(RUNNING, name="init-1", started=True, count=3, ended=SECONDS[10]),
                    was(RUNNING, name="init-2", started=True),
                ],
                containerStatuses=[was(RUNNING, ready=True, count=4, ended=SECONDS[20])],
                conditions=[{"type": "Initialized", "status": "True"}],
            ),
            *("1/3", "Running", "7 (10s ago)"),
        ),
        (
            pod(
                inits=SIDECARS,
                phase="Succeeded",
                initContainerStatuses=[
                    was(
                        done("Error", 137),
                        name="init-1",
                        started=False,
                        count=3,
                        ended=SECONDS[10],
                    ),
                    was(done("Error", 137), name="init-2", started=False),
                ],
                containerStatuses=[was(done("Completed"), count=4, ended=SECONDS[20])],
                conditions=[{"type": "Initialized", "status": "True"}],
            ),
            *("0/3", "Completed", "7 (10s ago)"),
        ),
        (
            pod(
                inits=["init1", SIDECARS[0]],
                phase="Running",
                initContainerStatuses=[was(name="invalid"), was(name="init1"), was(name="init-1")],
                containerStatuses=[was(name="invalid"), was()],
            ),
            *("0/2", "Init:0/2", "0"),
        ),
    ],
)
def test_sidecars_count_and_do_not_hold_up(
    made: Pod, ready: str, status: str, restarts: str
) -> None:
    assert POD.cells(made, NOW_S)[:5] == ["test", ready, status, restarts, "<unknown>"]


def test_wide_rows_tell_where_a_pod_is_and_which_gates_are_open() -> None:
    made = pod(
        2,
        podIPs=[{"ip": "1.1.1.1"}, {"ip": "2001:db8::"}],
        nominatedNodeName="node1",
        conditions=[{"type": "one", "status": "False"}, {"type": "two", "status": "True"}],
    )
    tree = [{"conditionType": name} for name in ("one", "two", "three")]
    gated = decode_tree(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "test"},
            "spec": {"containers": [{"name": "c"}], "nodeName": "n", "readinessGates": tree},
            "status": {
                "podIPs": [{"ip": "1.1.1.1"}],
                "conditions": [{"type": "two", "status": "True"}],
            },
        }
    )
    assert POD.cells(made, NOW_S)[5:] == ["1.1.1.1", "<none>", "node1", "<none>"]
    assert POD.cells(gated, NOW_S)[5:] == ["1.1.1.1", "n", "<none>", "1/3"]  # type: ignore[arg-type]
    assert POD.cells(pod(), NOW_S)[5:] == ["<none>"] * 4


@pytest.mark.parametrize(
    ("phase", "reason", "message"),
    [
        ("Succeeded", "Succeeded", "The pod has completed successfully."),
        ("Failed", "Failed", "The pod failed."),
    ],
)
def test_rows_of_pods_that_run_no_more_say_so(phase: str, reason: str, message: str) -> None:
    assert POD.conditions is not None
    assert [(c.type, c.status, c.reason, c.message) for c in POD.conditions(pod(phase=phase))] == [
        ("Completed", "True", reason, message)
    ]
    assert not POD.conditions(pod(phase="Running"))
