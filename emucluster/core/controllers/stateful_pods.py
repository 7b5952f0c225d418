"""Who a StatefulSet's pods are (kubernetes/pkg/controller/statefulset/stateful_set_utils.go)."""

from __future__ import annotations

import re

from emucluster.core.objects import (
    ObjectMeta,
    PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource,
    Pod,
    PodTemplateSpec,
    StatefulSet,
    Volume,
    replace,
)

from .history import HASH_LABEL
from .podstate import controller_ref

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-(0|[1-9][0-9]*)")


def pod_name(statefulset: StatefulSet, ordinal: int) -> str:
    return f"{statefulset.metadata.name}-{ordinal}"


def ordinal_of(statefulset: StatefulSet, pod: Pod) -> int | None:
    """The number at the end of the pod's name, if the rest is the set's name."""
    found = _NAME.fullmatch(pod.metadata.name)
    if found is None or found[1] != statefulset.metadata.name:
        return None
    return int(found[2])


def ordinals(statefulset: StatefulSet) -> range:
    """The ordinals that there should be pods for."""
    spec = statefulset.spec
    start = (spec.ordinals.start if spec.ordinals else None) or 0
    return range(start, start + (1 if spec.replicas is None else spec.replicas))


def partition(statefulset: StatefulSet) -> int:
    """The lowest ordinal that a rolling update reaches."""
    rolling = statefulset.spec.update_strategy.rolling_update
    return ordinals(statefulset).start + ((rolling.partition if rolling else None) or 0)


def is_rolling(statefulset: StatefulSet) -> bool:
    return (statefulset.spec.update_strategy.type or "RollingUpdate") == "RollingUpdate"


def is_parallel(statefulset: StatefulSet) -> bool:
    return statefulset.spec.pod_management_policy == "Parallel"


def revision_of(pod: Pod) -> str:
    """The name of the ControllerRevision that it was made from."""
    return (pod.metadata.labels or {}).get(HASH_LABEL, "")


def pod_of(statefulset: StatefulSet, template: PodTemplateSpec, ordinal: int, revision: str) -> Pod:
    """The pod of one ordinal, with its stable name, host name, labels and volumes."""
    name = pod_name(statefulset, ordinal)
    meta, claims = template.metadata, claims_of(statefulset, ordinal)
    volumes = tuple(
        Volume(
            name=volume,
            persistent_volume_claim=PersistentVolumeClaimVolumeSource(
                claim_name=claim.metadata.name
            ),
        )
        for volume, claim in claims.items()
    )
    others = tuple(each for each in template.spec.volumes if each.name not in claims)
    return Pod(
        metadata=ObjectMeta(
            name=name,
            generate_name=f"{statefulset.metadata.name}-",
            namespace=statefulset.metadata.namespace,
            labels={**(meta.labels or {}), **identity(statefulset, ordinal), HASH_LABEL: revision},
            annotations=meta.annotations,
            finalizers=meta.finalizers,
            owner_references=(controller_ref(statefulset),),
        ),
        spec=replace(
            template.spec,
            hostname=name,
            subdomain=statefulset.spec.service_name or None,
            volumes=(*volumes, *others),
        ),
    )


def identity(statefulset: StatefulSet, ordinal: int) -> dict[str, str]:
    """The labels by which one pod can be selected."""
    return {POD_NAME: pod_name(statefulset, ordinal), POD_INDEX: str(ordinal)}


def claims_of(statefulset: StatefulSet, ordinal: int) -> dict[str, PersistentVolumeClaim]:
    """The claims of one pod by the names of its volumes; they outlive the pod."""
    selector = statefulset.spec.selector
    selected = (selector.match_labels if selector else None) or {}
    made = {}
    for claim in statefulset.spec.volume_claim_templates:
        meta = claim.metadata
        made[meta.name] = replace(
            claim,
            metadata=ObjectMeta(
                name=f"{meta.name}-{pod_name(statefulset, ordinal)}",
                namespace=statefulset.metadata.namespace,
                labels={**(meta.labels or {}), **selected},
                annotations=meta.annotations,
            ),
        )
    return made
