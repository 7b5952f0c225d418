"""Rows of Jobs, CronJobs and autoscalers.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emucluster.core.objects import (
    CronJob,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerV1,
    Job,
    MetricSpec,
    MetricStatus,
)
from emucluster.core.objects.autoscaling import as_v2

from .ages import age, human_duration, seconds_of
from .column import AGE, NAME, NONE, UNKNOWN, UNSET, Cell, Printer, column
from .selectors import format_selector
from .templates import CONTAINERS, IMAGES, containers_cells

_METRICS_MAX = 2


def _job(obj: Job, now_s: float) -> list[Cell]:
    spec = obj.spec
    return [
        obj.metadata.name,
        _job_status(obj),
        _completions(obj),
        _duration(obj, now_s),
        age(obj.metadata.creation_timestamp, now_s),
        *containers_cells(spec.template),
        format_selector(spec.selector),
    ]


def _job_status(obj: Job) -> str:
    true = {condition.type for condition in obj.status.conditions if condition.status == "True"}
    if "Complete" in true:
        return "Complete"
    if "Failed" in true:
        return "Failed"
    if obj.metadata.deletion_timestamp:
        return "Terminating"
    return next((word for word in ("Suspended", "FailureTarget") if word in true), "Running")


def _completions(obj: Job) -> str:
    succeeded, spec = obj.status.succeeded or 0, obj.spec
    if spec.completions is not None:
        return f"{succeeded}/{spec.completions}"
    if (spec.parallelism or 0) > 1:
        return f"{succeeded}/1 of {spec.parallelism}"
    return f"{succeeded}/1"


def _duration(obj: Job, now_s: float) -> str:
    begun_s = seconds_of(obj.status.start_time)
    if begun_s is None:
        return ""
    ended_s = seconds_of(obj.status.completion_time)
    return human_duration((now_s if ended_s is None else ended_s) - begun_s)


def _cron_job(obj: CronJob, now_s: float) -> list[Cell]:
    spec, status = obj.spec, obj.status
    last = status.last_schedule_time
    return [
        obj.metadata.name,
        spec.schedule,
        NONE if spec.time_zone is None else spec.time_zone,
        UNSET if spec.suspend is None else str(spec.suspend),
        len(status.active),
        age(last, now_s) if last else NONE,
        age(obj.metadata.creation_timestamp, now_s),
        *containers_cells(spec.job_template.spec.template),
        format_selector(spec.job_template.spec.selector),
    ]


def _autoscaler(
    obj: HorizontalPodAutoscaler | HorizontalPodAutoscalerV1, now_s: float
) -> list[Cell]:
    if isinstance(obj, HorizontalPodAutoscalerV1):
        obj = as_v2(obj)
    spec = obj.spec
    return [
        obj.metadata.name,
        f"{spec.scale_target_ref.kind}/{spec.scale_target_ref.name}",
        _metrics(spec.metrics, obj.status.current_metrics),
        UNSET if spec.min_replicas is None else str(spec.min_replicas),
        spec.max_replicas or 0,
        obj.status.current_replicas or 0,
        age(obj.metadata.creation_timestamp, now_s),
    ]


_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "container_resource",
}


def _metrics(specs: Sequence[MetricSpec], statuses: Sequence[MetricStatus]) -> str:
    """What is so against what is wanted, for the first two metrics. Upstream: formatHPAMetrics."""
    if not specs:
        return NONE
    shown = [
        _metric(spec, statuses[index] if index < len(statuses) else None)
        for index, spec in enumerate(specs)
    ]
    text = ", ".join(shown[:_METRICS_MAX])
    return f"{text} + {len(shown) - _METRICS_MAX} more..." if len(shown) > _METRICS_MAX else text


def _metric(spec: MetricSpec, status: MetricStatus | None) -> str:
    name = _SOURCES.get(spec.type)
    source = getattr(spec, name) if name else None
    if source is None:
        return "<unknown type>"
    found = getattr(status, str(name)) if status is not None else None
    current, target = (found.current if found is not None else None), source.target
    if spec.type == "Pods":
        return f"{_value(current, 'average_value')}/{_value(target, 'average_value')}"
    if spec.type in ("Resource", "ContainerResource"):
        if target.average_value is not None:
            now = _value(current, "average_value")
            return f"{source.name}: {now}/{target.average_value}"
        used = _percent(current, UNKNOWN)
        return f"{source.name}: {used}/{_percent(target, '<auto>')}"
    if target.average_value is not None:
        return f"{_value(current, 'average_value')}/{target.average_value} (avg)"
    return f"{_value(current, 'value')}/{_value(target, 'value')}"


def _value(source: Any, name: str) -> str:
    value = getattr(source, name, None)
    return UNKNOWN if value is None else str(value)


def _percent(source: Any, otherwise: str) -> str:
    value = getattr(source, "average_utilization", None)
    return otherwise if value is None else f"{value}%"


_SELECTOR = column(
    "Selector", "A label query over pods that should match the pod count.", wide=True
)

JOB: Printer[Job] = Printer(
    (
        NAME,
        column("Status", "Status of the job."),
        column("Completions", "The number of pods which reached phase Succeeded."),
        column("Duration", "Time required to complete the job."),
        AGE,
        CONTAINERS,
        IMAGES,
        _SELECTOR,
    ),
    _job,
)
CRON_JOB: Printer[CronJob] = Printer(
    (
        NAME,
        column("Schedule", "The schedule in Cron format, see https://en.wikipedia.org/wiki/Cron."),
        column("Timezone", "The time zone name for the given schedule."),
        column(
            "Suspend",
            "This flag tells the controller to suspend subsequent executions, it does not apply to "
            "already started executions.",
            type="boolean",
        ),
        column("Active", "A list of pointers to currently running jobs.", type="integer"),
        column(
            "Last Schedule",
            "Information when was the last time the job was successfully scheduled.",
        ),
        AGE,
        CONTAINERS,
        IMAGES,
        _SELECTOR,
    ),
    _cron_job,
)
AUTOSCALER: Printer[HorizontalPodAutoscaler | HorizontalPodAutoscalerV1] = Printer(
    (
        NAME,
        column("Reference", "scaleTargetRef points to the target resource to scale."),
        column(
            "Targets",
            "metrics contains the specifications for which to use to calculate the desired replica "
            "count.",
        ),
        column("MinPods", "minReplicas is the lower limit for the number of replicas."),
        column("MaxPods", "maxReplicas is the upper limit for the number of replicas."),
        column("Replicas", "currentReplicas is current number of replicas of pods managed."),
        AGE,
    ),
    _autoscaler,
)
