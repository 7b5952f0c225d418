"""What an update makes of an object: which parts the request sets, and which stay.

As k8s.io/apiserver pkg/registry/rest/update.go (BeforeUpdate) and the strategies of the kinds do.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, cast

from emucluster.core.errors import FORBIDDEN, Cause, Invalid
from emucluster.core.objects import (
    CustomObject,
    EndpointSlice,
    Namespace,
    Object,
    ObjectMeta,
    Pod,
    replace,
)
from emucluster.core.objects.registry import Resource

Subresource = Literal["", "status", "finalize", "replace"]

COUNTED = frozenset(
    (
        *("CronJob", "CustomResourceDefinition", "DaemonSet", "Deployment", "EndpointSlice"),
        *("Ingress", "IngressClass", "Job", "NetworkPolicy", "Pod", "PodDisruptionBudget"),
        *("ReplicaSet", "ReplicationController", "StatefulSet"),
    )
)
"""Built-in kinds whose desired state is counted in metadata.generation (pods since KEP-5067)."""

O = TypeVar("O", bound=Object)  # noqa: E741


def revise(old: O, sent: O, subresource: Subresource, row: Resource) -> O:
    """The object after the update, with `old`'s resourceVersion; equal to `old` if nothing changes.

    Parts that are equal to `old`'s are `old`'s: `new.spec is old.spec` tells whether spec changed.
    `row` is the object's resource.
    """
    if isinstance(old, CustomObject) and isinstance(sent, CustomObject):
        return cast(O, _revise_custom(old, sent, subresource, row))
    if subresource == "status":
        status = _shared(_part(old, "status"), _part(sent, "status"))
        return replace(old, metadata=_managed(old, sent), status=status)
    if subresource == "finalize":
        finalizers = cast(Namespace, sent).spec.finalizers
        metadata = _metadata(old, sent, row)
        return replace(
            old, metadata=metadata, spec=replace(_part(old, "spec"), finalizers=finalizers)
        )
    kept: dict[str, Any] = {"metadata": _metadata(old, sent, row)}
    if "status" in old.__struct_fields__:
        replaced = _part(sent if subresource == "replace" else old, "status")
        kept["status"] = _shared(_part(old, "status"), replaced)
    if "spec" in old.__struct_fields__:
        kept["spec"] = _shared(_part(old, "spec"), _part(sent, "spec"))
    if isinstance(old, Namespace):
        # Only the finalize subresource lets a namespace's own finalizers change.
        kept["spec"] = _shared(
            old.spec, replace(cast(Namespace, sent).spec, finalizers=old.spec.finalizers)
        )
    new = replace(sent, **kept)
    if desires_more(old, new):
        new = replace(new, metadata=counted(new))
    return new


def _revise_custom(
    old: CustomObject, sent: CustomObject, subresource: Subresource, row: Resource
) -> CustomObject:
    """Source: k8s.io/apiextensions-apiserver pkg/registry/customresource/strategy.go."""
    was, now = old.content, sent.content
    if subresource == "status":
        return replace(old, metadata=_managed(old, sent), content=_shared(was, _with(was, now)))
    content = _with(now, was) if row.has_status and subresource != "replace" else now
    content = _shared(was, content)
    new = replace(sent, metadata=_metadata(old, sent, row), content=content)
    if content is not was:
        new = replace(new, metadata=counted(new))
    return new


def _with(content: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The content with the other's status."""
    rest = {key: value for key, value in content.items() if key != "status"}
    return rest | ({"status": other["status"]} if "status" in other else {})


def is_counted(obj: Object) -> bool:
    """Whether metadata.generation counts what is desired of the object."""
    return obj.kind_key in COUNTED or isinstance(obj, CustomObject)


def counted(obj: Object) -> ObjectMeta:
    """The metadata with the generation one higher, for kinds that have one."""
    if not is_counted(obj):
        return obj.metadata
    return replace(obj.metadata, generation=(obj.metadata.generation or 0) + 1)


def has_status(obj: Object, row: Resource) -> bool:
    """Whether the status can be written by itself."""
    if isinstance(obj, CustomObject):
        return row.has_status
    return "status" in obj.__struct_fields__


def desires_more(old: Object, new: Object) -> bool:
    """Whether what is desired changed. Binding a pod to its node does not count."""
    if isinstance(old, EndpointSlice) and isinstance(new, EndpointSlice):
        return (old.endpoints, old.ports) != (new.endpoints, new.ports)
    if isinstance(old, Pod) and isinstance(new, Pod):
        if old.spec is new.spec:
            return False
        return replace(old.spec, node_name=None) != replace(new.spec, node_name=None)
    return getattr(old, "spec", None) is not getattr(new, "spec", None)


def _managed(old: Object, sent: Object) -> ObjectMeta:
    """A write of the status leaves of the metadata all but who manages which field."""
    managed = sent.metadata.managed_fields
    if not managed or managed == old.metadata.managed_fields:
        return old.metadata
    return replace(old.metadata, managed_fields=managed)


def _metadata(old: Object, sent: Object, row: Resource) -> ObjectMeta:
    was, now = old.metadata, sent.metadata
    if was.deletion_timestamp is not None:
        _forbid_new_finalizers(row, was, now)
    merged = replace(
        now,
        uid=was.uid,
        resource_version=was.resource_version,
        creation_timestamp=was.creation_timestamp,
        deletion_timestamp=was.deletion_timestamp,
        deletion_grace_period_seconds=was.deletion_grace_period_seconds,
        generation=was.generation,
        generate_name=was.generate_name,
        labels=_shared(was.labels, now.labels or None),
        annotations=_shared(was.annotations, now.annotations or None),
        owner_references=_shared(was.owner_references, now.owner_references),
        finalizers=_shared(was.finalizers, now.finalizers),
    )
    return _shared(was, merged)


def _forbid_new_finalizers(row: Resource, was: ObjectMeta, now: ObjectMeta) -> None:
    added = [name for name in now.finalizers if name not in was.finalizers]
    if added:
        listed = ", ".join(f'"{name}"' for name in added)
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{listed}}}"
        )
        causes = [Cause("metadata.finalizers", FORBIDDEN, message)]
        raise Invalid.of(row.qualified_kind, now.name, causes)


T = TypeVar("T")


def _shared(was: T, now: T) -> T:
    return was if was == now else now


def _part(obj: Object, name: str) -> Any:
    return getattr(obj, name)
