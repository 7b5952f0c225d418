"""Rows of Deployments and their like.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.objects import (
    ControllerRevision,
    DaemonSet,
    Deployment,
    PodDisruptionBudget,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
)
from emucluster.core.store.selectors import selector_text

from .ages import age
from .column import AGE, NAME, NONE, Cell, Printer, column
from .selectors import format_labels, format_selector
from .templates import CONTAINERS, IMAGES, containers_cells


def _deployment(obj: Deployment, now_s: float) -> list[Cell]:
    spec, status = obj.spec, obj.status
    return [
        obj.metadata.name,
        f"{status.ready_replicas or 0}/{1 if spec.replicas is None else spec.replicas}",
        status.updated_replicas or 0,
        status.available_replicas or 0,
        age(obj.metadata.creation_timestamp, now_s),
        *containers_cells(spec.template),
        selector_text(spec.selector),
    ]


def _replica_set(obj: ReplicaSet, now_s: float) -> list[Cell]:
    return [*_counts(obj, now_s), format_selector(obj.spec.selector)]


def _replication_controller(obj: ReplicationController, now_s: float) -> list[Cell]:
    return [*_counts(obj, now_s), format_labels(obj.spec.selector)]


def _counts(obj: ReplicaSet | ReplicationController, now_s: float) -> list[Cell]:
    spec, status = obj.spec, obj.status
    return [
        obj.metadata.name,
        1 if spec.replicas is None else spec.replicas,
        status.replicas or 0,
        status.ready_replicas or 0,
        age(obj.metadata.creation_timestamp, now_s),
        *containers_cells(spec.template),
    ]


def _stateful_set(obj: StatefulSet, now_s: float) -> list[Cell]:
    wanted = 1 if obj.spec.replicas is None else obj.spec.replicas
    return [
        obj.metadata.name,
        f"{obj.status.ready_replicas or 0}/{wanted}",
        age(obj.metadata.creation_timestamp, now_s),
        *containers_cells(obj.spec.template),
    ]


def _daemon_set(obj: DaemonSet, now_s: float) -> list[Cell]:
    status, template = obj.status, obj.spec.template
    return [
        obj.metadata.name,
        status.desired_number_scheduled or 0,
        status.current_number_scheduled or 0,
        status.number_ready or 0,
        status.updated_number_scheduled or 0,
        status.number_available or 0,
        format_labels(template.spec.node_selector),
        age(obj.metadata.creation_timestamp, now_s),
        *containers_cells(template),
        format_selector(obj.spec.selector),
    ]


def _controller_revision(obj: ControllerRevision, now_s: float) -> list[Cell]:
    owners = [owner for owner in obj.metadata.owner_references if owner.controller]
    controller = NONE
    if owners:
        group, slash, _ = owners[0].api_version.partition("/")
        qualified = f"{owners[0].kind}.{group}" if slash else owners[0].kind
        controller = f"{qualified.lower()}/{owners[0].name}"
    return [
        obj.metadata.name,
        controller,
        obj.revision,
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _disruption_budget(obj: PodDisruptionBudget, now_s: float) -> list[Cell]:
    spec = obj.spec
    return [
        obj.metadata.name,
        "N/A" if spec.min_available is None else str(spec.min_available),
        "N/A" if spec.max_unavailable is None else str(spec.max_unavailable),
        obj.status.disruptions_allowed or 0,
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _scale(obj: Any, now_s: float) -> list[Cell]:
    return [
        obj.metadata.name,
        obj.spec.replicas or 0,
        obj.status.replicas or 0,
        age(obj.metadata.creation_timestamp, now_s),
    ]


_READY = column("Ready", "Number of the pod with ready state")
_COUNTS = (
    NAME,
    column("Desired", "Replicas is the number of desired replicas.", type="integer"),
    column("Current", "Replicas is the most recently observed number of replicas.", type="integer"),
    column("Ready", "The number of pods with a Ready Condition.", type="integer"),
    AGE,
    CONTAINERS,
    IMAGES,
    column(
        "Selector",
        "Selector is a label query over pods that should match the replica count.",
        wide=True,
    ),
)

DEPLOYMENT: Printer[Deployment] = Printer(
    (
        NAME,
        _READY,
        column(
            "Up-to-date",
            "Total number of non-terminated pods targeted by this deployment that have the "
            "desired template spec.",
        ),
        column(
            "Available",
            "Total number of available pods (ready for at least minReadySeconds) targeted by this "
            "deployment.",
        ),
        AGE,
        CONTAINERS,
        IMAGES,
        column("Selector", "Label selector for pods.", wide=True),
    ),
    _deployment,
)
REPLICA_SET: Printer[ReplicaSet] = Printer(_COUNTS, _replica_set)
REPLICATION_CONTROLLER: Printer[ReplicationController] = Printer(_COUNTS, _replication_controller)
STATEFUL_SET: Printer[StatefulSet] = Printer((NAME, _READY, AGE, CONTAINERS, IMAGES), _stateful_set)
DAEMON_SET: Printer[DaemonSet] = Printer(
    (
        NAME,
        column(
            "Desired",
            "The total number of nodes that should be running the daemon pod (including nodes "
            "correctly running the daemon pod).",
            type="integer",
        ),
        column(
            "Current",
            "The number of nodes that are running at least 1 daemon pod and are supposed to run "
            "the daemon pod.",
            type="integer",
        ),
        column(
            "Ready",
            "numberReady is the number of nodes that should be running the daemon pod and have "
            "one or more of the daemon pod running with a Ready Condition.",
            type="integer",
        ),
        column(
            "Up-to-date",
            "The total number of nodes that are running updated daemon pod",
            type="integer",
        ),
        column(
            "Available",
            "The number of nodes that should be running the daemon pod and have one or more of "
            "the daemon pod running and available (ready for at least spec.minReadySeconds)",
            type="integer",
        ),
        column(
            "Node Selector",
            "NodeSelector is a selector which must be true for the pod to fit on a node.",
        ),
        AGE,
        CONTAINERS,
        IMAGES,
        column(
            "Selector", "A label query over pods that are managed by the daemon set.", wide=True
        ),
    ),
    _daemon_set,
)
CONTROLLER_REVISION: Printer[ControllerRevision] = Printer(
    (
        NAME,
        column("Controller", "Controller of the object"),
        column("Revision", "Revision indicates the revision of the state represented by Data."),
        AGE,
    ),
    _controller_revision,
)
DISRUPTION_BUDGET: Printer[PodDisruptionBudget] = Printer(
    (
        NAME,
        column("Min Available", "The minimum number of pods that must be available."),
        column("Max Unavailable", "The maximum number of pods that may be unavailable."),
        column(
            "Allowed Disruptions",
            "Calculated number of pods that may be disrupted at this time.",
            type="integer",
        ),
        AGE,
    ),
    _disruption_budget,
)
SCALE: Printer[Any] = Printer(
    (
        column("Name", NAME.description),
        column(
            "Desired",
            "replicas is the desired number of instances for the scaled object.",
            type="integer",
        ),
        column(
            "Available",
            "replicas is the actual number of observed instances of the scaled object.",
            type="integer",
        ),
        AGE,
    ),
    _scale,
)
