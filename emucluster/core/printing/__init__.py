"""Objects as rows of a table, for kubectl and for our own command line.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go at 1.32. As on the API
server, rows are always made wide: what a client shows of them is its own decision, by priority.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from emucluster.core.objects import CustomResourceColumnDefinition, Object
from emucluster.core.objects.registry import Resource

from . import batch, cluster, config, network, pods, workloads
from .column import DEFAULT, Cell, Column, Printer
from .custom import custom_printer
from .tables import IncludeObject, Table, include_object, table

__all__ = [
    "Cell",
    "Column",
    "IncludeObject",
    "Printer",
    "Table",
    "cells",
    "columns",
    "custom_printer",
    "include_object",
    "printer",
    "table",
]

PRINTERS: Mapping[str, Printer[Any]] = {
    "Pod": pods.POD,
    "Service": network.SERVICE,
    "Endpoints": network.ENDPOINTS,
    "EndpointSlice.discovery.k8s.io": network.ENDPOINT_SLICE,
    "Ingress.networking.k8s.io": network.INGRESS,
    "IngressClass.networking.k8s.io": network.INGRESS_CLASS,
    "NetworkPolicy.networking.k8s.io": network.NETWORK_POLICY,
    "Node": cluster.NODE,
    "Namespace": cluster.NAMESPACE,
    "Lease.coordination.k8s.io": cluster.LEASE,
    "Event": cluster.EVENT,
    "Event.events.k8s.io": cluster.EVENT,
    "Deployment.apps": workloads.DEPLOYMENT,
    "ReplicaSet.apps": workloads.REPLICA_SET,
    "StatefulSet.apps": workloads.STATEFUL_SET,
    "DaemonSet.apps": workloads.DAEMON_SET,
    "ControllerRevision.apps": workloads.CONTROLLER_REVISION,
    "ReplicationController": workloads.REPLICATION_CONTROLLER,
    "PodDisruptionBudget.policy": workloads.DISRUPTION_BUDGET,
    "Scale.autoscaling": workloads.SCALE,
    "Job.batch": batch.JOB,
    "CronJob.batch": batch.CRON_JOB,
    "HorizontalPodAutoscaler.autoscaling": batch.AUTOSCALER,
    "ConfigMap": config.CONFIG_MAP,
    "Secret": config.SECRET,
    "ServiceAccount": config.SERVICE_ACCOUNT,
    "PersistentVolume": config.PERSISTENT_VOLUME,
    "PersistentVolumeClaim": config.VOLUME_CLAIM,
    "ResourceQuota": config.RESOURCE_QUOTA,
    "StorageClass.storage.k8s.io": config.STORAGE_CLASS,
    "PriorityClass.scheduling.k8s.io": config.PRIORITY_CLASS,
    "RoleBinding.rbac.authorization.k8s.io": config.ROLE_BINDING,
    "ClusterRoleBinding.rbac.authorization.k8s.io": config.CLUSTER_ROLE_BINDING,
}
"""By kind and group, as messages of validation name a kind. Others show name and creation time."""


def printer(resource: Resource) -> Printer[Any]:
    """The printer of a resource, be it built in or of a CustomResourceDefinition."""
    if resource.definition is not None:
        return _custom(resource.definition.additional_printer_columns)
    return PRINTERS.get(resource.qualified_kind, DEFAULT)


def columns(resource: Resource) -> tuple[Column, ...]:
    """The columns of a resource, those of `-o wide` too."""
    return printer(resource).columns


def cells(obj: Object, resource: Resource, now_s: float) -> list[Cell]:
    """One row, a cell for each column; `now_s` in seconds since the epoch."""
    return printer(resource).cells(obj, now_s)


@lru_cache(maxsize=1000)
def _custom(columns: tuple[CustomResourceColumnDefinition, ...]) -> Printer[Any]:
    return custom_printer(columns)
