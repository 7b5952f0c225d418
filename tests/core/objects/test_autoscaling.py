"""autoscaling/v1 and autoscaling/v2 are two views of one autoscaler, and lose nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from emucluster.core.objects import HorizontalPodAutoscaler, HorizontalPodAutoscalerV1
from emucluster.core.objects.autoscaling import as_v1, as_v2
from emucluster.core.objects.codec import decode_tree, to_tree

REF = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
}
PREFIX = "autoscaling.alpha.kubernetes.io"


def utilization(name: str, percent: int, **more: Any) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"name": name, "target": target, **more}


def value(kind: str, field: str) -> dict[str, Any]:
    return {"type": kind, field: "10"}


METRIC = {"name": "hits", "selector": {"matchLabels": {"verb": "GET"}}}
PLAIN = {"name": "hits"}
AVERAGE, ABSOLUTE = value("AverageValue", "averageValue"), value("Value", "value")
OTHERS: list[dict[str, Any]] = [
    {"type": "Resource", "resource": utilization("memory", 80)},
    {"type": "Resource", "resource": {"name": "cpu", "target": AVERAGE}},
    {"type": "ContainerResource", "containerResource": utilization("cpu", 50, container="app")},
    {"type": "Pods", "pods": {"metric": METRIC, "target": AVERAGE}},
    {"type": "Object", "object": {"describedObject": REF, "metric": METRIC, "target": ABSOLUTE}},
    {"type": "Object", "object": {"describedObject": REF, "metric": PLAIN, "target": AVERAGE}},
    {"type": "External", "external": {"metric": METRIC, "target": ABSOLUTE}},
    {"type": "External", "external": {"metric": PLAIN, "target": AVERAGE}},
]
BEHAVIOR = {
    "scaleDown": {
        "stabilizationWindowSeconds": 60,
        "selectPolicy": "Min",
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
    }
}
STATUS = {
    "observedGeneration": 2,
    "currentReplicas": 3,
    "desiredReplicas": 4,
    "lastScaleTime": "2026-01-01T00:00:00Z",
    "currentMetrics": [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "current": {"averageUtilization": 70, "averageValue": "140m"},
            },
        },
        {"type": "Pods", "pods": {"metric": METRIC, "current": {"averageValue": "9"}}},
    ],
    "conditions": [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}],
}


def newer(
    *metrics: dict[str, Any], annotations: dict[str, str] | None = None, **more: Any
) -> HorizontalPodAutoscaler:
    metadata: dict[str, Any] = {"name": "web", "namespace": "default"}
    if annotations:
        metadata["annotations"] = annotations
    spec = {"scaleTargetRef": REF, "minReplicas": 1, "maxReplicas": 3, "metrics": list(metrics)}
    status = more.pop("status", {})
    obj = decode_tree(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata,
            "spec": spec | more,
            "status": status,
        }
    )
    assert isinstance(obj, HorizontalPodAutoscaler)
    return obj


def older(annotations: dict[str, str] | None = None, **spec: Any) -> HorizontalPodAutoscalerV1:
    obj = decode_tree(
        {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "annotations": annotations or {}},
            "spec": {"scaleTargetRef": REF, "maxReplicas": 3, **spec},
        }
    )
    assert isinstance(obj, HorizontalPodAutoscalerV1)
    return obj


def test_cpu_utilization_is_the_one_metric_that_the_older_version_has_a_field_for() -> None:
    tree = to_tree(as_v1(newer(CPU)))
    assert tree["spec"] == {
        "scaleTargetRef": REF,
        "minReplicas": 1,
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 60,
    }
    assert "annotations" not in tree["metadata"]
    stored = to_tree(as_v2(older(targetCPUUtilizationPercentage=60)))
    assert stored["apiVersion"] == "autoscaling/v2"
    assert stored["spec"]["metrics"] == [CPU]


@pytest.mark.parametrize("metric", OTHERS, ids=lambda metric: metric["type"])
def test_any_other_metric_goes_into_an_annotation_and_comes_back(metric: dict[str, Any]) -> None:
    stored = newer(metric, CPU)
    shown = as_v1(stored)
    assert list(shown.metadata.annotations or {}) == [f"{PREFIX}/metrics"]
    assert shown.spec.target_cpu_utilization_percentage == 60
    assert as_v2(shown) == stored


def test_metrics_have_the_names_that_the_older_api_gives_them() -> None:
    shown = as_v1(newer(OTHERS[0], OTHERS[6]))
    assert msgspec.json.decode((shown.metadata.annotations or {})[f"{PREFIX}/metrics"]) == [
        {"type": "Resource", "resource": {"name": "memory", "targetAverageUtilization": 80}},
        {
            "type": "External",
            "external": {
                "metricName": "hits",
                "metricSelector": {"matchLabels": {"verb": "GET"}},
                "targetValue": "10",
            },
        },
    ]


def test_behavior_status_and_the_users_own_annotations_survive_both_ways() -> None:
    stored = newer(*OTHERS, CPU, annotations={"mine": "x"}, behavior=BEHAVIOR, status=STATUS)
    shown = as_v1(stored)
    annotations = shown.metadata.annotations or {}
    names = ("metrics", "current-metrics", "conditions", "behavior")
    assert set(annotations) == {"mine", *(f"{PREFIX}/{name}" for name in names)}
    policies = [{"Type": "Pods", "Value": 4, "PeriodSeconds": 15}]
    down = {"StabilizationWindowSeconds": 60, "SelectPolicy": "Min", "Policies": policies}
    assert msgspec.json.decode(annotations[f"{PREFIX}/behavior"]) == {"ScaleDown": down}
    assert shown.status.current_cpu_utilization_percentage == 70
    assert as_v2(shown) == stored


def test_of_two_cpu_utilizations_none_is_lost() -> None:
    second = {"type": "Resource", "resource": utilization("cpu", 90)}
    stored = as_v2(as_v1(newer(CPU, second)))
    assert to_tree(stored)["spec"]["metrics"] == [second, CPU]


@pytest.mark.parametrize("text", ["", "no JSON", "{}", "[1]", '[{"type":"Pods","pods":{"x":1}}]'])
def test_an_annotation_that_cannot_be_read_counts_for_nothing_and_goes(text: str) -> None:
    names = ("metrics", "current-metrics", "conditions", "behavior")
    given = {f"{PREFIX}/{name}": text for name in names}
    stored = as_v2(older({**given, "mine": "x"}, targetCPUUtilizationPercentage=60))
    assert stored.metadata.annotations == {"mine": "x"}
    assert stored.spec.behavior is None
    assert stored.status.conditions == ()
