"""CustomResourceDefinitions. Source: k8s.io/apiextensions-apiserver
pkg/apis/apiextensions/validation/validation.go.

What all versions have alike is named once, under `spec.validation`, `spec.subresources` and
`spec.additionalPrinterColumns`, as the API server does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from emucluster.core.admission.validation.fields import (
    duplicate,
    forbidden,
    immutable,
    invalid,
    one_of,
    required,
    too_many,
)
from emucluster.core.admission.validation.names import dns1035_label, dns1123_subdomain
from emucluster.core.errors import Cause
from emucluster.core.objects import (
    CustomResourceColumnDefinition,
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
)
from emucluster.core.objects.kinds import is_established

from .patterns import PatternBudget
from .schema import Schema, parsed
from .schema_rules import schema_causes

APPROVAL = "api-approved.kubernetes.io"
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
SELECTABLE_MAX = 8
WARNING_MAX = 256
_AT_ROOT = frozenset(
    (
        *("type", "description", "format", "title", "maximum", "exclusiveMaximum", "minimum"),
        *("exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems"),
        *("uniqueItems", "multipleOf", "required", "items", "properties", "externalDocs"),
        *("example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"),
    )
)


def definition(obj: CustomResourceDefinition) -> list[Cause]:
    """What is wrong with a definition, besides its metadata."""
    spec, name = obj.spec, f"{obj.spec.names.plural}.{obj.spec.group}"
    causes = []
    if obj.metadata.name != name:
        text = 'must be spec.names.plural+"."+spec.group'
        causes.append(invalid("metadata.name", obj.metadata.name, text))
    return [*causes, *_spec(spec), *_stored(obj), *_approval(obj, None)]


def definition_update(new: CustomResourceDefinition, old: CustomResourceDefinition) -> list[Cause]:
    """What is wrong with the change, and with the definition as a whole."""
    causes = [*_spec(new.spec)]
    if is_established(old):
        causes += immutable("spec.scope", new.spec.scope, old.spec.scope)
        causes += immutable("spec.names.kind", new.spec.names.kind, old.spec.names.kind)
    causes += immutable("spec.group", new.spec.group, old.spec.group)
    causes += immutable("spec.names.plural", new.spec.names.plural, old.spec.names.plural)
    return [*causes, *_stored(new), *_approval(new, old)]


def _spec(spec: CustomResourceDefinitionSpec) -> Iterator[Cause]:
    if not spec.group:
        yield required("spec.group")
    elif problems := dns1123_subdomain(spec.group):
        yield invalid("spec.group", spec.group, ",".join(problems))
    elif "." not in spec.group:
        yield invalid("spec.group", spec.group, "should be a domain with at least one dot")
    yield from one_of("spec.scope", spec.scope, ("Cluster", "Namespaced"))
    for index, version in enumerate(spec.versions):
        if version.schema is None or version.schema.open_apiv3_schema is None:
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
    yield from _versions(spec)
    for field, value in (
        ("plural", spec.names.plural),
        ("singular", spec.names.singular),
        ("kind", spec.names.kind),
        ("listKind", spec.names.list_kind),
    ):
        if not value:
            yield required(f"spec.names.{field}")
    yield from _names(spec.names, "spec.names")
    yield from _conversion(spec.conversion)
    if spec.preserve_unknown_fields:
        text = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead"
        )
        yield invalid("spec.preserveUnknownFields", True, text)


def _versions(spec: CustomResourceDefinitionSpec) -> Iterator[Cause]:
    names = [version.name for version in spec.versions]
    for index, version in enumerate(spec.versions):
        path = f"spec.versions[{index}]"
        if problems := dns1035_label(version.name):
            yield invalid(f"{path}.name", version.name, ",".join(problems))
        yield from _deprecation(version, f"{path}.deprecationWarning")
    schemas = partial(_schema, patterns=PatternBudget())
    yield from _once(spec, "schema", "validation", schemas)
    yield from _once(spec, "subresources", "subresources", _subresources)
    yield from _once(spec, "additional_printer_columns", "additionalPrinterColumns", _columns)
    yield from _once(spec, "selectable_fields", "selectableFields", _selectable)
    if len(set(names)) < len(names):
        yield invalid("spec.versions", spec.versions, "must contain unique version names")
    if sum(version.storage for version in spec.versions) != 1:
        text = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", spec.versions, text)


def _once(
    spec: CustomResourceDefinitionSpec,
    attribute: str,
    common: str,
    check: Callable[[CustomResourceDefinitionVersion, str], Iterator[Cause]],
) -> Iterator[Cause]:
    """The causes of each version; if all have the same part, of that one."""
    parts = [getattr(version, attribute) for version in spec.versions]
    if parts and all(part == parts[0] for part in parts):
        yield from check(spec.versions[0], f"spec.{common}")
        return
    name = {"validation": "schema"}.get(common, common)
    for index, version in enumerate(spec.versions):
        yield from check(version, f"spec.versions[{index}].{name}")


def _schema(
    version: CustomResourceDefinitionVersion, path: str, patterns: PatternBudget
) -> Iterator[Cause]:
    tree = version.schema.open_apiv3_schema if version.schema is not None else None
    if tree is None:
        return
    below = f"{path}.openAPIV3Schema"
    if version.subresources is not None and version.subresources.status is not None:
        yield from _root_with_status(tree, below)
    yield from schema_causes(parsed(tree, below), below, patterns)


def _root_with_status(tree: dict[str, Any], path: str) -> Iterator[Cause]:
    if tree.get("type") not in (None, "", "object"):
        text = (
            'only "object" is allowed as the type at the root of the schema if the status '
            "subresource is enabled"
        )
        yield invalid(f"{path}.type", tree["type"], text)
    if not set(tree) <= _AT_ROOT:
        allowed = " ".join(sorted(_AT_ROOT))
        text = (
            f"only [{allowed}] fields are allowed at the root of the schema if the status "
            "subresource is enabled"
        )
        yield invalid(path, tree, text)


def _subresources(version: CustomResourceDefinitionVersion, path: str) -> Iterator[Cause]:
    given: CustomResourceSubresources | None = version.subresources
    if given is None or given.scale is None:
        return
    scale = given.scale
    for name, value, roots in (
        ("specReplicasPath", scale.spec_replicas_path, (".spec.",)),
        ("statusReplicasPath", scale.status_replicas_path, (".status.",)),
        ("labelSelectorPath", scale.label_selector_path, (".spec.", ".status.")),
    ):
        field = f"{path}.scale.{name}"
        if not value:
            if name != "labelSelectorPath":
                yield required(field)
        elif not value.startswith("."):
            yield invalid(field, value, "must be a simple json path starting with .")
        elif not value.startswith(roots):
            either = f"either {' or '.join(r.rstrip('.') for r in roots)}"
            where = roots[0].rstrip(".") if len(roots) == 1 else either
            yield invalid(field, value, f"should be a json path under {where}")


def _columns(version: CustomResourceDefinitionVersion, path: str) -> Iterator[Cause]:
    for index, column in enumerate(version.additional_printer_columns):
        yield from _column(column, f"{path}[{index}]")


def _column(column: CustomResourceColumnDefinition, path: str) -> Iterator[Cause]:
    if not column.name:
        yield required(f"{path}.name")
    types = f"must be one of {','.join(COLUMN_TYPES)}"
    if not column.type:
        yield required(f"{path}.type", types)
    elif column.type not in COLUMN_TYPES:
        yield invalid(f"{path}.type", column.type, types)
    if column.format and column.format not in COLUMN_FORMATS:
        text = f"must be one of {','.join(COLUMN_FORMATS)}"
        yield invalid(f"{path}.format", column.format, text)
    if not column.json_path:
        yield required(f"{path}.JSONPath")
    elif not column.json_path.startswith("."):
        text = "must be a simple json path starting with ."
        yield invalid(f"{path}.JSONPath", column.json_path, text)


def _selectable(version: CustomResourceDefinitionVersion, path: str) -> Iterator[Cause]:
    fields = version.selectable_fields
    tree = version.schema.open_apiv3_schema if version.schema is not None else None
    if not fields or tree is None:
        return
    schema = parsed(tree, path)
    seen: set[str] = set()
    for index, each in enumerate(fields):
        where, json_path = f"{path}[{index}].jsonPath", each.json_path
        found = _at(schema, json_path)
        if not json_path:
            yield required(where)
        elif found is None:
            text = f"is an invalid path: does not refer to a valid field: {json_path}"
            yield invalid(where, json_path, text)
        elif json_path.startswith(".metadata"):
            yield invalid(where, json_path, "must not point to fields in metadata")
        elif found.type not in ("string", "boolean", "integer"):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields "
                "and strings with formats are allowed."
            )
            yield invalid(where, json_path, text)
        if json_path in seen:
            yield duplicate(where, json_path)
        seen.add(json_path)
    if len(seen) > SELECTABLE_MAX:
        yield too_many(path, len(seen), SELECTABLE_MAX)


def _at(schema: Schema, json_path: str) -> Schema | None:
    found: Schema | None = schema
    for name in json_path.removeprefix(".").split("."):
        found = found.properties.get(name) if found is not None else None
    return found if json_path.startswith(".") else None


def _names(names: CustomResourceDefinitionNames, path: str) -> Iterator[Cause]:
    def label(field: str, value: str | None) -> Iterator[Cause]:
        if value and (problems := dns1035_label(value)):
            yield invalid(f"{path}.{field}", value, ",".join(problems))

    def mixed(field: str, value: str | None) -> Iterator[Cause]:
        if value and (problems := dns1035_label(value.lower())):
            text = "may have mixed case, but should otherwise match: " + ",".join(problems)
            yield invalid(f"{path}.{field}", value, text)

    yield from label("plural", names.plural)
    yield from label("singular", names.singular)
    yield from mixed("kind", names.kind)
    yield from mixed("listKind", names.list_kind)
    yield from _each(label, "shortNames", names.short_names)
    if names.kind and names.kind == names.list_kind:
        yield invalid(f"{path}.listKind", names.kind, "kind and listKind may not be the same")
    yield from _each(label, "categories", names.categories)


def _each(
    check: Callable[[str, str | None], Iterator[Cause]], field: str, values: Sequence[str]
) -> Iterator[Cause]:
    for index, value in enumerate(values):
        yield from check(f"{field}[{index}]", value)


def _conversion(conversion: CustomResourceConversion | None) -> Iterator[Cause]:
    if conversion is None:
        return
    path = "spec.conversion"
    yield from one_of(f"{path}.strategy", conversion.strategy, ("None", "Webhook"))
    webhook = conversion.webhook
    if conversion.strategy != "Webhook":
        if webhook is not None:
            text = "should not be set when strategy is not set to Webhook"
            yield forbidden(f"{path}.webhookClientConfig", text)
        return
    client = webhook.client_config if webhook is not None else None
    if client is None:
        text = "required when strategy is set to Webhook"
        yield required(f"{path}.webhookClientConfig", text)
    elif (client.url is None) == (client.service is None):
        yield required(f"{path}.webhookClientConfig", "exactly one of url or service is required")
    if webhook is None or not webhook.conversion_review_versions:
        yield required(f"{path}.conversionReviewVersions")


def _deprecation(version: CustomResourceDefinitionVersion, path: str) -> Iterator[Cause]:
    text = version.deprecation_warning
    if text is None:
        return
    if not version.deprecated:
        yield invalid(path, text, "can only be set for deprecated versions")
    elif not text:
        yield invalid(path, text, "must not be an empty string")
    elif len(text) > WARNING_MAX:
        yield invalid(path, text, f"must be <= {WARNING_MAX} characters long")
    elif not text.isprintable():
        yield invalid(path, text, "must only contain printable UTF-8 characters")


def _stored(obj: CustomResourceDefinition) -> Iterator[Cause]:
    versions = {version.name for version in obj.spec.versions}
    for index, name in enumerate(obj.status.stored_versions):
        if name not in versions:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must "
                f"remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {name} and removes {name} from status.storedVersions"
            )
            yield invalid(f"status.storedVersions[{index}]", name, text)


def _approval(
    new: CustomResourceDefinition, old: CustomResourceDefinition | None
) -> Iterator[Cause]:
    group = f".{new.spec.group}"
    if not group.endswith((".k8s.io", ".kubernetes.io")):
        return
    given = (new.metadata.annotations or {}).get(APPROVAL, "")
    if old is not None and given == (old.metadata.annotations or {}).get(APPROVAL, ""):
        return
    path = f"metadata.annotations[{APPROVAL}]"
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    needed = f'protected groups must have approval annotation "{APPROVAL}"'
    if not given:
        yield required(path, f"{needed}, {see}")
    elif not given.startswith("unapproved") and not _is_url(given):
        text = f'{needed} with either a URL or a reason starting with "unapproved", {see}'
        yield invalid(path, given, text)


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc)
