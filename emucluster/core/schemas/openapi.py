"""OpenAPI v3: `/openapi/v3` and a document for each group and version.

kubectl takes from them whether the server checks fields (PATCH with a `fieldValidation`
parameter), which kinds of patches a resource takes, the lists' merge keys, and what `explain`
tells. Form: k8s.io/kube-openapi/pkg/handler3, k8s.io/apiserver/pkg/endpoints/installer.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import msgspec

from .definitions import META, REF, Raw, definition_of, definitions
from .openapi_paths import paths_of

GVK: TypeAlias = tuple[str, str, str]


class Documented(Protocol):
    """What is told of a resource; `emucluster.core.objects.registry.Resource` has it all."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def namespaced(self) -> bool: ...
    @property
    def subresources(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A document, and the hash in the address under which it may be kept for ever."""

    body: bytes
    hash: str


class Documents:
    """The documents for one set of resources, each made when it is first asked for.

    Args:
        rows: what is served; one with a `definition` (a version in a CustomResourceDefinition)
            brings its own schema.
        verbs_of: verbs of a resource, or of the subresource named second.
        kind_of_part: group, version and kind of what a subresource takes and gives.
    """

    def __init__(
        self,
        rows: Iterable[Documented],
        *,
        verbs_of: Callable[[Any, str], Sequence[str]],
        kind_of_part: Callable[[Any, str], GVK],
    ) -> None:
        self._rows: dict[str, list[Documented]] = {}
        for row in rows:
            self._rows.setdefault(_path(row.group, row.version), []).append(row)
        self._verbs_of, self._kind_of_part = verbs_of, kind_of_part
        self._made: dict[str, Document] = {}

    def index(self) -> Document:
        """`/openapi/v3`: where the documents are."""

        def make() -> Any:
            paths = {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self._of(path).hash}"}
                for path in sorted(self._rows)
            }
            return {"paths": paths}

        return self._document("", make)

    def document(self, path: str) -> Document | None:
        """Of a group and version, `apis/apps/v1` or `api/v1`; None: nothing is served there."""
        return self._of(path) if path in self._rows else None

    def _of(self, path: str) -> Document:
        return self._document(path, lambda: self._make(path))

    def _document(self, key: str, make: Callable[[], Any]) -> Document:
        if key not in self._made:
            body = msgspec.json.encode(make())
            self._made[key] = Document(body, hashlib.sha256(body).hexdigest().upper())
        return self._made[key]

    def _make(self, path: str) -> dict[str, Any]:
        schemas: dict[str, Raw] = {}
        paths: dict[str, Any] = {}
        for row in self._rows[path]:
            name, own = _schemas(row)
            schemas |= own
            paths |= paths_of(row, f"/{path}", name, self._verbs_of, self._part)
        used = set(_references(schemas)) | set(_references(paths))
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.32.0"},
            "paths": dict(sorted(paths.items())),
            "components": {
                "schemas": dict(sorted((schemas | _closure(used - set(schemas))).items()))
            },
        }

    def _part(self, row: Documented, subresource: str) -> tuple[GVK, str]:
        """What kind a subresource is of, and the name of its schema."""
        group, version, kind = gvk = self._kind_of_part(row, subresource)
        if kind == row.kind:
            return gvk, _schemas(row)[0]
        api_version = f"{group}/{version}" if group else version
        return gvk, definition_of(api_version, kind) or ""


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _schemas(row: Documented) -> tuple[str, dict[str, Raw]]:
    """The name of a resource's schema, and the schemas which only it brings."""
    definition = getattr(row, "definition", None)
    if definition is None:
        api_version = f"{row.group}/{row.version}" if row.group else row.version
        name = definition_of(api_version, row.kind) or ""
        names = (n for n in (name, name + "List") if n in definitions())
        return name, {each: definitions()[each] for each in names}
    name = ".".join((*reversed(row.group.split(".")), row.version, row.kind))
    given = definition.schema.open_apiv3_schema if definition.schema is not None else None
    return name, {name: _custom(row, given), name + "List": _list(row, name)}


def _custom(row: Documented, given: Raw | None) -> Raw:
    """A custom kind's schema with the fields that every object has."""
    schema = dict(given or {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    properties = dict(schema.get("properties") or {})
    object_fields = definitions()["io.k8s.api.core.v1.ConfigMap"]["properties"]
    for field in ("apiVersion", "kind", "metadata"):
        properties[field] = object_fields[field]
    schema["properties"] = properties
    schema["x-kubernetes-group-version-kind"] = [_gvk(row.group, row.version, row.kind)]
    return schema


def _list(row: Documented, name: str) -> Raw:
    list_fields = definitions()["io.k8s.api.core.v1.ConfigMapList"]["properties"]
    items = {
        "description": f"List of {row.plural}.",
        "type": "array",
        "items": {"$ref": REF + name},
    }
    return {
        "description": f"{row.kind}List is a list of {row.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {**list_fields, "items": items},
        "x-kubernetes-group-version-kind": [_gvk(row.group, row.version, row.kind + "List")],
    }


def _gvk(group: str, version: str, kind: str) -> Mapping[str, str]:
    return {"group": group, "version": version, "kind": kind}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(ref := value.get("$ref"), str) and ref.startswith(REF):
            yield ref.removeprefix(REF)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _closure(names: Iterable[str]) -> dict[str, Raw]:
    """The published definitions of some names and of all that they use."""
    known, result = definitions(), {}
    ahead = [*names, META + "Status"]
    while ahead:
        name = ahead.pop()
        if name in known and name not in result:
            result[name] = known[name]
            ahead += _references(known[name])
    return result
