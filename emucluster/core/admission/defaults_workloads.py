"""Defaults of the kinds that make pods.

Source: kubernetes/kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/batch/v1/defaults.go, and for
ReplicationControllers and claims pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emucluster.core.objects import (
    CronJob,
    DaemonSet,
    DaemonSetSpec,
    DaemonSetUpdateStrategy,
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    Job,
    JobSpec,
    Object,
    PersistentVolumeClaim,
    PodTemplateSpec,
    ReplicaSet,
    ReplicationController,
    RollingUpdateDaemonSet,
    RollingUpdateDeployment,
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
    replace,
)

from .defaults_pods import filled, pod_spec

HISTORY_LIMIT = 10


def _template(template: PodTemplateSpec) -> PodTemplateSpec:
    return replace(template, spec=pod_spec(template.spec))


def _deployment(deployment: Deployment) -> Deployment:
    spec = filled(
        deployment.spec,
        replicas=1,
        revision_history_limit=HISTORY_LIMIT,
        progress_deadline_seconds=600,
    )
    spec = replace(spec, strategy=_strategy(spec), template=_template(spec.template))
    return replace(deployment, spec=spec)


def _strategy(spec: DeploymentSpec) -> DeploymentStrategy:
    strategy = filled(spec.strategy or DeploymentStrategy(), type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    rolling = strategy.rolling_update or RollingUpdateDeployment()
    rolling = filled(rolling, max_unavailable="25%", max_surge="25%")
    return replace(strategy, rolling_update=rolling)


def _replica_set(replica_set: ReplicaSet) -> ReplicaSet:
    spec = filled(replica_set.spec, replicas=1)
    if spec.template is not None:
        spec = replace(spec, template=_template(spec.template))
    return replace(replica_set, spec=spec)


def _daemon_set(daemon_set: DaemonSet) -> DaemonSet:
    spec = filled(daemon_set.spec, revision_history_limit=HISTORY_LIMIT)
    spec = replace(spec, update_strategy=_daemon_strategy(spec), template=_template(spec.template))
    return replace(daemon_set, spec=spec)


def _daemon_strategy(spec: DaemonSetSpec) -> DaemonSetUpdateStrategy:
    strategy = filled(spec.update_strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    rolling = strategy.rolling_update or RollingUpdateDaemonSet()
    return replace(strategy, rolling_update=filled(rolling, max_unavailable=1, max_surge=0))


def _stateful_set(stateful_set: StatefulSet) -> StatefulSet:
    spec = filled(
        stateful_set.spec,
        pod_management_policy="OrderedReady",
        replicas=1,
        revision_history_limit=HISTORY_LIMIT,
    )
    retention = spec.persistent_volume_claim_retention_policy
    retention = retention or StatefulSetPersistentVolumeClaimRetentionPolicy()
    spec = replace(
        spec,
        update_strategy=_stateful_strategy(spec),
        persistent_volume_claim_retention_policy=filled(
            retention, when_deleted="Retain", when_scaled="Retain"
        ),
        template=_template(spec.template),
        volume_claim_templates=tuple(claim(each) for each in spec.volume_claim_templates),
    )
    return replace(stateful_set, spec=spec)


def _stateful_strategy(spec: StatefulSetSpec) -> StatefulSetUpdateStrategy:
    strategy = filled(spec.update_strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    rolling = strategy.rolling_update or RollingUpdateStatefulSetStrategy()
    return replace(strategy, rolling_update=filled(rolling, partition=0))


def claim(obj: PersistentVolumeClaim) -> PersistentVolumeClaim:
    """A claim, by itself or in a StatefulSet."""
    spec = filled(obj.spec, volume_mode="Filesystem")
    return replace(obj, spec=spec, status=filled(obj.status, phase="Pending"))


def _replication_controller(obj: ReplicationController) -> ReplicationController:
    spec, meta = filled(obj.spec, replicas=1), obj.metadata
    template = spec.template
    if template is not None:
        if labels := template.metadata.labels:
            spec = filled(spec, selector=labels)
            meta = filled(meta, labels=labels)
        spec = replace(spec, template=_template(template))
    return replace(obj, metadata=meta, spec=spec)


def _job(job: Job) -> Job:
    meta, labels = job.metadata, job.spec.template.metadata.labels
    if labels:
        meta = filled(meta, labels=labels)
    return replace(job, metadata=meta, spec=_job_spec(job.spec))


def _job_spec(spec: JobSpec) -> JobSpec:
    if spec.completions is None and spec.parallelism is None:
        spec = replace(spec, completions=1)
    spec = filled(
        spec,
        parallelism=1,
        backoff_limit=6 if spec.backoff_limit_per_index is None else 2**31 - 1,
        completion_mode="NonIndexed",
        suspend=False,
        pod_replacement_policy="TerminatingOrFailed"
        if spec.pod_failure_policy is None
        else "Failed",
    )
    return replace(spec, template=_template(spec.template))


def _cron_job(cron_job: CronJob) -> CronJob:
    spec = filled(
        cron_job.spec,
        concurrency_policy="Allow",
        suspend=False,
        successful_jobs_history_limit=3,
        failed_jobs_history_limit=1,
    )
    template = replace(spec.job_template, spec=_cron_template(spec.job_template.spec))
    return replace(cron_job, spec=replace(spec, job_template=template))


def _cron_template(spec: JobSpec) -> JobSpec:
    return replace(spec, template=_template(spec.template))


DEFAULTS: Mapping[str, Callable[[Any], Object]] = {
    Deployment.kind: _deployment,
    ReplicaSet.kind: _replica_set,
    DaemonSet.kind: _daemon_set,
    StatefulSet.kind: _stateful_set,
    ReplicationController.kind: _replication_controller,
    Job.kind: _job,
    CronJob.kind: _cron_job,
    PersistentVolumeClaim.kind: claim,
}
