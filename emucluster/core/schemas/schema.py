"""One type of the API, as what merges and checks trees needs to know it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from .definitions import META, REF, Raw, definition_of, definitions

_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_TIMES = (META + "Time", META + "MicroTime")
_IDENTITY: Mapping[str, Raw] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"$ref": REF + META + "ObjectMeta"},
}


class Schema:
    """The type of a value, with what the field that holds it says of lists and patches.

    Attributes:
        name: of the definition, `io.k8s.api.core.v1.PodSpec`; "" for what has no name of its own.
        type: `object`, `array`, `string`, `integer`, `number`, `boolean`, `int-or-string`,
            `quantity`, `time`, `micro-time`, or "" for anything.
        format: `int32`, `int64`, `byte`, ... or "".
        default: the value that stands for a missing one in the key of a list's item, or None.
        list_type: `atomic`, `set` or `map`; an array that says nothing is atomic.
        keys: fields that name an item of a list of type `map`.
        atomic: of an object: it is owned and replaced as a whole.
        merge_key, strategies: `patchMergeKey` and `patchStrategy` of strategic merge patches.
        required: names of fields that have to be there.
        open: an object takes fields of any name and keeps them.
    """

    __slots__ = (
        *("_children", "_items", "_own", "_raw", "_values", "atomic", "default", "format"),
        *("keys", "list_type", "merge_key", "name", "open", "required", "strategies", "type"),
    )

    def __init__(self, raw: Raw, *, root: bool = False) -> None:
        """Of an OpenAPI v3 schema. `root`: a whole object, which has an identity in any case."""
        own: Raw = raw
        ref = raw.get("$ref") or next((r["$ref"] for r in raw.get("allOf", ()) if "$ref" in r), "")
        self.name = ref.removeprefix(REF)
        shared: Schema | None = _definition(self.name) if self.name else None
        if shared is not None:
            raw = definitions()[self.name]
        if root or raw.get("x-kubernetes-embedded-resource"):
            raw = {**raw, "properties": {**_IDENTITY, **_properties(raw), **_metadata()}}
        self._own = own
        self._raw: Raw = raw
        self._children: dict[str, Schema | None] = {} if shared is None else shared._children
        self._items: Schema | None = None
        self._values: Schema | None = None
        self.type = _type(self.name, raw)
        self.format: str = raw.get("format", "")
        self.default: Any = self._said("default")
        self.list_type: str = self._said("x-kubernetes-list-type") or "atomic"
        self.keys: tuple[str, ...] = tuple(self._said("x-kubernetes-list-map-keys") or ())
        self.atomic = self._said("x-kubernetes-map-type") == "atomic"
        self.merge_key: str = self._said("x-kubernetes-patch-merge-key") or ""
        strategies = str(self._said("x-kubernetes-patch-strategy") or "")
        self.strategies: tuple[str, ...] = tuple(filter(None, strategies.split(",")))
        self.required: tuple[str, ...] = tuple(raw.get("required", ()))
        said = bool(raw.get("properties") or isinstance(raw.get("additionalProperties"), Mapping))
        self.open = bool(raw.get("x-kubernetes-preserve-unknown-fields")) or not said

    def _said(self, key: str) -> Any:
        return self._own.get(key, self._raw.get(key))

    @property
    def description(self) -> str:
        """What the field, or else the type, is for."""
        return str(self._said("description") or "")

    @property
    def properties(self) -> Mapping[str, Any]:
        """The declared fields; names only are meant to be used, `field` gives the schemas."""
        return _properties(self._raw)

    def declares(self, name: str) -> bool:
        """Whether an object of this type has the field by declaration, not as a key of a map."""
        return name in _properties(self._raw)

    def field(self, name: str) -> Schema | None:
        """The type of a field, or of a map's value; None where there is no such field."""
        if name in self._children:
            return self._children[name]
        if (raw := _properties(self._raw).get(name)) is not None:
            child: Schema | None = Schema(raw)
            self._children[name] = child
            return child
        # Names that a request makes up are not remembered.
        return self.values

    @property
    def values(self) -> Schema | None:
        """The type of a map's values; None for an object with declared fields only."""
        if self._values is None:
            raw = self._raw.get("additionalProperties")
            if isinstance(raw, Mapping):
                self._values = Schema(raw)
            elif self.open or raw is True:
                self._values = ANY
        return self._values

    @property
    def items(self) -> Schema:
        """The type of an array's items."""
        if self._items is None:
            raw = self._raw.get("items")
            self._items = Schema(raw) if isinstance(raw, Mapping) else ANY
        return self._items


def _properties(raw: Raw) -> Mapping[str, Any]:
    return raw.get("properties") or {}


def _metadata() -> Mapping[str, Any]:
    """A custom resource may narrow its metadata; it stays ObjectMeta."""
    return {"metadata": _IDENTITY["metadata"]}


def _type(name: str, raw: Raw) -> str:
    if name == _INT_OR_STRING or raw.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    if name == _QUANTITY:
        return "quantity"
    if name in _TIMES:
        return "time" if name == _TIMES[0] else "micro-time"
    said = raw.get("type", "")
    return said if isinstance(said, str) else ""


ANY = Schema({})
"""What nothing is known of: objects are merged by field, arrays are replaced."""


@cache
def _definition(name: str) -> Schema | None:
    raw = definitions().get(name)
    return None if raw is None else Schema(raw)


@cache
def schema_of(api_version: str, kind: str) -> Schema | None:
    """The type of a published kind, None for any other one. Kept: these are few."""
    name = definition_of(api_version, kind)
    return None if name is None else Schema({"$ref": REF + name})


def custom_schema(raw: Raw | None) -> Schema:
    """The type of a custom resource from `openAPIV3Schema`; None means that there is none."""
    return Schema(raw or {"x-kubernetes-preserve-unknown-fields": True}, root=True)
