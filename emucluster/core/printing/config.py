"""Rows of what is only stored: configuration, claims, quotas, bindings.

Source: kubernetes/kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emucluster.core.objects import (
    ClusterRoleBinding,
    ConfigMap,
    PersistentVolume,
    PersistentVolumeClaim,
    PriorityClass,
    ResourceQuota,
    RoleBinding,
    Secret,
    ServiceAccount,
    StorageClass,
)

from .ages import age
from .column import AGE, NAME, UNSET, Cell, Column, Printer, column

_ACCESS_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _config_map(obj: ConfigMap, now_s: float) -> list[Cell]:
    count = len(obj.data or {}) + len(obj.binary_data or {})
    return [obj.metadata.name, count, age(obj.metadata.creation_timestamp, now_s)]


def _secret(obj: Secret, now_s: float) -> list[Cell]:
    meta = obj.metadata
    return [meta.name, obj.type or "", len(obj.data or {}), age(meta.creation_timestamp, now_s)]


def _service_account(obj: ServiceAccount, now_s: float) -> list[Cell]:
    meta = obj.metadata
    return [meta.name, len(obj.secrets), age(meta.creation_timestamp, now_s)]


def _persistent_volume(obj: PersistentVolume, now_s: float) -> list[Cell]:
    spec, status = obj.spec, obj.status
    claim = spec.claim_ref
    return [
        obj.metadata.name,
        _storage(spec.capacity),
        _modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy or "",
        _phase(obj),
        f"{claim.namespace or ''}/{claim.name or ''}" if claim is not None else "",
        _class(obj),
        _or_unset(spec.volume_attributes_class_name),
        status.reason or "",
        age(obj.metadata.creation_timestamp, now_s),
        _or_unset(spec.volume_mode),
    ]


def _volume_claim(obj: PersistentVolumeClaim, now_s: float) -> list[Cell]:
    spec, status = obj.spec, obj.status
    bound = bool(spec.volume_name)
    return [
        obj.metadata.name,
        _phase(obj),
        spec.volume_name or "",
        _storage(status.capacity) if bound else "",
        _modes(status.access_modes) if bound else "",
        _class(obj),
        _or_unset(spec.volume_attributes_class_name),
        age(obj.metadata.creation_timestamp, now_s),
        _or_unset(spec.volume_mode),
    ]


def _phase(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    return "Terminating" if obj.metadata.deletion_timestamp else obj.status.phase or ""


def _storage(capacity: Mapping[str, Any] | None) -> str:
    return str((capacity or {}).get("storage", 0))


def _modes(modes: Sequence[str]) -> str:
    """Each once, in a fixed order. Upstream: pkg/apis/core/helper, GetAccessModesAsString."""
    return ",".join(short for mode, short in _ACCESS_MODES.items() if mode in modes)


def _class(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    annotations = obj.metadata.annotations or {}
    return annotations.get(_CLASS_ANNOTATION) or obj.spec.storage_class_name or ""


def _or_unset(value: str | None) -> str:
    return UNSET if value is None else value


def _storage_class(obj: StorageClass, now_s: float) -> list[Cell]:
    meta = obj.metadata
    annotations = meta.annotations or {}
    is_default = any(annotations.get(name) == "true" for name in _DEFAULT_ANNOTATIONS)
    return [
        f"{meta.name} (default)" if is_default else meta.name,
        obj.provisioner,
        obj.reclaim_policy or "Delete",
        obj.volume_binding_mode or "Immediate",
        bool(obj.allow_volume_expansion),
        age(meta.creation_timestamp, now_s),
    ]


def _priority_class(obj: PriorityClass, now_s: float) -> list[Cell]:
    return [
        obj.metadata.name,
        obj.value,
        bool(obj.global_default),
        age(obj.metadata.creation_timestamp, now_s),
        obj.preemption_policy or "",
    ]


def _resource_quota(obj: ResourceQuota, now_s: float) -> list[Cell]:
    hard, used = obj.status.hard or {}, obj.status.used or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        where = limits if name.startswith("limits.") else requests
        where.append(f"{name}: {used.get(name, 0)}/{hard[name]}")
    return [
        obj.metadata.name,
        ", ".join(requests),
        ", ".join(limits),
        age(obj.metadata.creation_timestamp, now_s),
    ]


def _binding(obj: RoleBinding | ClusterRoleBinding, now_s: float) -> list[Cell]:
    subjects = obj.subjects
    accounts = [
        f"{s.namespace}/{s.name}" if s.namespace else f"/{s.name}"
        for s in subjects
        if s.kind == "ServiceAccount"
    ]
    return [
        obj.metadata.name,
        f"{obj.role_ref.kind}/{obj.role_ref.name}",
        age(obj.metadata.creation_timestamp, now_s),
        ", ".join(s.name for s in subjects if s.kind == "User"),
        ", ".join(s.name for s in subjects if s.kind == "Group"),
        ", ".join(accounts),
    ]


def _binding_columns(what: str) -> tuple[Column, ...]:
    return (
        NAME,
        column("Role", "RoleRef can reference a Role in the current namespace or a ClusterRole."),
        AGE,
        column("Users", f"Users in the {what}", wide=True),
        column("Groups", f"Groups in the {what}", wide=True),
        column("ServiceAccounts", f"ServiceAccounts in the {what}", wide=True),
    )


CONFIG_MAP: Printer[ConfigMap] = Printer(
    (NAME, column("Data", "Data contains the configuration data."), AGE), _config_map
)
SECRET: Printer[Secret] = Printer(
    (
        NAME,
        column("Type", "Used to facilitate programmatic handling of secret data."),
        column("Data", "Data contains the secret data."),
        AGE,
    ),
    _secret,
)
SERVICE_ACCOUNT: Printer[ServiceAccount] = Printer(
    (
        NAME,
        column(
            "Secrets",
            "Secrets is a list of the secrets in the same namespace that pods running using this "
            "ServiceAccount are allowed to use.",
        ),
        AGE,
    ),
    _service_account,
)
PERSISTENT_VOLUME: Printer[PersistentVolume] = Printer(
    (
        NAME,
        column("Capacity", "capacity is the description of the volume's resources and capacity."),
        column("Access Modes", "accessModes contains all ways the volume can be mounted."),
        column(
            "Reclaim Policy",
            "persistentVolumeReclaimPolicy defines what happens to a persistent volume when "
            "released from its claim.",
        ),
        column(
            "Status", "phase indicates if a volume is available, bound to a claim, or released."
        ),
        column("Claim", "claimRef is part of a bi-directional binding between volume and claim."),
        column("StorageClass", "StorageClass of the pv"),
        column("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
        column("Reason", "reason is a brief CamelCase string that describes any failure."),
        AGE,
        column("VolumeMode", "volumeMode defines how the volume is to be used.", wide=True),
    ),
    _persistent_volume,
)
VOLUME_CLAIM: Printer[PersistentVolumeClaim] = Printer(
    (
        NAME,
        column("Status", "phase represents the current phase of PersistentVolumeClaim."),
        column(
            "Volume",
            "volumeName is the binding reference to the PersistentVolume backing this claim.",
        ),
        column("Capacity", "capacity represents the actual resources of the underlying volume."),
        column(
            "Access Modes",
            "accessModes contains the actual access modes the volume backing the PVC has.",
        ),
        column("StorageClass", "StorageClass of the pvc"),
        column("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
        AGE,
        column(
            "VolumeMode",
            "volumeMode defines what type of volume is required by the claim.",
            wide=True,
        ),
    ),
    _volume_claim,
)
STORAGE_CLASS: Printer[StorageClass] = Printer(
    (
        NAME,
        column("Provisioner", "provisioner indicates the type of the provisioner."),
        column(
            "ReclaimPolicy",
            "reclaimPolicy controls the reclaimPolicy for dynamically provisioned "
            "PersistentVolumes of this storage class.",
        ),
        column(
            "VolumeBindingMode",
            "volumeBindingMode indicates how PersistentVolumeClaims should be provisioned and "
            "bound.",
        ),
        column(
            "AllowVolumeExpansion",
            "allowVolumeExpansion shows whether the storage class allow volume expand.",
        ),
        AGE,
    ),
    _storage_class,
)
PRIORITY_CLASS: Printer[PriorityClass] = Printer(
    (
        NAME,
        column(
            "Value",
            "value represents the integer value of this priority class.",
            type="integer",
        ),
        column(
            "Global-Default",
            "globalDefault specifies whether this PriorityClass should be considered as the "
            "default priority for pods that do not have any priority class.",
            type="boolean",
        ),
        AGE,
        column(
            "PreemptionPolicy",
            "preemptionPolicy is the Policy for preempting pods with lower priority.",
        ),
    ),
    _priority_class,
)
RESOURCE_QUOTA: Printer[ResourceQuota] = Printer(
    (
        NAME,
        column(
            "Request",
            "Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        column(
            "Limit",
            "Limits control the maximum amount of cpu/memory that a container may use independent "
            "of contention on the node.",
        ),
        AGE,
    ),
    _resource_quota,
)
ROLE_BINDING: Printer[Any] = Printer(_binding_columns("roleBinding"), _binding)
CLUSTER_ROLE_BINDING: Printer[Any] = Printer(_binding_columns("clusterRoleBinding"), _binding)
