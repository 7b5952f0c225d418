"""When a delete removes an object, and when it only marks it.

The rules are those of k8s.io/apiserver pkg/registry/rest/delete.go (BeforeDelete) and
pkg/registry/core/pod/strategy.go (CheckGracefulDelete).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from emucluster.core.objects import Namespace, Object, Pod, replace

O = TypeVar("O", bound=Object)  # noqa: E741

DEFAULT_GRACE_PERIOD_S = 30
"""terminationGracePeriodSeconds where a pod names none (kubernetes pkg/apis/core/v1)."""


def later(stamp: str, seconds: int) -> str:
    """An RFC3339 time `seconds` after another, in UTC and whole seconds, as metav1.Time is."""
    moment = datetime.fromisoformat(stamp) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def is_held(obj: Object) -> bool:
    """Whether finalizers, a namespace's own ones too, keep the object from being removed."""
    if isinstance(obj, Namespace) and obj.spec.finalizers:
        return True
    return bool(obj.metadata.finalizers)


def is_over(obj: Object) -> bool:
    """Whether a marked object has nothing left to wait for."""
    metadata = obj.metadata
    return (
        metadata.deletion_timestamp is not None
        and not metadata.deletion_grace_period_seconds
        and not is_held(obj)
    )


def grace_period_s(obj: Object, requested_s: int | None) -> int:
    """Seconds that a delete grants. Only a pod that runs, or may run, is granted any."""
    if not isinstance(obj, Pod):
        return 0
    if not obj.spec.node_name or obj.status.phase in ("Succeeded", "Failed"):
        return 0
    if requested_s is None:
        own = obj.spec.termination_grace_period_seconds
        requested_s = DEFAULT_GRACE_PERIOD_S if own is None else own
    return requested_s if requested_s >= 0 else 1


def mark(obj: O, *, stamp: str, requested_s: int | None) -> O | None:
    """The object as a delete leaves it, the very same where nothing changes; None: remove it.

    A repeated delete can only shorten the grace period that is running.
    """
    metadata = obj.metadata
    grace = grace_period_s(obj, requested_s)
    if metadata.deletion_timestamp is None:
        deadline = later(stamp, grace)
    else:
        granted = metadata.deletion_grace_period_seconds or 0
        if requested_s is None or grace >= granted:
            return None if is_over(obj) else obj
        deadline = later(metadata.deletion_timestamp, grace - granted)
    if grace == 0 and not is_held(obj):
        return None
    marked = replace(
        obj,
        metadata=replace(
            metadata, deletion_timestamp=deadline, deletion_grace_period_seconds=grace
        ),
    )
    if isinstance(marked, Namespace):
        return replace(marked, status=replace(marked.status, phase="Terminating"))
    return marked
