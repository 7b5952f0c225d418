"""What an update makes of an object: which parts the request sets, and which stay.

As k8s.io/apiserver pkg/registry/rest/update.go (BeforeUpdate) and the strategies of the kinds do.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, cast

from emucluster.core.errors import FORBIDDEN, Cause, Invalid
from emucluster.core.objects import EndpointSlice, Namespace, Object, ObjectMeta, Pod, replace
from emucluster.core.objects.registry import resource_of

Subresource = Literal["", "status", "finalize", "replace"]

COUNTED = frozenset(["Deployment", "EndpointSlice", "Pod", "ReplicaSet"])
"""Kinds whose desired state is counted in metadata.generation (pods since KEP-5067)."""

O = TypeVar("O", bound=Object)  # noqa: E741


def revise(old: O, sent: O, subresource: Subresource) -> O:
    """The object after the update, with `old`'s resourceVersion; equal to `old` if nothing changes.

    Parts that are equal to `old`'s are `old`'s: `new.spec is old.spec` tells whether spec changed.
    """
    if subresource == "status":
        return replace(old, status=_shared(_part(old, "status"), _part(sent, "status")))
    if subresource == "finalize":
        finalizers = cast(Namespace, sent).spec.finalizers
        return replace(old, spec=replace(_part(old, "spec"), finalizers=finalizers))
    kept: dict[str, Any] = {"metadata": _metadata(old, sent)}
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


def counted(obj: Object) -> ObjectMeta:
    """The metadata with the generation one higher, for kinds that have one."""
    if obj.kind not in COUNTED:
        return obj.metadata
    return replace(obj.metadata, generation=(obj.metadata.generation or 0) + 1)


def desires_more(old: Object, new: Object) -> bool:
    """Whether what is desired changed. Binding a pod to its node does not count."""
    if isinstance(old, EndpointSlice) and isinstance(new, EndpointSlice):
        return (old.endpoints, old.ports) != (new.endpoints, new.ports)
    if isinstance(old, Pod) and isinstance(new, Pod):
        if old.spec is new.spec:
            return False
        return replace(old.spec, node_name=None) != replace(new.spec, node_name=None)
    return getattr(old, "spec", None) is not getattr(new, "spec", None)


def _metadata(old: Object, sent: Object) -> ObjectMeta:
    was, now = old.metadata, sent.metadata
    if was.deletion_timestamp is not None:
        _forbid_new_finalizers(sent, was, now)
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


def _forbid_new_finalizers(sent: Object, was: ObjectMeta, now: ObjectMeta) -> None:
    added = [name for name in now.finalizers if name not in was.finalizers]
    if added:
        listed = ", ".join(f'"{name}"' for name in added)
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{listed}}}"
        )
        causes = [Cause("metadata.finalizers", FORBIDDEN, message)]
        raise Invalid.of(resource_of(sent).qualified_kind, now.name, causes)


T = TypeVar("T")


def _shared(was: T, now: T) -> T:
    return was if was == now else now


def _part(obj: Object, name: str) -> Any:
    return getattr(obj, name)
