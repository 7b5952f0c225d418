"""Facts about one pod that several controllers ask for (kubernetes/pkg/api/v1/pod/util.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from emucluster.core.objects import Object, OwnerReference, Pod, PodCondition, replace

from .stamps import wall_s

ObjectKey = tuple[str, str]
"""(namespace, name) within one kind."""
Obj = TypeVar("Obj", bound=Object)


def key_of(obj: Object) -> ObjectKey:
    return obj.metadata.namespace, obj.metadata.name


def is_terminal(pod: Pod) -> bool:
    """It has ended and will never run again."""
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """It counts towards its ReplicaSet: neither ended nor being deleted."""
    return not is_terminal(pod) and not is_deleting(pod)


def is_deleting(obj: Object) -> bool:
    return obj.metadata.deletion_timestamp is not None


def condition(pod: Pod, type_: str) -> PodCondition | None:
    return next((each for each in pod.status.conditions if each.type == type_), None)


def is_ready(pod: Pod) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.status == "True"


def ready_since_s(pod: Pod) -> float:
    """Wall seconds at which Ready last changed; infinite if the pod is not ready."""
    found = condition(pod, "Ready")
    if found is None or found.status != "True":
        return float("inf")
    return wall_s(found.last_transition_time)


def controller_of(obj: Object) -> OwnerReference | None:
    """The owner reference with `controller: true`, of which there is at most one."""
    return next((each for each in obj.metadata.owner_references if each.controller), None)


def controller_ref(owner: Object) -> OwnerReference:
    """The reference that makes `owner` the controller of what it creates."""
    return OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def with_condition(pod: Pod, wanted: PodCondition, *, stamp: str) -> Pod:
    """The pod with this condition; its transition time moves only if the status changes.

    Returns the same pod where nothing would change.
    """
    old = condition(pod, wanted.type)
    same_status = old is not None and old.status == wanted.status
    since = old.last_transition_time if old is not None and same_status else stamp
    new = replace(wanted, last_transition_time=since)
    if old == new:
        return pod
    others = tuple(each for each in pod.status.conditions if each.type != wanted.type)
    return replace(pod, status=replace(pod.status, conditions=(*others, new)))


def annotated(obj: Obj, changes: Mapping[str, str]) -> Obj:
    """The object with these annotations set; the same one if it has them."""
    old = obj.metadata.annotations or {}
    if all(old.get(name) == value for name, value in changes.items()):
        return obj
    metadata = replace(obj.metadata, annotations={**old, **changes})
    return replace(obj, metadata=metadata)
