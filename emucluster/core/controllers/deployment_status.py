"""What a Deployment's status says (kubernetes/pkg/controller/deployment/{sync,progress}.go)."""

from __future__ import annotations

from collections.abc import Sequence

from emucluster.core.objects import (
    Deployment,
    DeploymentCondition,
    DeploymentStatus,
    ReplicaSet,
    replace,
)

from .stamps import wall_s

Conditions = tuple[DeploymentCondition, ...]
NO_DEADLINE = 2**31 - 1


def with_condition(
    conditions: Conditions, type_: str, status: str, reason: str, message: str, *, stamp: str
) -> Conditions:
    """The conditions with this one; unchanged if its status and reason are the same already."""
    old = find(conditions, type_)
    if old is not None and (old.status, old.reason) == (status, reason):
        return conditions
    same_status = old is not None and old.status == status
    new = DeploymentCondition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        last_update_time=stamp,
        last_transition_time=old.last_transition_time if old and same_status else stamp,
    )
    return (*(each for each in conditions if each.type != type_), new)


def find(conditions: Conditions, type_: str) -> DeploymentCondition | None:
    return next((each for each in conditions if each.type == type_), None)


def counted(
    deployment: Deployment,
    new: ReplicaSet | None,
    sets: Sequence[ReplicaSet],
    *,
    unavailable: int,
    stamp: str,
) -> DeploymentStatus:
    """The counts and the condition Available."""
    replicas = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    available = sum(each.status.available_replicas or 0 for each in sets)
    wanted = sum(each.spec.replicas or 0 for each in sets)
    if available >= replicas - unavailable:
        told = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        message = "Deployment does not have minimum availability."
        told = ("False", "MinimumReplicasUnavailable", message)
    old = deployment.status
    return replace(
        old,
        observed_generation=deployment.metadata.generation,
        replicas=sum(each.status.replicas for each in sets) or None,
        updated_replicas=(new.status.replicas if new else 0) or None,
        ready_replicas=sum(each.status.ready_replicas or 0 for each in sets) or None,
        available_replicas=available or None,
        unavailable_replicas=max(0, wanted - available) or None,
        conditions=with_condition(old.conditions, "Available", *told, stamp=stamp),
    )


def progressed(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, *, stamp: str
) -> DeploymentStatus:
    """`status` with the condition Progressing. Without a deadline there is no such condition."""
    if deadline_s(deployment) is None:
        others = tuple(each for each in status.conditions if each.type != "Progressing")
        return replace(status, conditions=others)
    now = find(status.conditions, "Progressing")
    what = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{_name(deployment)}"'
    done = (status.replicas or 0) == (status.updated_replicas or 0)
    if done and now is not None and now.reason == "NewReplicaSetAvailable":
        return status
    if is_complete(deployment, status):
        told = ("True", "NewReplicaSetAvailable", f"{what} has successfully progressed.")
    elif _moved(deployment.status, status):
        told = ("True", "ReplicaSetUpdated", f"{what} is progressing.")
        # Another step of the same kind renews lastUpdateTime, from which the deadline counts.
        old = find(status.conditions, "Progressing")
        if old is not None and (old.status, old.reason) == told[:2]:
            renewed = replace(old, last_update_time=stamp, message=told[2])
            others = tuple(each for each in status.conditions if each.type != "Progressing")
            return replace(status, conditions=(*others, renewed))
    elif (left := seconds_left(deployment, status, stamp=stamp)) is not None and left <= 0:
        told = ("False", "ProgressDeadlineExceeded", f"{what} has timed out progressing.")
    else:
        return status
    conditions = with_condition(status.conditions, "Progressing", *told, stamp=stamp)
    return replace(status, conditions=conditions)


def with_failure(
    status: DeploymentStatus, new: ReplicaSet | None, sets: Sequence[ReplicaSet]
) -> DeploymentStatus:
    """`status` with the condition ReplicaFailure of a set that could not create its pods.

    The new set's comes first; without any, the Deployment has none.
    """
    others = tuple(each for each in status.conditions if each.type != "ReplicaFailure")
    asked = (new, *sets) if new is not None else sets
    for each in (c for owned in asked for c in owned.status.conditions):
        if each.type != "ReplicaFailure":
            continue
        old = find(status.conditions, "ReplicaFailure")
        if old is not None and (old.status, old.reason) == (each.status, each.reason):
            return status
        failed = DeploymentCondition(
            type=each.type,
            status=each.status,
            reason=each.reason,
            message=each.message,
            last_update_time=each.last_transition_time,
            last_transition_time=each.last_transition_time,
        )
        return replace(status, conditions=(*others, failed))
    return status if len(others) == len(status.conditions) else replace(status, conditions=others)


def pause_noted(
    deployment: Deployment, status: DeploymentStatus, *, stamp: str
) -> DeploymentStatus:
    """`status` saying that the Deployment is paused or was resumed, if that is new.

    A missed deadline that was told stays told (checkPausedConditions).
    """
    now = find(status.conditions, "Progressing")
    if deadline_s(deployment) is None or deployment.metadata.deletion_timestamp is not None:
        return status
    if now is not None and now.reason == "ProgressDeadlineExceeded":
        return status
    was_paused = now is not None and now.reason == "DeploymentPaused"
    if deployment.spec.paused and not was_paused:
        told = ("Unknown", "DeploymentPaused", "Deployment is paused")
    elif was_paused and not deployment.spec.paused:
        told = ("Unknown", "DeploymentResumed", "Deployment is resumed")
    else:
        return status
    conditions = with_condition(status.conditions, "Progressing", *told, stamp=stamp)
    return replace(status, conditions=conditions)


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Every pod is of the present template and available, and none of an old one is left."""
    replicas = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    return (
        (status.updated_replicas or 0) == replicas
        and (status.replicas or 0) == replicas
        and (status.available_replicas or 0) == replicas
        and (status.observed_generation or 0) >= (deployment.metadata.generation or 0)
    )


def deadline_s(deployment: Deployment) -> int | None:
    """progressDeadlineSeconds; None where the greatest number says that there is none."""
    deadline = deployment.spec.progress_deadline_seconds
    deadline = 600 if deadline is None else deadline
    return None if deadline >= NO_DEADLINE else deadline


def seconds_left(deployment: Deployment, status: DeploymentStatus, *, stamp: str) -> float | None:
    """Until the roll-out counts as stuck; None if it is finished, stuck, paused or unlimited."""
    deadline, now = deadline_s(deployment), find(status.conditions, "Progressing")
    if deadline is None or now is None or deployment.spec.paused:
        return None
    if now.reason in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    return wall_s(now.last_update_time) + deadline - wall_s(stamp)


def _moved(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    old_rest = (old.replicas or 0) - (old.updated_replicas or 0)
    new_rest = (new.replicas or 0) - (new.updated_replicas or 0)
    return (
        (new.updated_replicas or 0) > (old.updated_replicas or 0)
        or new_rest < old_rest
        or (new.ready_replicas or 0) > (old.ready_replicas or 0)
        or (new.available_replicas or 0) > (old.available_replicas or 0)
    )


def _name(deployment: Deployment) -> str:
    return deployment.metadata.name
