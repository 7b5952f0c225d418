"""Deployments and ReplicaSets. Source: kubernetes/kubernetes pkg/apis/apps/validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emucluster.core.errors import Cause
from emucluster.core.objects import (
    Deployment,
    DeploymentSpec,
    LabelSelector,
    PodTemplateSpec,
    ReplicaSet,
    RollingUpdateDeployment,
)

from .fields import forbidden, immutable, invalid, non_negative, not_supported, required
from .go_values import int_or_string
from .metadata import label_selector
from .names import percentage
from .pods import pod_template


def deployment(obj: Deployment) -> list[Cause]:
    spec = obj.spec
    deadline_s, settle_s = spec.progress_deadline_seconds, spec.min_ready_seconds
    causes = [
        *non_negative("spec.replicas", spec.replicas),
        *_selector(spec.selector),
        *_template(spec.template, spec.selector),
        *_strategy(spec),
        *non_negative("spec.minReadySeconds", settle_s),
        *non_negative("spec.revisionHistoryLimit", spec.revision_history_limit),
        *non_negative("spec.progressDeadlineSeconds", deadline_s),
    ]
    if deadline_s is not None and deadline_s <= (settle_s or 0):
        path = "spec.progressDeadlineSeconds"
        causes.append(invalid(path, deadline_s, "must be greater than minReadySeconds"))
    return causes


def deployment_update(new: Deployment, old: Deployment) -> list[Cause]:
    return deployment(new) + immutable("spec.selector", new.spec.selector, old.spec.selector)


def replica_set(obj: ReplicaSet) -> list[Cause]:
    spec = obj.spec
    return [
        *non_negative("spec.replicas", spec.replicas),
        *non_negative("spec.minReadySeconds", spec.min_ready_seconds),
        *_selector(spec.selector),
        *_template(spec.template or PodTemplateSpec(), spec.selector),
    ]


def replica_set_update(new: ReplicaSet, old: ReplicaSet) -> list[Cause]:
    return replica_set(new) + immutable("spec.selector", new.spec.selector, old.spec.selector)


def _selector(selector: LabelSelector | None) -> Iterator[Cause]:
    if selector is None:
        yield required("spec.selector")
        return
    yield from label_selector("spec.selector", selector)
    if not selector.match_labels and not selector.match_expressions:
        yield invalid("spec.selector", selector, "empty selector is invalid for deployment")


def template_matches(template: PodTemplateSpec, selector: LabelSelector | None) -> Iterator[Cause]:
    """A workload's own pods are among those that it selects."""
    labels = template.metadata.labels or {}
    if selector is not None and not _matches(selector, labels):
        text = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels, text)


def _template(template: PodTemplateSpec, selector: LabelSelector | None) -> Iterator[Cause]:
    yield from template_matches(template, selector)
    yield from pod_template("spec.template", template)
    policy = template.spec.restart_policy
    if policy and policy != "Always":
        yield not_supported("spec.template.spec.restartPolicy", policy, ("Always",))


def _matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    wanted = selector.match_labels or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for expression in selector.match_expressions:
        value = labels.get(expression.key)
        allowed = {
            "In": value in expression.values,
            "NotIn": value not in expression.values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not allowed.get(expression.operator, True):
            return False
    return True


def _strategy(spec: DeploymentSpec) -> Iterator[Cause]:
    path, strategy = "spec.strategy", spec.strategy
    if strategy is None:
        yield required(path)
    elif strategy.type == "Recreate":
        if strategy.rolling_update is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{path}.rollingUpdate", text)
    elif strategy.type != "RollingUpdate":
        yield not_supported(f"{path}.type", strategy.type or "", ("Recreate", "RollingUpdate"))
    elif strategy.rolling_update is None:
        yield required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
    else:
        yield from _rolling(f"{path}.rollingUpdate", strategy.rolling_update)


def _rolling(path: str, rolling: RollingUpdateDeployment) -> Iterator[Cause]:
    surge = rolling.max_surge if rolling.max_surge is not None else 0
    unavailable = rolling.max_unavailable if rolling.max_unavailable is not None else 0
    yield from count_or_percent(f"{path}.maxUnavailable", unavailable)
    yield from count_or_percent(f"{path}.maxSurge", surge)
    if is_zero(surge) and is_zero(unavailable):
        text = "may not be 0 when `maxSurge` is 0"
        yield invalid(f"{path}.maxUnavailable", int_or_string(unavailable), text)
    yield from not_more_than_all(f"{path}.maxUnavailable", unavailable)


def count_or_percent(path: str, value: int | str) -> Iterator[Cause]:
    """A count, or a share of the whole."""
    if isinstance(value, int):
        yield from non_negative(path, value)
        return
    for text in percentage(value):
        yield invalid(path, int_or_string(value), text)


def not_more_than_all(path: str, value: int | str) -> Iterator[Cause]:
    """A share of more than 100% is none."""
    if isinstance(value, str) and not percentage(value) and _percent(value) > 100:
        yield invalid(path, int_or_string(value), "must not be greater than 100%")


def is_zero(value: int | str) -> bool:
    """Whether it is none at all; what is no share is something."""
    return value == 0 or (isinstance(value, str) and not percentage(value) and not _percent(value))


def _percent(value: str) -> int:
    return int(value.removesuffix("%"))
