"""Classes of storage, on which nothing acts, and of priority (see `admission.priorities`).

Source: kubernetes/kubernetes pkg/apis/storage/validation and pkg/apis/scheduling/validation.
Differs: allowed topologies are not looked at; those of the system are there from the beginning, and
their names are refused.
"""

from __future__ import annotations

from emucluster.core.errors import Cause
from emucluster.core.objects import PriorityClass, StorageClass

from .fields import forbidden, immutable, invalid, one_of, required, too_long
from .names import qualified_name

RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
SYSTEM_PREFIX = "system-"
PRIORITY_MAX = 1_000_000_000
PARAMETERS_MAX, PARAMETERS_MAX_BYTES = 512, 256 * 1024


def storage_class(obj: StorageClass) -> list[Cause]:
    provisioner = obj.provisioner
    causes = [] if provisioner else [required("provisioner")]
    if provisioner:
        causes += [
            invalid("provisioner", provisioner, text)
            for text in qualified_name(provisioner.lower())
        ]
    causes += _parameters(obj.parameters or {})
    causes += one_of("reclaimPolicy", obj.reclaim_policy, RECLAIM_POLICIES)
    return causes + one_of("volumeBindingMode", obj.volume_binding_mode, BINDING_MODES)


def _parameters(parameters: dict[str, str]) -> list[Cause]:
    if len(parameters) > PARAMETERS_MAX:
        return [too_long("parameters", PARAMETERS_MAX)]
    empty = [invalid("parameters", "", "field can not be empty.")] if "" in parameters else []
    size = sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items())
    if size > PARAMETERS_MAX_BYTES:
        empty.append(too_long("parameters", PARAMETERS_MAX_BYTES))
    return empty


def storage_class_update(new: StorageClass, old: StorageClass) -> list[Cause]:
    fixed = {
        "parameters": (new.parameters or {}) == (old.parameters or {}),
        "provisioner": new.provisioner == old.provisioner,
        "reclaimPolicy": new.reclaim_policy == old.reclaim_policy,
    }
    causes = [
        forbidden(field, f"updates to {field} are forbidden.")
        for field, same in fixed.items()
        if not same
    ]
    causes += immutable("volumeBindingMode", new.volume_binding_mode, old.volume_binding_mode)
    return causes + storage_class(new)


def priority_class(obj: PriorityClass) -> list[Cause]:
    causes = list[Cause]()
    name = obj.metadata.name
    if name.startswith(SYSTEM_PREFIX):
        text = (
            f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only."
            f" error: {name} is not a known system priority class"
        )
        causes.append(forbidden("metadata.name", text))
    elif obj.value > PRIORITY_MAX:
        text = f"maximum allowed value of a user defined priority is {PRIORITY_MAX}"
        causes.append(forbidden("value", text))
    return causes + one_of("preemptionPolicy", obj.preemption_policy, PREEMPTION_POLICIES)


def priority_class_update(new: PriorityClass, old: PriorityClass) -> list[Cause]:
    changed = (
        [] if new.value == old.value else [forbidden("value", "may not be changed in an update.")]
    )
    policy = immutable("preemptionPolicy", new.preemption_policy, old.preemption_policy)
    return changed + policy
