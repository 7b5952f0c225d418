"""Whether an object may be stored: every reason why not, in Kubernetes' words.

Both functions expect defaults to be filled in (`with_defaults`) and, for namespaced kinds, a
namespace to be set; allocated values (ClusterIPs, node ports) may still be absent. An empty answer
means "valid"; otherwise raise `errors.Invalid.of(kind, name, causes)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emucluster.core.admission.custom.definition_rules import definition, definition_update
from emucluster.core.errors import Cause
from emucluster.core.objects import Object

from . import batch, classes, rbac, stored
from .budgets import budget
from .configmaps import config_map, config_map_update
from .endpoints import endpoints
from .events import event
from .leases import lease
from .metadata import metadata, metadata_update
from .namespaces import namespace, namespace_update
from .nodes import node, node_update
from .pods import pod, pod_update
from .secrets import secret, secret_update
from .services import service, service_update
from .sets import (
    controller_revision,
    controller_revision_update,
    daemon_set,
    daemon_set_update,
    stateful_set,
    stateful_set_update,
)
from .slices import endpoint_slice, endpoint_slice_update
from .workloads import deployment, deployment_update, replica_set, replica_set_update

_CREATE: Mapping[str, Callable[[Any], list[Cause]]] = {
    "Service": service,
    "Pod": pod,
    "Deployment": deployment,
    "ReplicaSet": replica_set,
    "DaemonSet": daemon_set,
    "StatefulSet": stateful_set,
    "ControllerRevision": controller_revision,
    "Endpoints": endpoints,
    "EndpointSlice": endpoint_slice,
    "ConfigMap": config_map,
    "Secret": secret,
    "Namespace": namespace,
    "Node": node,
    "Lease": lease,
    "Event": event,
    "PodDisruptionBudget": budget,
    "CustomResourceDefinition": definition,
    "PersistentVolume": stored.volume,
    "PersistentVolumeClaim": stored.claim,
    "ResourceQuota": stored.quota,
    "LimitRange": stored.limit_range,
    "ReplicationController": stored.replication_controller,
    "Job": batch.job,
    "CronJob": batch.cron_job,
    "Ingress": stored.ingress,
    "NetworkPolicy": stored.network_policy,
    "HorizontalPodAutoscaler": stored.autoscaler,
    "StorageClass": classes.storage_class,
    "PriorityClass": classes.priority_class,
    "Role": rbac.role,
    "ClusterRole": rbac.cluster_role,
    "RoleBinding": rbac.role_binding,
    "ClusterRoleBinding": rbac.cluster_role_binding,
}
_UPDATE: Mapping[str, Callable[[Any, Any], list[Cause]]] = {
    "Service": service_update,
    "Pod": pod_update,
    "Deployment": deployment_update,
    "ReplicaSet": replica_set_update,
    "DaemonSet": daemon_set_update,
    "StatefulSet": stateful_set_update,
    "ControllerRevision": controller_revision_update,
    "EndpointSlice": endpoint_slice_update,
    "ConfigMap": config_map_update,
    "Secret": secret_update,
    "Namespace": namespace_update,
    "Node": node_update,
    "CustomResourceDefinition": definition_update,
    "PersistentVolumeClaim": stored.claim_update,
    "Job": batch.job_update,
    "StorageClass": classes.storage_class_update,
    "PriorityClass": classes.priority_class_update,
    "RoleBinding": rbac.role_binding_update,
    "ClusterRoleBinding": rbac.cluster_role_binding_update,
}


def validate_create(obj: Object) -> tuple[Cause, ...]:
    """What is wrong with a new object, () if nothing is."""
    check = _CREATE.get(obj.kind_key)
    return (*metadata(obj), *(check(obj) if check else ()))


def validate_update(new: Object, old: Object) -> tuple[Cause, ...]:
    """What is wrong with putting `new` in the place of `old`, () if nothing is.

    The change itself is looked at first, then the new object as a whole.
    """
    meta = metadata_update(new, old)
    if (change := _UPDATE.get(new.kind_key)) is not None:
        return (*meta, *change(new, old))
    check = _CREATE.get(new.kind_key)
    return (*meta, *(check(new) if check else ()))
