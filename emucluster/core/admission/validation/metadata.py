"""ObjectMeta. Source: k8s.io/apimachinery/pkg/api/validation/objectmeta.go."""

from __future__ import annotations

from collections.abc import Mapping

from emucluster.core.errors import Cause
from emucluster.core.objects import LabelSelector, Object, ObjectMeta, OwnerReference
from emucluster.core.objects.registry import Resource, resource_of

from .fields import duplicate, forbidden, immutable, invalid, non_negative, required, too_long
from .names import (
    Check,
    dns1035_label,
    dns1123_label,
    dns1123_subdomain,
    label_value,
    path_segment,
    qualified_name,
)

ANNOTATIONS_MAX_BYTES = 256 * 1024
_ROLES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
_NAME_CHECKS: Mapping[str, Check] = {
    "Service": dns1035_label,
    "Namespace": dns1123_label,
    **dict.fromkeys(_ROLES, path_segment),
}


def metadata(obj: Object, row: Resource | None = None) -> list[Cause]:
    """What is wrong with an object's metadata. `row`: the resource, needed for custom kinds."""
    meta = obj.metadata
    row = row or resource_of(obj)
    check = _NAME_CHECKS.get(obj.kind_key, dns1123_subdomain)
    return [
        *_names(meta, check),
        *_namespace(meta, namespaced=row.namespaced),
        *non_negative("metadata.generation", meta.generation),
        *label_map("metadata.labels", meta.labels),
        *annotation_map("metadata.annotations", meta.annotations),
        *_owners(meta.owner_references),
        *(
            invalid("metadata.finalizers", finalizer, text)
            for finalizer in meta.finalizers
            for text in qualified_name(finalizer)
        ),
    ]


def metadata_update(new: Object, old: Object, row: Resource | None = None) -> list[Cause]:
    """What may not change, and the same checks as at creation."""
    causes = metadata(new, row)
    for field in ("name", "namespace", "uid", "creationTimestamp"):
        attribute = {"creationTimestamp": "creation_timestamp"}.get(field, field)
        after, before = getattr(new.metadata, attribute), getattr(old.metadata, attribute)
        if after or field in ("name", "namespace"):
            causes += immutable(f"metadata.{field}", after, before)
    added = sorted(set(new.metadata.finalizers) - set(old.metadata.finalizers))
    if old.metadata.deletion_timestamp and added:
        listed = ", ".join(f'"{name}"' for name in added)
        text = (
            "no new finalizers can be added if the object is being deleted, found new "
            f"finalizers []string{{{listed}}}"
        )
        causes.append(forbidden("metadata.finalizers", text))
    return causes


def _names(meta: ObjectMeta, check: Check) -> list[Cause]:
    causes: list[Cause] = []
    if meta.generate_name:
        # What is appended ends in a letter or digit, so a trailing hyphen is no harm.
        stem = meta.generate_name.removesuffix("-") + "a" * meta.generate_name.endswith("-")
        causes += [
            invalid("metadata.generateName", meta.generate_name, text) for text in check(stem)
        ]
    if not meta.name:
        if not meta.generate_name:
            causes.append(required("metadata.name", "name or generateName is required"))
        return causes
    return causes + [invalid("metadata.name", meta.name, text) for text in check(meta.name)]


def _namespace(meta: ObjectMeta, *, namespaced: bool) -> list[Cause]:
    path = "metadata.namespace"
    if not namespaced:
        return [forbidden(path, "not allowed on this type")] if meta.namespace else []
    if not meta.namespace:
        return [required(path)]
    return [invalid(path, meta.namespace, text) for text in dns1123_label(meta.namespace)]


def label_map(path: str, values: Mapping[str, str] | None) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in (values or {}).items():
        causes += [invalid(path, key, text) for text in qualified_name(key)]
        causes += [invalid(path, value, text) for text in label_value(value)]
    return causes


def annotation_map(path: str, values: Mapping[str, str] | None) -> list[Cause]:
    causes = [
        invalid(path, key, text)
        for key in values or {}
        for text in qualified_name(key.lower())  # annotations' keys may have upper-case prefixes
    ]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (values or {}).items())
    if size > ANNOTATIONS_MAX_BYTES:
        causes.append(too_long(path, ANNOTATIONS_MAX_BYTES))
    return causes


def _owners(owners: tuple[OwnerReference, ...]) -> list[Cause]:
    causes: list[Cause] = []
    path = "metadata.ownerReferences"
    for owner in owners:
        wanted = {
            "apiVersion": (owner.api_version, "version must not be empty"),
            "kind": (owner.kind, "must not be empty"),
            "name": (owner.name, "must not be empty"),
            "uid": (owner.uid, "must not be empty"),
        }
        for field, (value, text) in wanted.items():
            if not value:
                causes.append(invalid(f"{path}.{field}", value, text))
    controllers = [owner.name for owner in owners if owner.controller]
    if len(controllers) > 1:
        text = (
            "Only one reference can have Controller set to true. Found "
            f'"true" in references for {controllers[0]} and {controllers[1]}'
        )
        causes.append(invalid(path, owners, text))
    return causes


def label_selector(path: str, selector: LabelSelector) -> list[Cause]:
    """Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation."""
    causes = label_map(f"{path}.matchLabels", selector.match_labels)
    for index, expression in enumerate(selector.match_expressions):
        below = f"{path}.matchExpressions[{index}]"
        match expression.operator:
            case "In" | "NotIn" if not expression.values:
                text = "must be specified when `operator` is 'In' or 'NotIn'"
                causes.append(required(f"{below}.values", text))
            case "Exists" | "DoesNotExist" if expression.values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                causes.append(forbidden(f"{below}.values", text))
            case "In" | "NotIn" | "Exists" | "DoesNotExist":
                pass
            case other:
                causes.append(invalid(f"{below}.operator", other, "not a valid selector operator"))
        causes += [
            invalid(f"{below}.key", expression.key, t) for t in qualified_name(expression.key)
        ]
        causes += [
            invalid(f"{below}.values[{n}]", value, text)
            for n, value in enumerate(expression.values)
            for text in label_value(value)
        ]
    return causes


def duplicates(path: str, field: str, values: list[str]) -> list[Cause]:
    """`path[i].field` for each value that stood earlier already; empty ones do not count."""
    seen: set[str] = set()
    causes: list[Cause] = []
    for index, value in enumerate(values):
        if value and value in seen:
            causes.append(duplicate(f"{path}[{index}].{field}".rstrip("."), value))
        seen.add(value)
    return causes
