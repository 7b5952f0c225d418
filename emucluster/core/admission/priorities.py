"""The priority of a pod (kubernetes/plugin/pkg/admission/priority), and the classes of the system.

Differs: nothing preempts, and the scheduler binds pods of all priorities in their order.
"""

from __future__ import annotations

from collections.abc import Collection

from emucluster.core.errors import Forbidden
from emucluster.core.objects import ObjectMeta, Pod, PriorityClass, replace
from emucluster.core.store import Store

RESOURCE = "priorityclasses.scheduling.k8s.io"
POLICY = "PreemptLowerPriority"

SYSTEM_CLASSES = (
    PriorityClass(
        metadata=ObjectMeta(name="system-node-critical"),
        value=2_000_001_000,
        description=(
            "Used for system critical pods that must not be moved from their current node."
        ),
        preemption_policy=POLICY,
    ),
    PriorityClass(
        metadata=ObjectMeta(name="system-cluster-critical"),
        value=2_000_000_000,
        description=(
            "Used for system critical pods that must run in the cluster, but can be moved to "
            "another node if necessary."
        ),
        preemption_policy=POLICY,
    ),
)
"""As kubernetes pkg/apis/scheduling/v1/helpers.go has them."""
SYSTEM_NAMES = frozenset(each.metadata.name for each in SYSTEM_CLASSES)


def with_priority(pod: Pod, store: Store, opened: Collection[str] = ()) -> Pod:
    """The pod with what its class, or the one that is the default, says of it.

    `opened` has names of classes that the same request creates, as /NAME; of these a pod gets
    nothing yet.

    Raises Forbidden when there is no such class, or the pod says otherwise.
    """
    spec = pod.spec
    name = spec.priority_class_name or ""
    found = store.get(PriorityClass, "", name) if name else _default(store)
    if found is None:
        if name and f"/{name}" not in opened:
            raise _forbidden(pod, f"no PriorityClass with name {name} was found")
        return pod
    value, policy = found.value, found.preemption_policy or POLICY
    computed = "priority admission controller computed {} from the given PriorityClass name"
    if spec.priority is not None and spec.priority != value:
        what = f"the integer value of priority ({spec.priority}) must not be provided in pod spec"
        raise _forbidden(pod, f"{what}; {computed.format(value)}")
    if spec.preemption_policy is not None and spec.preemption_policy != policy:
        what = f"the string value of PreemptionPolicy ({spec.preemption_policy})"
        what += " must not be provided in pod spec"
        raise _forbidden(pod, f"{what}; {computed.format(policy)}")
    name = found.metadata.name
    if (spec.priority_class_name, spec.priority, spec.preemption_policy) == (name, value, policy):
        return pod
    spec = replace(spec, priority_class_name=name, priority=value, preemption_policy=policy)
    return replace(pod, spec=spec)


def check_default(obj: PriorityClass, store: Store) -> None:
    """Raises Forbidden when another class is the default already."""
    if not obj.global_default:
        return
    other = _default(store)
    if other is not None and other.metadata.name != obj.metadata.name:
        why = (
            f"PriorityClass {other.metadata.name} is already marked as default. "
            "Only one default can exist"
        )
        raise Forbidden.of(RESOURCE, obj.metadata.name, why)


def _default(store: Store) -> PriorityClass | None:
    """The class for pods that name none; of several the one with the lowest value."""
    classes = (each for each in store.list(PriorityClass) if each.global_default)
    return min(classes, key=lambda each: each.value, default=None)


def _forbidden(pod: Pod, why: str) -> Forbidden:
    return Forbidden.of("pods", pod.metadata.generate_name or pod.metadata.name, why)
