"""HorizontalPodAutoscalers as `autoscaling/v1` shows them, which knows one metric: CPU utilization.

What the older version has no field for goes into annotations that belong to that view alone, and
comes back from them: nothing is lost between the two.

Source: kubernetes pkg/apis/autoscaling/v1/conversion.go; the older metrics' fields:
k8s.io/api/autoscaling/v1/types.go. Differs: zeros that Go writes into the annotations for want of
a value are left out, and of two CPU utilizations the second stays a metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from .base import Part
from .generated.exports import (
    CrossVersionObjectReference,
    CrossVersionObjectReferenceV1,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerCondition,
    HorizontalPodAutoscalerSpec,
    HorizontalPodAutoscalerSpecV1,
    HorizontalPodAutoscalerStatus,
    HorizontalPodAutoscalerStatusV1,
    HorizontalPodAutoscalerV1,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ObjectMeta,
    ResourceMetricSource,
    ResourceMetricStatus,
)

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
ANNOTATIONS = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)

_SOURCES = ("containerResource", "external", "object", "pods", "resource")

Tree = dict[str, Any]
P = TypeVar("P", bound=Part)


def as_v1(obj: HorizontalPodAutoscaler) -> HorizontalPodAutoscalerV1:
    """An autoscaler as `autoscaling/v1` shows it."""
    spec, status = obj.spec, obj.status
    cpu = next((metric for metric in spec.metrics if _cpu_target(metric) is not None), None)
    others = [metric for metric in spec.metrics if metric is not cpu]
    used = [found for each in status.current_metrics if (found := _cpu_used(each)) is not None]
    kept: dict[str, Any] = {
        METRICS: [_older(metric, "target") for metric in others],
        CURRENT_METRICS: [_older(metric, "current") for metric in status.current_metrics],
        CONDITIONS: _trees(status.conditions),
        BEHAVIOR: None
        if spec.behavior is None
        else _capitalized(msgspec.to_builtins(spec.behavior)),
    }
    told = {name: msgspec.json.encode(tree).decode() for name, tree in kept.items() if tree}
    ref = spec.scale_target_ref
    return HorizontalPodAutoscalerV1(
        metadata=_annotated(obj.metadata, told),
        spec=HorizontalPodAutoscalerSpecV1(
            scale_target_ref=CrossVersionObjectReferenceV1(
                api_version=ref.api_version, kind=ref.kind, name=ref.name
            ),
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            target_cpu_utilization_percentage=None if cpu is None else _cpu_target(cpu),
        ),
        status=HorizontalPodAutoscalerStatusV1(
            observed_generation=status.observed_generation,
            last_scale_time=status.last_scale_time,
            current_replicas=status.current_replicas or 0,
            desired_replicas=status.desired_replicas,
            current_cpu_utilization_percentage=used[-1] if used else None,
        ),
    )


def as_v2(obj: HorizontalPodAutoscalerV1) -> HorizontalPodAutoscaler:
    """What `as_v1` is the inverse of, but for the order of metrics: CPU utilization comes last.

    Annotations that cannot be read count for nothing, as upstream.
    """
    spec, status, told = obj.spec, obj.status, obj.metadata.annotations or {}
    metrics = _newer(told.get(METRICS), MetricSpec, "target")
    if (percent := spec.target_cpu_utilization_percentage) is not None:
        target = MetricTarget(type="Utilization", average_utilization=percent)
        cpu = ResourceMetricSource(name="cpu", target=target)
        metrics = (*metrics, MetricSpec(type="Resource", resource=cpu))
    current = _newer(told.get(CURRENT_METRICS), MetricStatus, "current")
    if not current and (used := status.current_cpu_utilization_percentage) is not None:
        so_far = MetricValueStatus(average_utilization=used)
        found = ResourceMetricStatus(name="cpu", current=so_far)
        current = (MetricStatus(type="Resource", resource=found),)
    ref = spec.scale_target_ref
    return HorizontalPodAutoscaler(
        metadata=_annotated(obj.metadata, {}),
        spec=HorizontalPodAutoscalerSpec(
            scale_target_ref=CrossVersionObjectReference(
                api_version=ref.api_version, kind=ref.kind, name=ref.name
            ),
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            metrics=metrics,
            behavior=_behavior(told.get(BEHAVIOR)),
        ),
        status=HorizontalPodAutoscalerStatus(
            observed_generation=status.observed_generation,
            last_scale_time=status.last_scale_time,
            current_replicas=status.current_replicas or None,
            desired_replicas=status.desired_replicas,
            current_metrics=current,
            conditions=_read(told.get(CONDITIONS), tuple[HorizontalPodAutoscalerCondition, ...])
            or (),
        ),
    )


def _annotated(metadata: ObjectMeta, told: Mapping[str, str]) -> ObjectMeta:
    """The metadata with these of the view's annotations and no others of them."""
    before = metadata.annotations or {}
    if not told and not any(name in before for name in ANNOTATIONS):
        return metadata
    others = {name: text for name, text in before.items() if name not in ANNOTATIONS}
    return replace(metadata, annotations={**others, **told} or None)


def _cpu_target(metric: MetricSpec) -> int | None:
    source = metric.resource
    if metric.type != "Resource" or source is None or source.name != "cpu":
        return None
    # One that says more is a metric like others.
    return source.target.average_utilization if source.target.average_value is None else None


def _cpu_used(metric: MetricStatus) -> int | None:
    source = metric.resource
    if metric.type != "Resource" or source is None or source.name != "cpu":
        return None
    return source.current.average_utilization


# --- metrics in the annotations' form ------------------------------------------------------------


def _names(kind: str, part: str) -> dict[str, str]:
    """Names of values in the older form, by those of the newer."""
    return {
        "averageUtilization": f"{part}AverageUtilization",
        "averageValue": "averageValue" if kind == "object" else f"{part}AverageValue",
        "value": f"{part}Value",
    }


def _selector(kind: str) -> str:
    return "metricSelector" if kind == "external" else "selector"


def _older(metric: MetricSpec | MetricStatus, part: str) -> Tree:
    """`part`: `target` of what is wanted, `current` of what is so."""
    tree = msgspec.to_builtins(metric)
    result: Tree = {"type": tree.get("type", "")}
    for kind in _SOURCES:
        source = tree.get(kind)
        if source is None:
            continue
        older: Tree = {name: source[name] for name in ("name", "container") if name in source}
        if "describedObject" in source:
            older["target"] = source["describedObject"]
        if "metric" in source:
            older["metricName"] = source["metric"]["name"]
            if "selector" in source["metric"]:
                older[_selector(kind)] = source["metric"]["selector"]
        values = source[part]
        older |= {to: values[name] for name, to in _names(kind, part).items() if name in values}
        result[kind] = older
    return result


def _newer(text: str | None, cls: type[P], part: str) -> tuple[P, ...]:
    found = _read(text, list[Tree]) or []
    try:
        return tuple(msgspec.convert(_newer_tree(tree, part), cls) for tree in found)
    except (msgspec.ValidationError, AttributeError, TypeError):
        return ()


def _newer_tree(tree: Tree, part: str) -> Tree:
    result: Tree = {"type": tree.get("type", "")}
    for kind in _SOURCES:
        older = tree.get(kind)
        if older is None:
            continue
        names = _names(kind, part)
        values = {name: older[was] for name, was in names.items() if older.get(was) is not None}
        if part == "target":
            values["type"] = _type(kind, values)
        newer: Tree = {part: values}
        if kind in ("resource", "containerResource"):
            newer |= {name: older[name] for name in ("name", "container") if name in older}
        else:
            newer["metric"] = {"name": older.get("metricName", "")}
            if older.get(_selector(kind)) is not None:
                newer["metric"]["selector"] = older[_selector(kind)]
        if kind == "object":
            newer["describedObject"] = older.get("target", {})
        result[kind] = newer
    return result


def _type(kind: str, values: Tree) -> str:
    if "averageUtilization" in values:
        return "Utilization"
    if kind == "external":
        return "Value" if "value" in values else "AverageValue"
    return "AverageValue" if "averageValue" in values or kind != "object" else "Value"


# --- behavior, which upstream writes with Go's names ---------------------------------------------


def _capitalized(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"{name[:1].upper()}{name[1:]}": _capitalized(v) for name, v in value.items()}
    return [_capitalized(each) for each in value] if isinstance(value, list | tuple) else value


def _uncapitalized(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            f"{name[:1].lower()}{name[1:]}": _uncapitalized(v)
            for name, v in value.items()
            if v is not None
        }
    return [_uncapitalized(each) for each in value] if isinstance(value, list) else value


def _behavior(text: str | None) -> HorizontalPodAutoscalerBehavior | None:
    tree = _uncapitalized(_read(text, Tree))
    if not tree:
        return None
    try:
        return msgspec.convert(tree, HorizontalPodAutoscalerBehavior)
    except msgspec.ValidationError:
        return None


def _trees(parts: Sequence[Part]) -> list[Any]:
    return [msgspec.to_builtins(part) for part in parts]


def _read(text: str | None, kind: Any) -> Any:
    """JSON of an annotation; None where there is none that can be read."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return None
