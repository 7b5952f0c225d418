"""PodDisruptionBudgets. Source: kubernetes/kubernetes pkg/apis/policy/validation."""

from __future__ import annotations

from emucluster.core.errors import Cause
from emucluster.core.objects import PodDisruptionBudget

from .fields import invalid, not_supported
from .metadata import label_selector
from .workloads import count_or_percent, not_more_than_all

UNHEALTHY = ("IfHealthyBudget", "AlwaysAllow")


def budget(obj: PodDisruptionBudget) -> list[Cause]:
    spec, causes = obj.spec, list[Cause]()
    if spec.min_available is not None and spec.max_unavailable is not None:
        text = "minAvailable and maxUnavailable cannot be both set"
        causes.append(invalid("spec", spec, text))
    for field, value in (
        ("spec.minAvailable", spec.min_available),
        ("spec.maxUnavailable", spec.max_unavailable),
    ):
        if value is not None:
            causes += [*count_or_percent(field, value), *not_more_than_all(field, value)]
    if spec.selector is not None:
        causes += label_selector("spec.selector", spec.selector)
    policy = spec.unhealthy_pod_eviction_policy
    if policy is not None and policy not in UNHEALTHY:
        causes.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, UNHEALTHY))
    return causes
