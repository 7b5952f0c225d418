"""Roles and bindings. Source: kubernetes/kubernetes pkg/apis/rbac/validation."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)

from .fields import invalid, not_supported, required
from .metadata import label_selector
from .names import dns1123_subdomain, path_segment

RBAC = "rbac.authorization.k8s.io"


def role(obj: Role) -> list[Cause]:
    return list(_rules(obj.rules, namespaced=True))


def cluster_role(obj: ClusterRole) -> list[Cause]:
    causes = list(_rules(obj.rules, namespaced=False))
    aggregation = obj.aggregation_rule
    if aggregation is not None:
        path = "aggregationRule.clusterRoleSelectors"
        if not aggregation.cluster_role_selectors:
            text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            causes.append(required(path, text))
        for index, selector in enumerate(aggregation.cluster_role_selectors):
            causes += label_selector(f"{path}[{index}]", selector)
    return causes


def _rules(rules: tuple[PolicyRule, ...], *, namespaced: bool) -> Iterator[Cause]:
    for index, rule in enumerate(rules):
        yield from _rule(f"rules[{index}]", rule, namespaced=namespaced)


def _rule(path: str, rule: PolicyRule, *, namespaced: bool) -> Iterator[Cause]:
    if not rule.verbs:
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    urls = f"{path}.nonResourceURLs"
    if rule.non_resource_urls:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            yield invalid(urls, rule.non_resource_urls, text)
        if rule.api_groups or rule.resources or rule.resource_names:
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(urls, rule.non_resource_urls, text)
        return
    if not rule.api_groups:
        text = "resource rules must supply at least one api group"
        yield required(f"{path}.apiGroups", text)
    if not rule.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def role_binding(obj: RoleBinding) -> list[Cause]:
    return [
        *_ref(obj.role_ref, ("Role", "ClusterRole")),
        *_subjects(obj.subjects),
    ]


def cluster_role_binding(obj: ClusterRoleBinding) -> list[Cause]:
    return [*_ref(obj.role_ref, ("ClusterRole",)), *_subjects(obj.subjects)]


def role_binding_update(new: RoleBinding, old: RoleBinding) -> list[Cause]:
    return role_binding(new) + _same_ref(new.role_ref, old.role_ref)


def cluster_role_binding_update(new: ClusterRoleBinding, old: ClusterRoleBinding) -> list[Cause]:
    return cluster_role_binding(new) + _same_ref(new.role_ref, old.role_ref)


def _same_ref(new: RoleRef, old: RoleRef) -> list[Cause]:
    return [] if new == old else [invalid("roleRef", new, "cannot change roleRef")]


def _ref(ref: RoleRef, kinds: tuple[str, ...]) -> Iterator[Cause]:
    if ref.api_group != RBAC:
        yield not_supported("roleRef.apiGroup", ref.api_group, (RBAC,))
    if ref.kind not in kinds:
        yield not_supported("roleRef.kind", ref.kind, kinds)
    if not ref.name:
        yield required("roleRef.name")
    for text in path_segment(ref.name) if ref.name else ():
        yield invalid("roleRef.name", ref.name, text)


def _subjects(subjects: tuple[Subject, ...]) -> Iterator[Cause]:
    for index, subject in enumerate(subjects):
        yield from _subject(f"subjects[{index}]", subject)


def _subject(path: str, subject: Subject) -> Iterator[Cause]:
    if not subject.name:
        yield required(f"{path}.name")
    group = subject.api_group or ""
    if subject.kind == "ServiceAccount":
        for text in dns1123_subdomain(subject.name) if subject.name else ():
            yield invalid(f"{path}.name", subject.name, text)
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if not subject.namespace:
            yield required(f"{path}.namespace")
    elif subject.kind in ("User", "Group"):
        if group != RBAC:
            yield not_supported(f"{path}.apiGroup", group, (RBAC,))
    else:
        kinds = ("Group", "ServiceAccount", "User")
        yield not_supported(f"{path}.kind", subject.kind, kinds)
