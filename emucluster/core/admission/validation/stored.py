"""Kinds on which nothing acts: what is plainly wrong with them.

Source: kubernetes/kubernetes pkg/apis/core/validation, pkg/apis/networking/validation and
pkg/apis/autoscaling/validation. Differs: not every rule of theirs is here.
"""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import (
    HorizontalPodAutoscaler,
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    LimitRange,
    NetworkPolicy,
    PersistentVolume,
    PersistentVolumeClaim,
    ReplicationController,
    ResourceQuota,
    replace,
)

from .fields import forbidden, invalid, non_negative, not_supported, required
from .metadata import label_selector
from .pods import pod_template
from .resources import quantities

CLAIM_UPDATE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
DIRECTIONS = ("Ingress", "Egress")
_VOLUMES = (
    *("aws_elastic_block_store", "azure_disk", "azure_file", "cephfs", "cinder", "csi", "fc"),
    *("flex_volume", "flocker", "gce_persistent_disk", "glusterfs", "host_path", "iscsi", "local"),
    *("nfs", "photon_persistent_disk", "portworx_volume", "quobyte", "rbd", "scale_io"),
    *("storageos", "vsphere_volume"),
)


def claim(obj: PersistentVolumeClaim) -> list[Cause]:
    spec, causes = obj.spec, list[Cause]()
    if not spec.access_modes:
        causes.append(required("spec.accessModes", "at least 1 access mode is required"))
    requests = spec.resources.requests or {}
    if "storage" not in requests:
        causes.append(required("spec.resources[storage]"))
    return causes + list(quantities("spec.resources.requests", requests))


def claim_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> list[Cause]:
    fixed = replace(
        old.spec,
        resources=replace(old.spec.resources, requests=new.spec.resources.requests),
        volume_attributes_class_name=new.spec.volume_attributes_class_name,
        volume_name=new.spec.volume_name if not old.spec.volume_name else old.spec.volume_name,
    )
    changed = [] if fixed == new.spec else [forbidden("spec", CLAIM_UPDATE)]
    return changed + claim(new)


def volume(obj: PersistentVolume) -> list[Cause]:
    spec, causes = obj.spec, list[Cause]()
    if not spec.access_modes:
        causes.append(required("spec.accessModes"))
    if not spec.capacity:
        causes.append(required("spec.capacity"))
    causes += quantities("spec.capacity", spec.capacity)
    sources = [name for name in _VOLUMES if getattr(spec, name) is not None]
    if not sources:
        causes.append(required("spec", "must specify a volume type"))
    if len(sources) > 1:
        causes.append(forbidden("spec", "may not specify more than 1 volume type"))
    return causes


def quota(obj: ResourceQuota) -> list[Cause]:
    return list(quantities("spec.hard", obj.spec.hard))


def limit_range(obj: LimitRange) -> list[Cause]:
    causes = list[Cause]()
    for index, item in enumerate(obj.spec.limits):
        path = f"spec.limits[{index}]"
        if not item.type:
            causes.append(required(f"{path}.type"))
        for field, values in (("max", item.max), ("min", item.min), ("default", item.default)):
            causes += quantities(f"{path}.{field}", values)
    return causes


def replication_controller(obj: ReplicationController) -> list[Cause]:
    spec = obj.spec
    causes = non_negative("spec.replicas", spec.replicas)
    causes += non_negative("spec.minReadySeconds", spec.min_ready_seconds)
    if not spec.selector:
        causes.append(required("spec.selector"))
    if spec.template is None:
        return [*causes, required("spec.template")]
    labels = spec.template.metadata.labels or {}
    if any(labels.get(key) != value for key, value in (spec.selector or {}).items()):
        text = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", labels, text))
    return causes + list(pod_template("spec.template", spec.template))


def ingress(obj: Ingress) -> list[Cause]:
    spec, causes = obj.spec, list[Cause]()
    if not spec.rules and spec.default_backend is None:
        text = "either `defaultBackend` or `rules` must be specified"
        causes.append(invalid("spec", spec, text))
    if spec.default_backend is not None:
        causes += _backend("spec.defaultBackend", spec.default_backend)
    for index, rule in enumerate(spec.rules):
        path = f"spec.rules[{index}].http.paths"
        if rule.http is None:
            continue
        if not rule.http.paths:
            causes.append(required(path))
        for number, each in enumerate(rule.http.paths):
            causes += _path(f"{path}[{number}]", each)
    return causes


def _path(path: str, each: HTTPIngressPath) -> Iterator[Cause]:
    if not each.path_type:
        yield required(f"{path}.pathType", "pathType must be specified")
    elif each.path_type not in PATH_TYPES:
        yield not_supported(f"{path}.pathType", each.path_type, PATH_TYPES)
    elif not (each.path or _any_path(each)).startswith("/"):
        yield invalid(f"{path}.path", each.path or "", "must be an absolute path")
    yield from _backend(f"{path}.backend", each.backend)


def _any_path(each: HTTPIngressPath) -> str:
    """What stands for no path."""
    return "/" if each.path_type == "ImplementationSpecific" else ""


def _backend(path: str, backend: IngressBackend) -> Iterator[Cause]:
    service = backend.service
    if backend.resource is not None and service is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif backend.resource is None and service is None:
        yield required(path, "resource or service backend is required")
    elif service is not None:
        port = service.port
        if not service.name:
            yield required(f"{path}.service.name")
        if port is None or (not port.name and not port.number):
            yield required(path, "port name or number is required")


def network_policy(obj: NetworkPolicy) -> list[Cause]:
    spec = obj.spec
    causes = label_selector("spec.podSelector", spec.pod_selector)
    for index, direction in enumerate(spec.policy_types):
        if direction not in DIRECTIONS:
            field = f"spec.policyTypes[{index}]"
            causes.append(not_supported(field, direction, DIRECTIONS))
    return causes


def autoscaler(obj: HorizontalPodAutoscaler) -> list[Cause]:
    spec, causes = obj.spec, list[Cause]()
    least = spec.min_replicas
    if least is not None and least < 1:
        text = "must be greater than or equal to 1"
        causes.append(invalid("spec.minReplicas", least, text))
    if spec.max_replicas < 1:
        causes.append(invalid("spec.maxReplicas", spec.max_replicas, "must be greater than 0"))
    if least is not None and spec.max_replicas < least:
        text = "must be greater than or equal to `minReplicas`"
        causes.append(invalid("spec.maxReplicas", spec.max_replicas, text))
    for field, value in (
        ("kind", spec.scale_target_ref.kind),
        ("name", spec.scale_target_ref.name),
    ):
        if not value:
            causes.append(required(f"spec.scaleTargetRef.{field}"))
    return causes
