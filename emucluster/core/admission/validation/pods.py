"""Pods and pod templates. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidatePodSpec.

Differs: a negative grace period is refused; the scheduler binds a pod by an ordinary update, so an
absent nodeName may be set.
"""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import Pod, PodSpec, PodTemplateSpec, Toleration, Volume, replace

from .containers import containers
from .fields import duplicate, forbidden, invalid, non_negative, not_supported, one_of, required
from .metadata import annotation_map, label_map
from .names import dns1123_label, dns1123_subdomain, label_value, qualified_name

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
UPDATE_FORBIDDEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)


def pod(obj: Pod) -> list[Cause]:
    return list(pod_spec("spec", obj.spec))


def pod_update(new: Pod, old: Pod) -> list[Cause]:
    causes = list(_update(new.spec, old.spec)) if new.spec is not old.spec else []
    return causes + pod(new)


def pod_template(path: str, template: PodTemplateSpec) -> Iterator[Cause]:
    """`path` is that of the template; upstream leaves `metadata` out of labels' paths."""
    yield from label_map(f"{path}.labels", template.metadata.labels)
    yield from annotation_map(f"{path}.annotations", template.metadata.annotations)
    yield from pod_spec(f"{path}.spec", template.spec)
    if template.spec.ephemeral_containers:
        text = "ephemeral containers not allowed in pod template"
        yield forbidden(f"{path}.spec.ephemeralContainers", text)


def pod_spec(path: str, spec: PodSpec) -> Iterator[Cause]:
    yield from _volumes(f"{path}.volumes", spec.volumes)
    yield from containers(path, spec)
    yield from one_of(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    yield from one_of(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES)
    grace_s = spec.termination_grace_period_seconds
    yield from non_negative(f"{path}.terminationGracePeriodSeconds", grace_s)
    yield from label_map(f"{path}.nodeSelector", spec.node_selector)
    for field, name in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        for text in dns1123_label(name) if name else ():
            yield invalid(f"{path}.{field}", name, text)
    for text in dns1123_subdomain(spec.node_name) if spec.node_name else ():
        yield invalid(f"{path}.nodeName", spec.node_name, text)
    if spec.active_deadline_seconds is not None and spec.active_deadline_seconds < 1:
        text = "must be between 1 and 2147483647, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", spec.active_deadline_seconds, text)
    for index, toleration in enumerate(spec.tolerations):
        yield from _toleration(f"{path}.tolerations[{index}]", toleration)


def _volumes(path: str, volumes: tuple[Volume, ...]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        below = f"{path}[{index}].name"
        if not volume.name:
            yield required(below)
        else:
            for text in dns1123_label(volume.name):
                yield invalid(below, volume.name, text)
        if volume.name and volume.name in names:
            yield duplicate(below, volume.name)
        names.add(volume.name)


def _toleration(path: str, toleration: Toleration) -> Iterator[Cause]:
    operator, value = toleration.operator or "", toleration.value or ""
    if toleration.key:
        for text in qualified_name(toleration.key):
            yield invalid(f"{path}.key", toleration.key, text)
    elif operator != "Exists":
        text = (
            "operator must be Exists when `key` is empty, which means "
            '"match all values and all keys"'
        )
        yield invalid(f"{path}.operator", operator, text)
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield invalid(f"{path}.effect", toleration.effect or "", text)
    match operator:
        case "" | "Equal":
            for text in label_value(value):
                yield invalid(f"{path}.operator", value, text)
        case "Exists" if value:
            text = "value must be empty when `operator` is 'Exists'"
            yield invalid(f"{path}.operator", toleration, text)
        case "Exists":
            pass
        case _:
            yield not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    if toleration.effect and toleration.effect not in EFFECTS:
        yield not_supported(f"{path}.effect", toleration.effect, EFFECTS)


def _update(new: PodSpec, old: PodSpec) -> Iterator[Cause]:
    if len(new.containers) != len(old.containers):
        yield forbidden("spec.containers", "pod updates may not add or remove containers")
        return
    if len(new.init_containers) != len(old.init_containers):
        yield forbidden("spec.initContainers", "pod updates may not add or remove containers")
        return
    kept = [replace(toleration, toleration_seconds=None) for toleration in new.tolerations]
    if any(replace(t, toleration_seconds=None) not in kept for t in old.tolerations):
        text = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden("spec.tolerations", text)
        return
    if new != _with_mutable_fields(new, old):
        yield forbidden("spec", UPDATE_FORBIDDEN)


def _with_mutable_fields(new: PodSpec, old: PodSpec) -> PodSpec:
    """The old spec with everything from the new one that may change."""
    grace_s = old.termination_grace_period_seconds
    if grace_s is not None and grace_s < 0 and new.termination_grace_period_seconds == 1:
        grace_s = 1
    return replace(
        old,
        containers=tuple(
            replace(before, image=after.image)
            for before, after in zip(old.containers, new.containers, strict=True)
        ),
        init_containers=tuple(
            replace(before, image=after.image)
            for before, after in zip(old.init_containers, new.init_containers, strict=True)
        ),
        active_deadline_seconds=new.active_deadline_seconds,
        tolerations=new.tolerations,
        termination_grace_period_seconds=grace_s,
        node_name=old.node_name or new.node_name,
    )
