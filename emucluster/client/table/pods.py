"""Rows of pods. Source: kubernetes/kubernetes pkg/printers/internalversion, printPod."""

from __future__ import annotations

from collections.abc import Sequence

from emucluster.client.table.durations import human_duration, seconds_of
from emucluster.core.objects import ContainerState, ContainerStatus, Pod

NODE_LOST = "NodeLost"


def pod_status(pod: Pod) -> str:
    """The STATUS column: the phase, unless a container or the node says more."""
    status = pod.status
    reason = status.reason or status.phase or "Unknown"
    for condition in status.conditions:
        if condition.type == "PodScheduled" and condition.reason == "SchedulingGated":
            reason = "SchedulingGated"
    initializing = _init_reason(pod)
    if initializing:
        reason = initializing
    else:
        reason = _containers_reason(pod, reason)
    if pod.metadata.deletion_timestamp and status.reason == NODE_LOST:
        return "Unknown"
    if pod.metadata.deletion_timestamp and status.phase not in ("Succeeded", "Failed"):
        return "Terminating"
    return reason


def _init_reason(pod: Pod) -> str:
    """`Init:1/2`, `Init:Error` while init containers have not all succeeded; else empty."""
    restartable = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    for index, status in enumerate(pod.status.init_container_statuses):
        ended, waiting = status.state.terminated, status.state.waiting
        if ended is not None and ended.exit_code == 0:
            continue
        if status.name in restartable and status.started:
            continue
        if ended is not None:
            return f"Init:{ended.reason or _exit(ended.signal, ended.exit_code)}"
        if waiting is not None and waiting.reason not in (None, "", "PodInitializing"):
            return f"Init:{waiting.reason}"
        return f"Init:{index}/{len(pod.spec.init_containers)}"
    return ""


def _containers_reason(pod: Pod, reason: str) -> str:
    has_running = False
    for status in reversed(pod.status.container_statuses):
        state = status.state
        if state.waiting is not None and state.waiting.reason:
            reason = state.waiting.reason
        elif state.terminated is not None:
            ended = state.terminated
            reason = ended.reason or _exit(ended.signal, ended.exit_code)
        elif status.ready and state.running is not None:
            has_running = True
    if reason == "Completed" and has_running:
        return "Running" if _is_ready(pod) else "NotReady"
    return reason


def _exit(signal: int | None, code: int) -> str:
    return f"Signal:{signal}" if signal else f"ExitCode:{code}"


def _is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def ready_column(pod: Pod) -> str:
    """`1/2`: containers that are ready, of all; restartable init containers count."""
    counted = _counted(pod)
    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    ready = sum(status.ready and status.state.running is not None for status in counted)
    return f"{ready}/{len(pod.spec.containers) + len(sidecars)}"


def restarts_column(pod: Pod, now_s: float) -> str:
    """`3 (5m ago)`: all restarts, and when the last one was."""
    counted = _counted(pod)
    restarts = sum(status.restart_count for status in counted)
    ends = [_ended_s(status.last_state) for status in counted if status.restart_count]
    known = [end for end in ends if end is not None]
    if not restarts or not known:
        return str(restarts)
    return f"{restarts} ({human_duration(now_s - max(known))} ago)"


def _counted(pod: Pod) -> Sequence[ContainerStatus]:
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == "Always"}
    inits = [s for s in pod.status.init_container_statuses if s.name in sidecars]
    return [*inits, *pod.status.container_statuses]


def _ended_s(state: ContainerState) -> float | None:
    return None if state.terminated is None else seconds_of(state.terminated.finished_at)


def gates_column(pod: Pod) -> str:
    """READINESS GATES: `1/2` of them true, or `<none>`."""
    gates = [gate.condition_type for gate in pod.spec.readiness_gates]
    if not gates:
        return "<none>"
    true = {c.type for c in pod.status.conditions if c.status == "True"}
    return f"{sum(gate in true for gate in gates)}/{len(gates)}"
