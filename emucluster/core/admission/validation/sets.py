"""DaemonSets, StatefulSets, history. Source: kubernetes/kubernetes pkg/apis/apps/validation."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import (
    ControllerRevision,
    DaemonSet,
    DaemonSetSpec,
    PodSpec,
    RollingUpdateDaemonSet,
    StatefulSet,
    StatefulSetSpec,
    replace,
)

from .fields import forbidden, immutable, invalid, non_negative, not_supported, required
from .go_values import int_or_string
from .metadata import annotation_map, label_map, label_selector
from .pods import pod_template
from .workloads import count_or_percent, is_zero, not_more_than_all, template_matches

STRATEGIES = ("RollingUpdate", "OnDelete")
POLICIES = ("OrderedReady", "Parallel")
RETENTION = ("Retain", "Delete")
STATEFUL_UPDATE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)


def daemon_set(obj: DaemonSet) -> list[Cause]:
    spec = obj.spec
    return [
        *_daemon_selector(spec),
        *template_matches(spec.template, spec.selector),
        *pod_template("spec.template", spec.template),
        *_runs_for_ever(spec.template.spec),
        *non_negative("spec.minReadySeconds", spec.min_ready_seconds),
        *_daemon_strategy(spec),
        *non_negative("spec.revisionHistoryLimit", spec.revision_history_limit),
    ]


def daemon_set_update(new: DaemonSet, old: DaemonSet) -> list[Cause]:
    return daemon_set(new) + immutable("spec.selector", new.spec.selector, old.spec.selector)


def _daemon_selector(spec: DaemonSetSpec) -> Iterator[Cause]:
    if spec.selector is None:
        yield required("spec.selector")
        return
    yield from label_selector("spec.selector", spec.selector)
    if not spec.selector.match_labels and not spec.selector.match_expressions:
        yield invalid("spec.selector", spec.selector, "empty selector is invalid for daemonset")


def _runs_for_ever(spec: PodSpec) -> Iterator[Cause]:
    path = "spec.template.spec"
    if spec.restart_policy and spec.restart_policy != "Always":
        yield not_supported(f"{path}.restartPolicy", spec.restart_policy, ("Always",))
    if spec.active_deadline_seconds is not None:
        field = f"{path}.activeDeadlineSeconds"
        yield invalid(field, spec.active_deadline_seconds, "must not be specified")


def _daemon_strategy(spec: DaemonSetSpec) -> Iterator[Cause]:
    path, strategy = "spec.updateStrategy", spec.update_strategy
    if strategy.type not in STRATEGIES:
        yield not_supported(path, strategy, STRATEGIES)
    elif strategy.type == "RollingUpdate" and strategy.rolling_update is None:
        yield required(f"{path}.rollingUpdate")
    elif strategy.type == "RollingUpdate" and strategy.rolling_update is not None:
        yield from _daemon_rolling(f"{path}.rollingUpdate", strategy.rolling_update)


def _daemon_rolling(path: str, rolling: RollingUpdateDaemonSet) -> Iterator[Cause]:
    unavailable = 0 if rolling.max_unavailable is None else rolling.max_unavailable
    surge = 0 if rolling.max_surge is None else rolling.max_surge
    for field, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        yield from count_or_percent(f"{path}.{field}", value)
        yield from not_more_than_all(f"{path}.{field}", value)
    if not is_zero(unavailable) and not is_zero(surge):
        text = "may not be set when maxUnavailable is non-zero"
        yield invalid(f"{path}.maxSurge", int_or_string(surge), text)
    if is_zero(unavailable) and is_zero(surge):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def stateful_set(obj: StatefulSet) -> list[Cause]:
    """As upstream, the pod's own spec is left to the pods."""
    spec, template = obj.spec, obj.spec.template
    ordinals = spec.ordinals
    return [
        *_management(spec),
        *_stateful_strategy(spec),
        *_retention(spec),
        *non_negative("spec.replicas", spec.replicas),
        *non_negative("spec.minReadySeconds", spec.min_ready_seconds),
        *non_negative("spec.ordinals.start", ordinals.start if ordinals is not None else None),
        *_stateful_selector(spec),
        *template_matches(template, spec.selector),
        *label_map("spec.template.labels", template.metadata.labels),
        *annotation_map("spec.template.annotations", template.metadata.annotations),
        *_runs_for_ever(template.spec),
        *non_negative("spec.revisionHistoryLimit", spec.revision_history_limit),
    ]


def _management(spec: StatefulSetSpec) -> Iterator[Cause]:
    policy = spec.pod_management_policy
    if not policy:
        yield required("spec.podManagementPolicy")
    elif policy not in POLICIES:
        text = f"must be '{POLICIES[0]}' or '{POLICIES[1]}'"
        yield invalid("spec.podManagementPolicy", policy, text)


def _stateful_strategy(spec: StatefulSetSpec) -> Iterator[Cause]:
    path, strategy = "spec.updateStrategy", spec.update_strategy
    rolling = strategy.rolling_update
    if not strategy.type:
        yield required(path)
    elif strategy.type not in STRATEGIES:
        yield invalid(path, strategy, f"must be '{STRATEGIES[0]}' or '{STRATEGIES[1]}'")
    elif rolling is not None and strategy.type == "OnDelete":
        text = f"only allowed for updateStrategy '{STRATEGIES[0]}'"
        yield invalid(f"{path}.rollingUpdate", rolling, text)
    elif rolling is not None:
        yield from non_negative(f"{path}.rollingUpdate.partition", rolling.partition)


def _retention(spec: StatefulSetSpec) -> Iterator[Cause]:
    policy = spec.persistent_volume_claim_retention_policy
    if policy is None:
        return
    path = "spec.persistentVolumeClaimRetentionPolicy"
    for field, value in (
        ("whenDeleted", policy.when_deleted),
        ("whenScaled", policy.when_scaled),
    ):
        if value not in RETENTION:
            yield not_supported(f"{path}.{field}", value or "", RETENTION)


def _stateful_selector(spec: StatefulSetSpec) -> Iterator[Cause]:
    if spec.selector is None:
        yield required("spec.selector")
        return
    yield from label_selector("spec.selector", spec.selector)
    if not spec.selector.match_labels and not spec.selector.match_expressions:
        text = "empty selector is invalid for statefulset"
        yield invalid("spec.selector", spec.selector, text)


def stateful_set_update(new: StatefulSet, old: StatefulSet) -> list[Cause]:
    """What gives pods their names and volumes stays."""
    spec = new.spec
    fixed = replace(
        old.spec,
        replicas=spec.replicas,
        ordinals=spec.ordinals,
        template=spec.template,
        update_strategy=spec.update_strategy,
        revision_history_limit=spec.revision_history_limit,
        persistent_volume_claim_retention_policy=spec.persistent_volume_claim_retention_policy,
        min_ready_seconds=spec.min_ready_seconds,
    )
    changed = [forbidden("spec", STATEFUL_UPDATE)] if fixed != spec else []
    return changed + stateful_set(new)


def controller_revision(obj: ControllerRevision) -> list[Cause]:
    missing = [required("data", "data is mandatory")] if obj.data is None else []
    return missing + non_negative("revision", obj.revision)


def controller_revision_update(new: ControllerRevision, old: ControllerRevision) -> list[Cause]:
    return controller_revision(new) + immutable("data", new.data, old.data)
