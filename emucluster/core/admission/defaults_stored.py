"""Defaults of kinds on which nothing acts.

Source: kubernetes/kubernetes, defaults.go of pkg/apis/core/v1, networking/v1, autoscaling/v2,
rbac/v1, storage/v1 and scheduling/v1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emucluster.core.objects import (
    ClusterRoleBinding,
    HorizontalPodAutoscaler,
    IngressClass,
    LimitRange,
    LimitRangeItem,
    MetricSpec,
    MetricTarget,
    NetworkPolicy,
    NetworkPolicyPort,
    Object,
    PersistentVolume,
    PriorityClass,
    ResourceMetricSource,
    RoleBinding,
    StorageClass,
    Subject,
    replace,
)

from .defaults_pods import filled

RBAC = "rbac.authorization.k8s.io"
_CPU = MetricTarget(type="Utilization", average_utilization=80)
_METRICS = (MetricSpec(type="Resource", resource=ResourceMetricSource(name="cpu", target=_CPU)),)


def _volume(volume: PersistentVolume) -> PersistentVolume:
    spec = filled(volume.spec, persistent_volume_reclaim_policy="Retain", volume_mode="Filesystem")
    if spec.host_path is not None:
        spec = replace(spec, host_path=filled(spec.host_path, type=""))
    return replace(volume, spec=spec, status=filled(volume.status, phase="Pending"))


def _limit_range(obj: LimitRange) -> LimitRange:
    limits = tuple(_limit(item) for item in obj.spec.limits)
    return replace(obj, spec=replace(obj.spec, limits=limits))


def _limit(item: LimitRangeItem) -> LimitRangeItem:
    """What a container gets that says nothing: at most the maximum, and as a request that too."""
    if item.type != "Container":
        return item
    default = {**(item.max or {}), **(item.default or {})}
    request = {**(item.min or {}), **default, **(item.default_request or {})}
    return replace(item, default=default or None, default_request=request or None)


def _ingress_class(obj: IngressClass) -> IngressClass:
    parameters = obj.spec.parameters
    if parameters is None:
        return obj
    return replace(obj, spec=replace(obj.spec, parameters=filled(parameters, scope="Cluster")))


def _network_policy(policy: NetworkPolicy) -> NetworkPolicy:
    spec = policy.spec
    types = spec.policy_types or ("Ingress", *(("Egress",) if spec.egress else ()))
    ingress = tuple(replace(rule, ports=_ports(rule.ports)) for rule in spec.ingress)
    egress = tuple(replace(rule, ports=_ports(rule.ports)) for rule in spec.egress)
    spec = replace(spec, policy_types=types, ingress=ingress, egress=egress)
    return replace(policy, spec=spec)


def _ports(ports: tuple[NetworkPolicyPort, ...]) -> tuple[NetworkPolicyPort, ...]:
    return tuple(filled(port, protocol="TCP") for port in ports)


def _autoscaler(obj: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    spec = filled(obj.spec, min_replicas=1)
    return replace(obj, spec=spec if spec.metrics else replace(spec, metrics=_METRICS))


def _storage_class(obj: StorageClass) -> StorageClass:
    return filled(obj, reclaim_policy="Delete", volume_binding_mode="Immediate")


def _priority_class(obj: PriorityClass) -> PriorityClass:
    return filled(obj, preemption_policy="PreemptLowerPriority")


def _binding(binding: Any) -> Any:
    ref = binding.role_ref
    if not ref.api_group:
        binding = replace(binding, role_ref=replace(ref, api_group=RBAC))
    return replace(binding, subjects=tuple(_subject(each) for each in binding.subjects))


def _subject(subject: Subject) -> Subject:
    return filled(subject, api_group=RBAC) if subject.kind in ("User", "Group") else subject


DEFAULTS: Mapping[str, Callable[[Any], Object]] = {
    PersistentVolume.kind: _volume,
    LimitRange.kind: _limit_range,
    IngressClass.kind: _ingress_class,
    NetworkPolicy.kind: _network_policy,
    HorizontalPodAutoscaler.kind: _autoscaler,
    StorageClass.kind: _storage_class,
    PriorityClass.kind: _priority_class,
    RoleBinding.kind: _binding,
    ClusterRoleBinding.kind: _binding,
}
