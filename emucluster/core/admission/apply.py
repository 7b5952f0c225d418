"""`kubectl apply` on the server: a manifest is merged into what is there, all of it or nothing.

What a manifest said last time is kept on the object, in the same annotation that kubectl uses, so
that a field taken from the manifest is taken from the object, while what others set stays:
replicas after a scale, an allocated ClusterIP.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from emucluster.core.errors import ApiError, BadRequest
from emucluster.core.objects import Namespace, Object, PriorityClass, ServiceAccount, replace
from emucluster.core.objects.codec import decode_tree, to_tree
from emucluster.core.objects.registry import resource_of
from emucluster.core.schemas.schema import ANY, schema_of
from emucluster.core.store import Key, key_of

from .merge import three_way

if TYPE_CHECKING:
    from .admission import Admission

Outcome = Literal["created", "configured", "unchanged"]
Applied: TypeAlias = tuple[Outcome, Object]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is going to be written for one object of the manifest."""

    obj: Object
    old: Object | None

    @property
    def outcome(self) -> Outcome:
        if self.old is None:
            return "created"
        return "unchanged" if self.obj == self.old else "configured"


def apply_all(
    admission: Admission,
    objects: Sequence[Object],
    namespace: str,
    *,
    stamp: str,
    dry_run: bool,
) -> list[Applied]:
    """Checks all objects, then writes them, namespaces first. See `Admission.apply`.

    To be called in a transaction of the allocations, which takes back what was allocated on trial
    when something is wrong.
    """
    named = [_in_namespace(obj, namespace) for obj in objects]
    opened = frozenset(
        obj.metadata.name
        if isinstance(obj, Namespace)
        else f"{obj.metadata.namespace}/{obj.metadata.name}"
        for obj in named
        if isinstance(obj, Namespace | PriorityClass | ServiceAccount)
    )
    plans, errors = dict[int, _Plan](), dict[int, ApiError]()
    seen: set[Key] = set()
    order = sorted(range(len(named)), key=lambda i: not isinstance(named[i], Namespace))
    for index in order:
        try:
            _require_single(named[index], seen)
            plans[index] = _plan(admission, named[index], opened, stamp)
        except ApiError as error:
            errors[index] = error
    if errors:
        raise _together([errors[index] for index in sorted(errors)])
    results = {index: _carry_out(admission, plans[index], stamp, dry_run) for index in order}
    return [results[index] for index in range(len(named))]


def _carry_out(admission: Admission, plan: _Plan, stamp: str, dry_run: bool) -> Applied:
    if dry_run or (plan.outcome == "unchanged" and plan.old is not None):
        return plan.outcome, plan.obj
    return plan.outcome, admission.write(plan.obj, old=plan.old, stamp=stamp)


def _plan(admission: Admission, obj: Object, opened: Iterable[str], stamp: str) -> _Plan:
    manifest = to_tree(obj)
    manifest.pop("status", None)
    # As kubectl's, it always names annotations: its own is one. Or all of them would be removed.
    manifest["metadata"].setdefault("annotations", {})
    annotation = last_applied(manifest)
    meta = obj.metadata
    old = admission.store.get(obj.kind_key, meta.namespace, meta.name)
    if old is None:
        new = _annotated(replace(obj, metadata=replace(meta, resource_version="")), annotation)
        made = admission.preparation.create(
            new, namespace=meta.namespace, stamp=stamp, opened=frozenset(opened)
        )
        return _Plan(made, None)
    admission.store.check(old, version=meta.resource_version or None, uid=meta.uid or None)
    merged = _annotated(_merged(manifest, old), annotation)
    changed = admission.preparation.update(merged, old, stamp=stamp)
    return _Plan(admission.revised(changed), old)


def _merged(manifest: dict[str, Any], old: Object) -> Object:
    current = to_tree(old)
    status = current.pop("status", None)
    previous = _previous(old)
    schema = schema_of(old.api_version, old.kind) or ANY
    merged = three_way(previous, manifest, current, schema=schema)
    if status is not None:
        merged["status"] = status
    return decode_tree(merged)


def _previous(old: Object) -> dict[str, Any]:
    """What the last manifest said; {} for an object that no manifest made."""
    text = (old.metadata.annotations or {}).get(LAST_APPLIED)
    if not text:
        return {}
    try:
        tree = json.loads(text)
    except ValueError:
        tree = None
    if not isinstance(tree, dict):
        raise BadRequest(
            f'{resource_of(old).qualified_plural} "{old.metadata.name}": the annotation '
            f"{LAST_APPLIED} is not the JSON of an object"
        )
    tree.pop("status", None)
    return tree


def last_applied(manifest: dict[str, Any]) -> str:
    """The manifest as kubectl writes it into the annotation: sorted, compact, with a newline."""
    metadata = dict(manifest.get("metadata", {}))
    annotations = dict(metadata.get("annotations", {}))
    annotations.pop(LAST_APPLIED, None)
    metadata["annotations"] = annotations
    tree = {**manifest, "metadata": metadata}
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def _annotated(obj: Object, annotation: str) -> Object:
    annotations = {**(obj.metadata.annotations or {}), LAST_APPLIED: annotation}
    return replace(obj, metadata=replace(obj.metadata, annotations=annotations))


def _in_namespace(obj: Object, namespace: str) -> Object:
    if obj.metadata.namespace or not resource_of(obj).namespaced:
        return obj
    return replace(obj, metadata=replace(obj.metadata, namespace=namespace or "default"))


def _require_single(obj: Object, seen: set[Key]) -> None:
    meta, plural = obj.metadata, resource_of(obj).qualified_plural
    if not meta.name and meta.generate_name:
        raise BadRequest(f"from {meta.generate_name}: cannot use generate name with apply")
    if meta.name and key_of(obj) in seen:
        raise BadRequest(f'{plural} "{meta.name}" is there twice in one request')
    seen.add(key_of(obj))


def _together(errors: Sequence[ApiError]) -> ApiError:
    """One error alone as it is; several as one, of their class if they have the same."""
    if len(errors) == 1:
        return errors[0]
    kinds = {type(error) for error in errors}
    cls = kinds.pop() if len(kinds) == 1 else BadRequest
    causes = [cause for error in errors for cause in error.causes]
    return cls("\n".join(error.message for error in errors), causes)
