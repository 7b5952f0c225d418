"""Rows of pods.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go, printPod.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emucluster.core.objects import ContainerState, ContainerStatus, Pod

from .ages import age, human_duration, seconds_of
from .column import AGE, NAME, NONE, Cell, Printer, RowCondition, column

NODE_LOST = "NodeLost"
TERMINAL = ("Succeeded", "Failed")

SUCCEEDED = (RowCondition("Completed", "True", "Succeeded", "The pod has completed successfully."),)
FAILED = (RowCondition("Completed", "True", "Failed", "The pod failed."),)


@dataclass(slots=True)
class _Summary:
    """What is said of a pod while its containers are gone through."""

    reason: str
    ready: int = 0
    restarts: int = 0
    last_end: str = ""
    """When the container that was restarted last had ended; empty: no restart is known."""

    def count_restarts(self, status: ContainerStatus) -> None:
        self.restarts += status.restart_count
        ended = status.last_state.terminated
        if ended is not None and ended.finished_at:
            self.last_end = max(self.last_end, ended.finished_at)


def pod_status(pod: Pod) -> str:
    """The STATUS column: the phase, unless a container or the node says more."""
    return _summary(pod).reason


def ready_text(pod: Pod) -> str:
    """The READY column, `1/2`: of all containers those that are ready; sidecars count."""
    return f"{_summary(pod).ready}/{_wanted(pod)}"


def _cells(pod: Pod, now_s: float) -> list[Cell]:
    summary = _summary(pod)
    status, meta = pod.status, pod.metadata
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_end:
        ended_s = seconds_of(summary.last_end) or now_s
        restarts = f"{summary.restarts} ({human_duration(now_s - ended_s)} ago)"
    return [
        meta.name,
        f"{summary.ready}/{_wanted(pod)}",
        summary.reason,
        restarts,
        age(meta.creation_timestamp, now_s),
        (status.pod_ips[0].ip if status.pod_ips else status.pod_ip) or NONE,
        pod.spec.node_name or NONE,
        status.nominated_node_name or NONE,
        _gates(pod),
    ]


def _wanted(pod: Pod) -> int:
    return len(pod.spec.containers) + len(_sidecars(pod))


def _sidecars(pod: Pod) -> frozenset[str]:
    """Init containers that go on beside the others."""
    if not pod.spec.init_containers:
        return frozenset()
    return frozenset(c.name for c in pod.spec.init_containers if c.restart_policy == "Always")


def _summary(pod: Pod) -> _Summary:
    status = pod.status
    summary = _Summary(status.reason or status.phase or "")
    for condition in status.conditions:
        if condition.type == "PodScheduled" and condition.reason == "SchedulingGated":
            summary.reason = "SchedulingGated"
    sidecars = _sidecars(pod)
    of_sidecars = _Summary("")
    initializing = False
    for index, init in enumerate(status.init_container_statuses):
        summary.count_restarts(init)
        if init.name in sidecars:
            of_sidecars.count_restarts(init)
        if init.state.terminated is not None and init.state.terminated.exit_code == 0:
            continue
        if init.name in sidecars and init.started:
            summary.ready += bool(init.ready)
            continue
        summary.reason = _init_reason(init.state, index, len(pod.spec.init_containers))
        initializing = True
        break
    if not initializing or _is_true(pod, "Initialized"):
        summary.restarts, summary.last_end = of_sidecars.restarts, of_sidecars.last_end
        _take_containers(pod, summary)
    if pod.metadata.deletion_timestamp:
        if status.reason == NODE_LOST:
            summary.reason = "Unknown"
        elif status.phase not in TERMINAL:
            summary.reason = "Terminating"
    return summary


def _init_reason(state: ContainerState, index: int, count: int) -> str:
    """`Init:1/2`, or why the init container with this index holds the others up."""
    if state.terminated is not None:
        ended = state.terminated
        return f"Init:{ended.reason or _exit(ended.signal, ended.exit_code)}"
    if state.waiting is not None and state.waiting.reason not in (None, "", "PodInitializing"):
        return f"Init:{state.waiting.reason}"
    return f"Init:{index}/{count}"


def _take_containers(pod: Pod, summary: _Summary) -> None:
    has_running = False
    for status in _backwards(pod.status.container_statuses):
        summary.count_restarts(status)
        state = status.state
        if state.waiting is not None and state.waiting.reason:
            summary.reason = state.waiting.reason
        elif state.terminated is not None:
            ended = state.terminated
            summary.reason = ended.reason or _exit(ended.signal, ended.exit_code)
        elif status.ready and state.running is not None:
            has_running = True
            summary.ready += 1
    if summary.reason == "Completed" and has_running:
        summary.reason = "Running" if _is_true(pod, "Ready") else "NotReady"


def _backwards(statuses: Sequence[ContainerStatus]) -> Iterable[ContainerStatus]:
    """The first container has the last word."""
    return reversed(statuses) if len(statuses) > 1 else statuses


def _exit(signal: int | None, code: int) -> str:
    return f"Signal:{signal}" if signal else f"ExitCode:{code}"


def _is_true(pod: Pod, type_: str) -> bool:
    return any(c.type == type_ and c.status == "True" for c in pod.status.conditions)


def _gates(pod: Pod) -> str:
    """READINESS GATES: `1/2` of them true, or `<none>`."""
    gates = pod.spec.readiness_gates
    if not gates:
        return NONE
    return f"{sum(_is_true(pod, gate.condition_type) for gate in gates)}/{len(gates)}"


def _conditions(pod: Pod) -> Sequence[RowCondition]:
    if pod.status.phase == "Succeeded":
        return SUCCEEDED
    return FAILED if pod.status.phase == "Failed" else ()


POD: Printer[Pod] = Printer(
    columns=(
        NAME,
        column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
        column("Status", "The aggregate status of the containers in this pod."),
        column(
            "Restarts",
            "The number of times the containers in this pod have been restarted and when the last "
            "container in this pod has restarted.",
        ),
        AGE,
        column("IP", "podIP address allocated to the pod.", wide=True),
        column("Node", "NodeName indicates in which node this pod is scheduled.", wide=True),
        column(
            "Nominated Node",
            "nominatedNodeName is set only when this pod preempts other pods on the node, but it "
            "cannot be scheduled right away as preemption victims receive their graceful "
            "termination periods.",
            wide=True,
        ),
        column(
            "Readiness Gates",
            "If specified, all readiness gates will be evaluated for pod readiness.",
            wide=True,
        ),
    ),
    cells=_cells,
    conditions=_conditions,
)
