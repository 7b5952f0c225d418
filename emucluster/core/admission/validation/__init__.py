"""Whether an object may be stored: every reason why not, in Kubernetes' words.

Both functions expect defaults to be filled in (`with_defaults`) and, for namespaced kinds, a
namespace to be set; allocated values (ClusterIPs, node ports) may still be absent. An empty answer
means "valid"; otherwise raise `errors.Invalid.of(kind, name, causes)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emucluster.core.errors import Cause
from emucluster.core.objects import Object

from .configmaps import config_map, config_map_update
from .events import event
from .leases import lease
from .metadata import metadata, metadata_update
from .nodes import node, node_update
from .pods import pod, pod_update
from .services import service, service_update
from .slices import endpoint_slice, endpoint_slice_update
from .workloads import deployment, deployment_update, replica_set, replica_set_update

_CREATE: Mapping[str, Callable[[Any], list[Cause]]] = {
    "Service": service,
    "Pod": pod,
    "Deployment": deployment,
    "ReplicaSet": replica_set,
    "EndpointSlice": endpoint_slice,
    "ConfigMap": config_map,
    "Node": node,
    "Lease": lease,
    "Event": event,
}
_UPDATE: Mapping[str, Callable[[Any, Any], list[Cause]]] = {
    "Service": service_update,
    "Pod": pod_update,
    "Deployment": deployment_update,
    "ReplicaSet": replica_set_update,
    "EndpointSlice": endpoint_slice_update,
    "ConfigMap": config_map_update,
    "Node": node_update,
}


def validate_create(obj: Object) -> tuple[Cause, ...]:
    """What is wrong with a new object, () if nothing is."""
    check = _CREATE.get(obj.kind)
    return (*metadata(obj), *(check(obj) if check else ()))


def validate_update(new: Object, old: Object) -> tuple[Cause, ...]:
    """What is wrong with putting `new` in the place of `old`, () if nothing is.

    The change itself is looked at first, then the new object as a whole.
    """
    meta = metadata_update(new, old)
    if (change := _UPDATE.get(new.kind)) is not None:
        return (*meta, *change(new, old))
    check = _CREATE.get(new.kind)
    return (*meta, *(check(new) if check else ()))
