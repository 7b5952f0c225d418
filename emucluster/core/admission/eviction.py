"""The eviction subresource of pods: a delete that a PodDisruptionBudget may refuse.

kubernetes/pkg/registry/core/pod/storage/eviction.go. Differs: nothing here races, so nothing is
tried again by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emucluster.core.errors import Cause, Forbidden, InternalError, NotFound, TooManyRequests
from emucluster.core.objects import Condition, Pod, PodCondition, PodDisruptionBudget, replace
from emucluster.core.store import from_label_selector

if TYPE_CHECKING:
    from .admission import Admission

DISRUPTED_PODS_MAX = 2000
DISRUPTION_ALLOWED = "DisruptionAllowed"
_BUSY_RETRY_S = 10
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
    "support."
)


def evict(
    admission: Admission,
    namespace: str,
    name: str,
    *,
    stamp: str,
    grace_period_s: int | None = None,
    uid: str | None = None,
    expect: str | None = None,
    dry_run: bool = False,
) -> None:
    """Deletes a pod with its grace period, if the budget that covers it has one to spare.

    A pod that has ended, is pending or goes already is nobody's loss and is not asked about. The
    pod gets the condition DisruptionTarget; the budget remembers it until it has seen it go.

    Args: as `Admission.delete`; `expect` is the pod's resourceVersion.

    Raises NotFound, Conflict, TooManyRequests with the cause `DisruptionBudget`, Forbidden (a
    budget in disorder), InternalError (several budgets cover the pod).
    """
    store = admission.store
    pod = store.get(Pod, namespace, name)
    if pod is None:
        raise NotFound.of("pods", name)
    store.check(pod, version=expect, uid=uid)
    if not _is_nobodys_loss(pod):
        budget = _budget_of(admission, pod)
        if budget is not None and not _may_go_anyway(pod, budget):
            _take_one(admission, budget, pod, stamp=stamp, dry_run=dry_run)
    if not dry_run:
        store.update(_as_target(pod, stamp), subresource="status")
    admission.delete(
        Pod, namespace, name, stamp=stamp, grace_period_s=grace_period_s, dry_run=dry_run
    )


def _is_nobodys_loss(pod: Pod) -> bool:
    ended = pod.status.phase in ("Succeeded", "Failed", "Pending")
    return ended or pod.metadata.deletion_timestamp is not None


def _budget_of(admission: Admission, pod: Pod) -> PodDisruptionBudget | None:
    found = [
        budget
        for budget in admission.store.list(PodDisruptionBudget, pod.metadata.namespace)
        if budget.spec.selector is not None
        and from_label_selector(budget.spec.selector).matches(pod.metadata.labels)
    ]
    if len(found) > 1:
        raise InternalError(_SEVERAL)
    return found[0] if found else None


def _may_go_anyway(pod: Pod, budget: PodDisruptionBudget) -> bool:
    """Whether a pod that is not ready counts for nothing (`unhealthyPodEvictionPolicy`)."""
    if any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions):
        return False
    if budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    status = budget.status
    return status.current_healthy >= status.desired_healthy > 0


def _take_one(
    admission: Admission, budget: PodDisruptionBudget, pod: Pod, *, stamp: str, dry_run: bool
) -> None:
    status, name = budget.status, budget.metadata.name
    if (status.observed_generation or 0) < (budget.metadata.generation or 0):
        why = f"The disruption budget {name} is still being processed by the server."
        raise _refusal(why, retry_after_s=_BUSY_RETRY_S)
    if status.disruptions_allowed < 0:
        raise Forbidden.of("poddisruptionbudget", name, "pdb disruptions allowed is negative")
    disrupted = status.disrupted_pods or {}
    if len(disrupted) > DISRUPTED_PODS_MAX:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise Forbidden.of("poddisruptionbudget", name, why)
    if status.disruptions_allowed == 0:
        raise _refusal(
            f"The disruption budget {name} needs {status.desired_healthy} healthy pods and has "
            f"{status.current_healthy} currently",
            retry_after_s=0,
        )
    if dry_run:
        return
    left = replace(
        status,
        disruptions_allowed=status.disruptions_allowed - 1,
        disrupted_pods={**disrupted, pod.metadata.name: stamp},
    )
    if not left.disruptions_allowed:
        left = replace(
            left, conditions=with_allowed(left.conditions, budget, allowed=0, stamp=stamp)
        )
    admission.store.update(replace(budget, status=left), subresource="status")


def with_allowed(
    conditions: tuple[Condition, ...], budget: PodDisruptionBudget, *, allowed: int, stamp: str
) -> tuple[Condition, ...]:
    """The conditions with DisruptionAllowed as so many allowed disruptions make it
    (k8s.io/component-helpers/apps/poddisruptionbudget)."""
    status, reason = ("True", "SufficientPods") if allowed > 0 else ("False", "InsufficientPods")
    return with_condition(conditions, budget, status=status, reason=reason, message="", stamp=stamp)


def with_condition(
    conditions: tuple[Condition, ...],
    budget: PodDisruptionBudget,
    *,
    status: str,
    reason: str,
    message: str,
    stamp: str,
) -> tuple[Condition, ...]:
    """The conditions with this DisruptionAllowed; it keeps its time while its status stays."""
    old = next((each for each in conditions if each.type == DISRUPTION_ALLOWED), None)
    same = old is not None and old.status == status
    new = Condition(
        type=DISRUPTION_ALLOWED,
        status=status,
        reason=reason,
        message=message,
        observed_generation=budget.metadata.generation,
        last_transition_time=old.last_transition_time if old is not None and same else stamp,
    )
    return (*(each for each in conditions if each.type != DISRUPTION_ALLOWED), new)


def _refusal(why: str, *, retry_after_s: int) -> TooManyRequests:
    cause = Cause("", "DisruptionBudget", why)
    return TooManyRequests(_REFUSED, [cause], retry_after_s=retry_after_s)


def _as_target(pod: Pod, stamp: str) -> Pod:
    told = PodCondition(
        type="DisruptionTarget",
        status="True",
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
        last_transition_time=stamp,
    )
    others = tuple(each for each in pod.status.conditions if each.type != told.type)
    return replace(pod, status=replace(pod.status, conditions=(*others, told)))
