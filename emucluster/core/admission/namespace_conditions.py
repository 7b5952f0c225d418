"""What the status of a namespace under deletion says of its contents.

Source: kubernetes pkg/controller/namespace/deletion (status_condition_utils.go, and
deleteAllContentForGroupVersionResource with estimateGracefulTermination).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from emucluster.core.objects import Namespace, NamespaceCondition, Pod, replace
from emucluster.core.objects.registry import Resource
from emucluster.core.store import Store
from emucluster.core.store.deletion import later

FINALIZERS_S = 15
"""How long finalizers are taken to need (finalizerEstimateSeconds)."""

CONTENT_FAILURE = "NamespaceDeletionContentFailure"
CONTENT_REMAINING = "NamespaceContentRemaining"
FINALIZERS_REMAINING = "NamespaceFinalizersRemaining"

_REMOVED = ("ContentRemoved", "All content successfully removed")
_FINE: Mapping[str, tuple[str, str]] = {
    "NamespaceDeletionDiscoveryFailure": (
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    CONTENT_FAILURE: (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    CONTENT_REMAINING: _REMOVED,
    FINALIZERS_REMAINING: _REMOVED,
}
"""Every condition, in the order of the list, with its reason and message while it is False."""


@dataclass(slots=True)
class Remains:
    """What is left in a namespace after everything in it was deleted.

    Attributes:
        resources: how many objects, by `pods.` or `deployments.apps`.
        finalizers: how many objects have it, by finalizer.
        failures: texts about what should be gone by now and is not.
        estimate_s: how long it may take until nothing is left; 0 if nothing is, or that is unknown.
    """

    resources: dict[str, int] = field(default_factory=dict)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    estimate_s: int = 0


def remains(store: Store, rows: Iterable[Resource], namespace: Namespace, stamp: str) -> Remains:
    """What of the kinds `rows` is left in a namespace under deletion; `stamp` is now."""
    found, name = Remains(), namespace.metadata.name
    for row in rows:
        if not store.holds(row.kind_key, name):
            continue
        objects = tuple(store.list(row.kind_key, name))
        found.resources[f"{row.plural}.{row.group}"] = len(objects)
        finalizers = Counter(name for obj in objects for name in obj.metadata.finalizers)
        found.finalizers += finalizers
        estimate_s = _grace_s((obj for obj in objects if isinstance(obj, Pod)), namespace, stamp)
        if not estimate_s and finalizers:
            estimate_s = FINALIZERS_S
        elif not estimate_s:
            resource = f"{row.group}/{row.version}, Resource={row.plural}"
            found.failures.append(
                f"unexpected items still remain in namespace: {name} for gvr: {resource}"
            )
        found.estimate_s = max(found.estimate_s, estimate_s)
    return found


def _grace_s(pods: Iterable[Pod], namespace: Namespace, stamp: str) -> int:
    """The longest grace period of the pods that run, 0 once the deletion has lasted longer."""
    longest_s = max(
        (
            pod.spec.termination_grace_period_seconds or 0
            for pod in pods
            if pod.status.phase not in ("Succeeded", "Failed")
        ),
        default=0,
    )
    deleted = namespace.metadata.deletion_timestamp
    return longest_s if deleted and stamp < later(deleted, longest_s) else 0


def with_conditions(namespace: Namespace, found: Remains, stamp: str) -> Namespace:
    """The namespace with a status that tells what is left in it."""
    new = dict(_conditions(found))
    listed = {condition.type: condition for condition in namespace.status.conditions}
    for type_, fine in _FINE.items():
        status, (reason, message) = ("True", new[type_]) if type_ in new else ("False", fine)
        old = listed.get(type_)
        since = stamp if old is None or old.status != status else old.last_transition_time
        listed[type_] = NamespaceCondition(
            type=type_,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=since,
        )
    return replace(namespace, status=replace(namespace.status, conditions=tuple(listed.values())))


def _conditions(found: Remains) -> Iterable[tuple[str, tuple[str, str]]]:
    """Type, reason and message of those that are True."""
    if found.resources:
        texts = sorted(f"{name} has {n} resource instances" for name, n in found.resources.items())
        message = f"Some resources are remaining: {', '.join(texts)}"
        yield CONTENT_REMAINING, ("SomeResourcesRemain", message)
    if found.finalizers:
        texts = sorted(f"{name} in {n} resource instances" for name, n in found.finalizers.items())
        message = f"Some content in the namespace has finalizers remaining: {', '.join(texts)}"
        yield FINALIZERS_REMAINING, ("SomeFinalizersRemain", message)
    if found.failures:
        texts = sorted(found.failures)
        message = f"Failed to delete all resource types, {len(texts)} remaining: {', '.join(texts)}"
        yield CONTENT_FAILURE, ("ContentDeletionFailed", message)
