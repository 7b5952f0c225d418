"""Field selectors, as `kubectl --field-selector` writes them.

Grammar and messages are those of k8s.io/apimachinery pkg/fields/selector.go; which fields a kind
has, those of its conversion (kubernetes pkg/apis/core/v1/conversion.go and others, of custom kinds
k8s.io/apiextensions-apiserver pkg/apiserver/customresource_handler.go). A bad selector raises
BadRequest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from emucluster.core.errors import BadRequest
from emucluster.core.objects import CustomObject, Event, Object
from emucluster.core.objects.registry import BY_KIND, Resource

from .selectors import REQUIREMENTS_MAX

Getter = Callable[[Object], str]

_NAME = {"metadata.name": "metadata.name"}
_COMMON = {**_NAME, "metadata.namespace": "metadata.namespace"}
_POD = (
    *("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName"),
    *("spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"),
)
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT = (
    *(f"involvedObject.{field}" for field in _INVOLVED),
    *("reason", "reportingComponent", "source", "type"),
)


def _same(fields: tuple[str, ...]) -> dict[str, str]:
    return {field: field for field in fields}


_OF_KIND: Mapping[str, Mapping[str, str]] = {
    "Pod": {**_COMMON, **_same(_POD), "spec.host": "spec.nodeName"},
    "Event": {**_COMMON, **_same(_EVENT)},
    "Node": {**_NAME, **_same(("spec.unschedulable",))},
    "Namespace": {**_NAME, **_same(("status.phase",)), "name": "metadata.name"},
    "Secret": {**_COMMON, **_same(("type",))},
    "Service": {**_COMMON, **_same(("spec.clusterIP", "spec.type"))},
    "ReplicationController": {**_COMMON, **_same(("status.replicas",))},
    "ReplicaSet": {**_COMMON, **_same(("status.replicas",))},
    "Job": {**_COMMON, "status.successful": "status.succeeded"},
}
"""By kind: what a selector may name, and where that is."""

_EVENTS_EVENT = {
    **_COMMON,
    **{f"regarding.{field}": f"involvedObject.{field}" for field in _INVOLVED},
    **_same(("reason", "type")),
    "reportingController": "reportingComponent",
}


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One field that must (or, negated, must not) have a value."""

    field: str
    value: str
    negated: bool
    get: Getter

    def matches(self, obj: Object) -> bool:
        return (self.get(obj) == self.value) is not self.negated


def parse_fields(kind: str | Resource, text: str) -> tuple[FieldRequirement, ...]:
    """`status.phase=Running,spec.nodeName!=` for objects of a kind; "" selects everything.

    Every kind knows metadata.name and, if it has namespaces, metadata.namespace; some know more.

    Args:
        kind: a resource, or the name of a built-in kind. Requirements are always on the objects
            as they are stored, also where the resource shows them otherwise.
        text: terms parted by commas; in values `\\`, `,` and `=` are written with a `\\` before.

    Raises BadRequest: not such a selector, or a field that cannot be selected by.
    """
    row = BY_KIND.get(kind) if isinstance(kind, str) else kind
    requirements: list[FieldRequirement] = []
    for term in filter(None, _terms(text)):
        if len(requirements) == REQUIREMENTS_MAX:
            raise BadRequest(f"more than {REQUIREMENTS_MAX} requirements in a selector")
        match = _TERM.fullmatch(term)
        if match is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        field, operator, value = match.groups()
        get = _getter(row, field)
        requirements.append(FieldRequirement(field, _unescaped(value), operator == "!=", get))
    return tuple(requirements)


_TERM = re.compile(r"((?:[^\\=!]|\\.|!(?!=))+)(==|!=|=)(.*)", re.DOTALL)


def _terms(text: str) -> Iterator[str]:
    yield from re.findall(r"(?:[^\\,]|\\.|\\$)+", text, re.DOTALL)


def _unescaped(value: str) -> str:
    result, chars = [], iter(value)
    for char in chars:
        if char == "\\":
            char = next(chars, "")
            if char not in ("\\", ",", "="):
                problem = "invalid escape sequence: \\" + char
                raise BadRequest(f"invalid field selector: {problem}")
        elif char in ",=":
            problem = f"unescaped character in value: {char}"
            raise BadRequest(f"invalid field selector: {problem}")
        result.append(char)
    return "".join(result)


# --- reading fields ------------------------------------------------------------------------------


def _getter(row: Resource | None, field: str) -> Getter:
    if row is not None and row.definition is not None:
        return _custom_getter(row, field)
    if row is not None and row.group == "events.k8s.io":
        known: Mapping[str, str] = _EVENTS_EVENT
    elif row is None or row.kind not in _OF_KIND:
        if field not in _COMMON:
            only = '"metadata.name", "metadata.namespace"'
            raise BadRequest(f'"{field}" is not a known field selector: only {only}')
        known = _COMMON
    else:
        known = _OF_KIND[row.kind]
    if (place := known.get(field)) is None:
        raise BadRequest(f"field label not supported: {field}")
    return _reader(place)


@cache
def _reader(place: str) -> Getter:
    """Reads a field of a built-in kind; what is absent is "", or Go's zero value."""
    match place:
        case "metadata.name":
            return lambda obj: obj.metadata.name
        case "metadata.namespace":
            return lambda obj: obj.metadata.namespace
        case "source":
            return _source
    names = [_ATTRIBUTE.get(name) or _snake(name) for name in place.split(".")]
    zero = {"spec.hostNetwork": "false", "spec.unschedulable": "false", "status.replicas": "0"}
    absent = zero.get(place, "")

    def read(obj: Object) -> str:
        value: Any = obj
        for name in names:
            value = getattr(value, name, None)
        return absent if value is None else _text(value)

    return read


_ATTRIBUTE = {"podIP": "pod_ip", "clusterIP": "cluster_ip"}


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def _source(obj: Object) -> str:
    if not isinstance(obj, Event):
        return ""
    return obj.source.component or obj.reporting_component or ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _custom_getter(row: Resource, field: str) -> Getter:
    if field in _NAME or (row.namespaced and field == "metadata.namespace"):
        return _reader(field)
    assert row.definition is not None
    selectable = {f.json_path.removeprefix(".") for f in row.definition.selectable_fields}
    if field not in selectable:
        raise BadRequest(f"field label not supported: {field}")
    names = field.split(".")

    def read(obj: Object) -> str:
        value: Any = obj.content if isinstance(obj, CustomObject) else {}
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return "" if value is None else _text(value)

    return read
