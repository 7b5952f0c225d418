"""What admission makes of a CustomResourceDefinition: its defaults, and at once its status.

Kubernetes has controllers for the names and for `Established`; here both are decided in the write
itself, so that the kind is served as soon as the definition is stored.

Source: k8s.io/apiextensions-apiserver pkg/apis/apiextensions/v1/defaults.go, pkg/registry/
customresourcedefinition/strategy.go, pkg/controller/status/naming_controller.go and
pkg/controller/establish.
"""

from __future__ import annotations

from collections.abc import Iterable

from emucluster.core.objects import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionStatus,
    CustomResourceDefinitionVersion,
    replace,
)
from emucluster.core.objects.kinds import ESTABLISHED
from emucluster.core.objects.registry import RESOURCES
from emucluster.core.store import Store

from .schema import cleaned, everywhere, parsed

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that holds a definition until its objects are gone."""

NAMES_ACCEPTED = "NamesAccepted"
RULES_IGNORED = (
    "x-kubernetes-validations: rules in CEL are stored, but this cluster does not evaluate them"
)
WEBHOOK_IGNORED = (
    "spec.conversion.webhook is stored, but this cluster does not call it: versions differ by "
    "their apiVersion only"
)

Condition = CustomResourceDefinitionCondition


def with_defaults(obj: CustomResourceDefinition, warnings: list[str]) -> CustomResourceDefinition:
    """The definition with its defaults, and its schemas without what no schema has.

    `warnings` gets the paths of that, and what is stored without being acted on. Raises
    BadRequest: a schema is none.
    """
    names, spec = obj.spec.names, obj.spec
    if not names.singular:
        names = replace(names, singular=names.kind.lower())
    if not names.list_kind and names.kind:
        names = replace(names, list_kind=f"{names.kind}List")
    conversion = spec.conversion or CustomResourceConversion(strategy="None")
    versions = tuple(
        _with_schema(version, f"spec.versions[{index}].schema.openAPIV3Schema", warnings)
        for index, version in enumerate(spec.versions)
    )
    if conversion.strategy == "Webhook":
        warnings.append(WEBHOOK_IGNORED)
    spec = replace(spec, names=names, conversion=conversion, versions=versions)
    return replace(obj, spec=spec)


def _with_schema(
    version: CustomResourceDefinitionVersion, path: str, warnings: list[str]
) -> CustomResourceDefinitionVersion:
    schema = version.schema
    if schema is None or schema.open_apiv3_schema is None:
        return version
    unknown: list[str] = []
    tree = cleaned(schema.open_apiv3_schema, path, unknown)
    warnings += [f'unknown field "{where}"' for where in unknown]
    has_rules = any(below.validations for below in everywhere(parsed(tree, path)))
    if has_rules and RULES_IGNORED not in warnings:
        warnings.append(RULES_IGNORED)
    if tree == schema.open_apiv3_schema:
        return version
    return replace(version, schema=replace(schema, open_apiv3_schema=tree))


def with_status(
    obj: CustomResourceDefinition, old: CustomResourceDefinition | None, store: Store, stamp: str
) -> CustomResourceDefinition:
    """The definition with the status that follows from it, beginning with `old`'s."""
    status = old.status if old is not None else CustomResourceDefinitionStatus()
    stored = status.stored_versions
    for version in obj.spec.versions:
        if version.storage and version.name not in stored:
            stored = (*stored, version.name)
    status = replace(status, stored_versions=stored)
    return accepted(replace(obj, status=status), store, stamp)


def accepted(obj: CustomResourceDefinition, store: Store, stamp: str) -> CustomResourceDefinition:
    """The definition with those of its names that nobody else in the group has."""
    asked, had = obj.spec.names, obj.status.accepted_names
    condition = _condition(obj, ESTABLISHED)
    if asked == had and condition is not None and condition.status == "True":
        return obj
    names, reason, message = _deconflicted(asked, had, *_taken(obj, store))
    naming = Condition(
        type=NAMES_ACCEPTED,
        status="False" if reason else "True",
        reason=reason or "NoConflicts",
        message=message or "no conflicts found",
    )
    established = condition
    if established is None or established.status != "True":
        established = Condition(
            type=ESTABLISHED,
            status="False" if reason else "True",
            reason="NotAccepted" if reason else "InitialNamesAccepted",
            message="not all names are accepted"
            if reason
            else "the initial names have been accepted",
        )
    status = replace(obj.status, accepted_names=names)
    obj = replace(obj, status=status)
    return with_condition(with_condition(obj, naming, stamp), established, stamp)


def _deconflicted(
    asked: CustomResourceDefinitionNames,
    had: CustomResourceDefinitionNames,
    resources: set[str],
    kinds: set[str],
) -> tuple[CustomResourceDefinitionNames, str, str]:
    """The names that can be had; the reason and message of the last conflict, "" for none."""
    names, reason, message = replace(had, categories=asked.categories), "", ""
    for attribute, word, taken in (
        ("plural", "Plural", resources),
        ("singular", "Singular", resources),
        ("short_names", "ShortNames", resources),
        ("kind", "Kind", kinds),
        ("list_kind", "ListKind", kinds),
    ):
        wanted, own = getattr(asked, attribute), getattr(had, attribute)
        new = [
            name
            for name in (wanted if isinstance(wanted, tuple) else (wanted,))
            if name not in (own if isinstance(own, tuple) else (own,))
        ]
        conflicts = [f'"{name}" is already in use' for name in new if name in taken]
        if conflicts:
            listed = conflicts[0] if len(conflicts) == 1 else f"[{', '.join(conflicts)}]"
            reason, message = f"{word}Conflict", listed
        else:
            names = replace(names, **{attribute: wanted})
    return names, reason, message


def _taken(obj: CustomResourceDefinition, store: Store) -> tuple[set[str], set[str]]:
    """The names that others in the group have: of resources, and of kinds."""
    resources, kinds = set[str](), set[str]()
    for row in RESOURCES:
        if row.group == obj.spec.group:
            resources |= {row.plural, row.singular, *row.short_names}
            kinds |= {row.kind, f"{row.kind}List"}
    for other in others_in_group(obj, store):
        names = other.status.accepted_names
        resources |= {names.plural, names.singular or "", *names.short_names}
        kinds |= {names.kind, names.list_kind or ""}
    return resources - {""}, kinds - {""}


def others_in_group(
    obj: CustomResourceDefinition, store: Store
) -> Iterable[CustomResourceDefinition]:
    """The other definitions that a definition may be in conflict with."""
    for other in store.list(CustomResourceDefinition):
        if other.spec.group == obj.spec.group and other.metadata.name != obj.metadata.name:
            yield other


def _condition(obj: CustomResourceDefinition, type_: str) -> Condition | None:
    return next((c for c in obj.status.conditions if c.type == type_), None)


def with_condition(
    obj: CustomResourceDefinition, condition: Condition, stamp: str
) -> CustomResourceDefinition:
    """The definition with a condition; its time moves only with its status."""
    old = _condition(obj, condition.type)
    since = old.last_transition_time if old is not None and old.status == condition.status else None
    condition = replace(condition, last_transition_time=since or stamp)
    conditions = obj.status.conditions
    if old is None:
        conditions = (*conditions, condition)
    else:
        conditions = tuple(condition if c is old else c for c in conditions)
    return replace(obj, status=replace(obj.status, conditions=conditions))
