"""The PodStatus that a kubelet reports (kubernetes/kubernetes pkg/kubelet/status/generate.go)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from emucluster.core.kubelet.container import ContainerRecord
from emucluster.core.objects import HostIP, Pod, PodCondition, PodIP, PodSpec, PodStatus, replace

OWNED = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)
"""Conditions that the kubelet writes; all others are somebody else's and are kept."""


@dataclass(slots=True)
class Conditions:
    """The kubelet's own conditions, with the moments at which their status changed."""

    _known: dict[str, PodCondition] = field(default_factory=dict)

    def adopt(self, conditions: Iterable[PodCondition]) -> None:
        """Start from what the API server has, so that unchanged ones keep their time."""
        self._known = {each.type: each for each in conditions if each.type in OWNED}

    def set(
        self, type_: str, holds: bool, *, stamp: str, reason: str = "", message: str = ""
    ) -> PodCondition:
        status, known = "True" if holds else "False", self._known.get(type_)
        since = known.last_transition_time if known and known.status == status else stamp
        condition = PodCondition(
            type=type_,
            status=status,
            last_probe_time=None,
            last_transition_time=since,
            reason=reason or None,
            message=message or None,
        )
        self._known[type_] = condition
        return condition


@dataclass(frozen=True, slots=True)
class PodView:
    """What a status is computed from."""

    pod: Pod
    inits: Sequence[ContainerRecord]
    mains: Sequence[ContainerRecord]
    ip: str
    host_ip: str
    start_stamp: str
    ended: bool
    """Everything has stopped and nothing will start again."""


def build_status(view: PodView, conditions: Conditions, *, stamp: str) -> PodStatus:
    """The status to report now; fields of others in the pod's status are kept."""
    phase = pod_phase(view)
    return replace(
        view.pod.status,
        phase=phase,
        conditions=_conditions(view, conditions, phase, stamp),
        host_ip=view.host_ip,
        host_ips=(HostIP(ip=view.host_ip),),
        pod_ip=view.ip or None,
        pod_ips=(PodIP(ip=view.ip),) if view.ip else (),
        start_time=view.start_stamp,
        qos_class=view.pod.status.qos_class or qos_class(view.pod.spec),
        init_container_statuses=tuple(record.status() for record in view.inits),
        container_statuses=tuple(record.status() for record in view.mains),
    )


def pod_phase(view: PodView) -> str:
    """Pending, Running, Succeeded or Failed; a deleted pod that has stopped is one of the last."""
    if view.ended:
        plain = [each for each in view.inits if not each.is_sidecar]
        return "Failed" if any(_failed(each) for each in [*plain, *view.mains]) else "Succeeded"
    if not initialized(view.inits):
        return "Pending"
    if any(not record.is_live and record.exit is None for record in view.mains):
        return "Pending"
    if any(record.phase == "starting" and record.created <= 1 for record in view.mains):
        return "Pending"
    return "Running"


def _failed(record: ContainerRecord) -> bool:
    return record.exit is None or record.exit.exit_code != 0


def initialized(inits: Sequence[ContainerRecord]) -> bool:
    """Whether the containers proper may start."""
    return all(is_init_done(record) for record in inits)


def is_init_done(record: ContainerRecord) -> bool:
    """An init container has succeeded, or a sidecar has started."""
    if record.is_sidecar:
        return record.started or record.created > 1
    return record.exit is not None and record.exit.exit_code == 0


def _conditions(
    view: PodView, conditions: Conditions, phase: str, stamp: str
) -> tuple[PodCondition, ...]:
    sandbox = bool(view.ip) and not view.ended
    waiting = [each.spec.name for each in view.inits if not is_init_done(each)]
    unready = [
        each.spec.name
        for each in (*(each for each in view.inits if each.is_sidecar), *view.mains)
        if not each.ready
    ]
    reason, message = "", ""
    if phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    elif unready:
        reason = "ContainersNotReady"
        message = f"containers with unready status: [{' '.join(unready)}]"
    containers_ready = not reason
    gate = _closed_gate(view.pod)
    ready = containers_ready and gate is None
    own = [
        conditions.set("PodReadyToStartContainers", sandbox, stamp=stamp),
        conditions.set(
            "Initialized",
            not waiting or phase == "Succeeded",
            stamp=stamp,
            reason="ContainersNotInitialized" if waiting else "",
            message=f"containers with incomplete status: [{' '.join(waiting)}]" if waiting else "",
        ),
        conditions.set(
            "Ready",
            ready,
            stamp=stamp,
            reason=reason or ("ReadinessGatesNotReady" if gate else ""),
            message=message or gate or "",
        ),
        conditions.set(
            "ContainersReady", containers_ready, stamp=stamp, reason=reason, message=message
        ),
        conditions.set("PodScheduled", True, stamp=stamp),
    ]
    others = [each for each in view.pod.status.conditions if each.type not in OWNED]
    return (*own, *others)


def _closed_gate(pod: Pod) -> str | None:
    """The message for the first readiness gate that keeps the pod from Ready."""
    found = {each.type: each.status for each in pod.status.conditions}
    for gate in pod.spec.readiness_gates:
        if gate.condition_type not in found:
            return (
                f'corresponding condition of pod readiness gate "{gate.condition_type}" '
                "does not exist."
            )
        if found[gate.condition_type] != "True":
            return (
                f'the status of pod readiness gate "{gate.condition_type}" is not "True", '
                f"but {found[gate.condition_type]}"
            )
    return None


def qos_class(spec: PodSpec) -> str:
    """BestEffort, Burstable or Guaranteed, by the resources of the containers."""
    guaranteed, best_effort = True, True
    for container in (*spec.containers, *spec.init_containers):
        limits = (container.resources.limits or {}) if container.resources else {}
        requests = (container.resources.requests or {}) if container.resources else {}
        for name in ("cpu", "memory"):
            best_effort = best_effort and name not in limits and name not in requests
            guaranteed = guaranteed and name in limits
            guaranteed = guaranteed and requests.get(name, limits.get(name)) == limits.get(name)
    if best_effort:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
