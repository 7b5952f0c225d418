"""Warnings about fields of pods that are stored and that nothing here acts on, but pods rely on.

In the manner of Kubernetes' own warnings (pkg/api/pod/warnings.go): who creates the object or
changes its spec is told, with the path of the field.
"""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.objects import (
    CronJob,
    DaemonSet,
    Deployment,
    Job,
    Object,
    Pod,
    PodSpec,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
)

_WITH_TEMPLATE = DaemonSet | Deployment | Job | ReplicaSet | ReplicationController | StatefulSet
_WITH_PODS = _WITH_TEMPLATE | CronJob | Pod


def unused_fields(obj: Object, old: Object | None = None) -> Iterator[str]:
    """What to tell of an object that is created, or takes the place of `old`."""
    if not isinstance(obj, _WITH_PODS):
        return
    if isinstance(old, _WITH_PODS) and old.spec == obj.spec:
        return
    found = _pod_spec(obj)
    if found is not None and found[1].volumes:
        yield f"{found[0]}.volumes: volumes are stored and mounted nowhere"
    if isinstance(obj, StatefulSet) and obj.spec.volume_claim_templates:
        yield "spec.volumeClaimTemplates: claims are created and mounted nowhere"


def _pod_spec(obj: _WITH_PODS) -> tuple[str, PodSpec] | None:
    """The spec of the pods that an object is or makes, and where it stands."""
    if isinstance(obj, Pod):
        return "spec", obj.spec
    if isinstance(obj, CronJob):
        return "spec.jobTemplate.spec.template.spec", obj.spec.job_template.spec.template.spec
    template = obj.spec.template
    return None if template is None else ("spec.template.spec", template.spec)
