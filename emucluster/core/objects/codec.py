"""Objects to and from JSON and plain trees.

Good input takes the fast path: one typed decoder. What that refuses is walked once more as a tree,
which finds *every* unknown field and wrong type, and drops the nulls which Kubernetes reads as
"absent". Messages follow k8s.io/apimachinery (strict decoding) and the API server's negotiation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, reduce
from math import isfinite
from operator import or_
from typing import Any, cast, get_args, get_origin

import msgspec

from emucluster.core.errors import (
    NOT_FOUND,
    NOT_SUPPORTED,
    REQUIRED,
    TYPE_INVALID,
    BadRequest,
    Cause,
)

from .custom import CustomObject
from .generated.exports import ObjectMeta
from .kinds import Kinds
from .registry import BY_KIND, RESOURCES, Resource
from .root import Object

_encoder = msgspec.json.Encoder()

MAX_DEPTH = 64  # deeper than any object of the API; a guard for the walk's recursion
UNKNOWN_FIELD = NOT_SUPPORTED
_INT64 = frozenset(
    (
        *("generation", "observedGeneration", "deletionGracePeriodSeconds", "sizeBytes"),
        *("terminationGracePeriodSeconds", "activeDeadlineSeconds", "tolerationSeconds"),
        *("expirationSeconds", "seconds", "runAsUser", "runAsGroup", "fsGroup", "uid", "gid"),
    )
)
"""Integers that k8s.io/api declares as int64; all the others are int32, and what does not fit those
is refused when it is decoded, as by the API server."""
_MAYBE_BEYOND_INT32 = re.compile(rb"[:\[,]\s*-?(?:\d{10}|[\d.]+[eE])")


# Made here, under Python's import lock: msgspec finds out about a class when it is first used, and
# two threads that have it do so at once crash the interpreter (0.22).
_decoder: msgspec.json.Decoder[Object] = msgspec.json.Decoder(
    reduce(or_, (cast(Any, row.cls) for row in RESOURCES))
)


_BUILT_IN = Kinds()


def encode_json(obj: Object) -> bytes:
    """The object as compact JSON. What is absent is left out."""
    return _encoder.encode(obj.tree() if isinstance(obj, CustomObject) else obj)


def to_tree(obj: Object) -> dict[str, Any]:
    """The object as plain dicts and lists with JSON's names, owned by the caller."""
    tree = cast("dict[str, Any]", msgspec.json.decode(encode_json(obj)))
    return {"apiVersion": tree.pop("apiVersion"), "kind": tree.pop("kind"), **tree}


def decode_json(data: bytes, *, kinds: Kinds = _BUILT_IN) -> Object:
    """One object of any of `kinds` from JSON.

    A missing `apiVersion` means the kind's own, as in a request to the API; `kind` is required.
    Raises BadRequest with every unknown field or wrong type in `causes`.
    """
    if not _MAYBE_BEYOND_INT32.search(data):  # the decoder itself knows of 64 bits only
        try:
            return _decoder.decode(data)
        except msgspec.MsgspecError:
            pass
    try:
        tree = msgspec.json.decode(data)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    if isinstance(tree, dict) and "apiVersion" not in tree:
        row = BY_KIND.get(str(tree.get("kind")))
        tree = {"apiVersion": row.api_version, **tree} if row else tree
    return decode_tree(tree, kinds=kinds)


def decode_tree(
    tree: object,
    *,
    where: str = "",
    kinds: Kinds = _BUILT_IN,
    unknown: list[Cause] | None = None,
) -> Object:
    """One object of any kind from plain dicts and lists.

    Args:
        tree: apiVersion and kind are required. Never changed, but the object may share its parts.
        where: what to put before the message, e.g. the file's name.
        kinds: what may be decoded. Of an object of a custom kind only the metadata is looked at.
        unknown: takes the unknown fields, which are dropped then; None: they are refused.

    Raises BadRequest: no or unknown kind, unknown fields, wrong types; the causes' fields are
    dotted paths.
    """
    before = f"{where}: " if where else ""
    row = _resource(tree, before, kinds)
    assert isinstance(tree, dict)
    walk = _Walk()
    custom = row.definition is not None
    cleaned = walk.custom(tree) if custom else walk.part(tree, row.cls, "", 0)
    handled = f'{row.kind} in version "{row.version}" cannot be handled as a {row.kind}: '
    if walk.wrong:
        text = "; ".join(f"json: {cause.message}" for cause in walk.wrong)
        raise BadRequest(before + handled + text, walk.wrong)
    if unknown is not None:
        unknown += walk.unknown
    elif walk.unknown:
        text = ", ".join(f'unknown field "{cause.field}"' for cause in walk.unknown)
        raise BadRequest(before + handled + "strict decoding error: " + text, walk.unknown)
    try:
        return msgspec.convert(cleaned, row.cls)
    except msgspec.ValidationError as error:  # a type which the walk does not know
        raise BadRequest(before + handled + str(error)) from None


def decode_custom(data: bytes) -> CustomObject:
    """An object of a custom kind from JSON that `encode_json` wrote."""
    tree = msgspec.json.decode(data)
    head = {
        "api_version": tree.pop("apiVersion"),
        "kind": tree.pop("kind"),
        "metadata": msgspec.convert(tree.pop("metadata"), ObjectMeta),
    }
    return CustomObject(**head, content=tree)


def _resource(tree: object, before: str, kinds: Kinds) -> Resource:
    if not isinstance(tree, dict):
        raise BadRequest(f"{before}expected an object with apiVersion and kind, got {_go(tree)}")
    missing = tuple(
        Cause(key, REQUIRED, f"{key} not set")
        for key in ("apiVersion", "kind")
        if not tree.get(key) or not isinstance(tree[key], str)
    )
    if missing:
        texts = [cause.message for cause in missing]
        listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        raise BadRequest(f"{before}error validating data: {listed}", missing)
    row = kinds.named(tree["apiVersion"], tree["kind"])
    if row is None:
        text = f'no matches for kind "{tree["kind"]}" in version "{tree["apiVersion"]}"'
        raise BadRequest(before + text, (Cause("kind", NOT_FOUND, text),))
    return row


@cache
def _fields(cls: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Types of a class's fields, by JSON name."""
    fields = {f.encode_name: f.type for f in msgspec.structs.fields(cls)}
    return fields | ({"kind": str} if issubclass(cls, Object) else {})


class _Walk:
    """Looks at a tree beside the class that it should become, and notes what does not fit."""

    def __init__(self) -> None:
        self.unknown: list[Cause] = []
        self.wrong: list[Cause] = []

    def custom(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The fields of a CustomObject."""
        if not _encodable(tree):
            self._mismatch(tree, "", "JSON")
        metadata = self.part(tree.get("metadata") or {}, ObjectMeta, "metadata", 1)
        head = {"apiVersion": tree["apiVersion"], "kind": tree["kind"], "metadata": metadata}
        content = {key: value for key, value in tree.items() if key not in head}
        return head | {"content": content}

    def part(self, tree: object, cls: type[msgspec.Struct], path: str, depth: int) -> object:
        if not isinstance(tree, dict):
            return self._mismatch(tree, path, "object")
        if depth > MAX_DEPTH:
            return self._mismatch(tree, path, f"object nested less than {MAX_DEPTH} deep")
        fields, result = _fields(cls), {}
        for key, value in tree.items():
            below = f"{path}.{key}" if path else str(key)
            if (kind := fields.get(key)) is None:
                self.unknown.append(Cause(below, UNKNOWN_FIELD, "unknown field"))
            elif value is not None or _keeps_null(kind):
                result[key] = self.value(value, kind, below, depth + 1)
                if key not in _INT64 and _beyond_int32(value, kind):
                    self._mismatch(value, below, "int32", shown=f"number {value}")
        return result

    def value(self, value: object, kind: Any, path: str, depth: int) -> object:
        options = _options(kind)
        if Any in options:
            return value if _encodable(value) else self._mismatch(value, path, "object")
        if value is None and type(None) in options:
            return value
        for option in options:
            origin = get_origin(option)
            if isinstance(option, type) and issubclass(option, msgspec.Struct):
                return self.part(value, option, path, depth)
            if origin is tuple:
                return self._items(value, get_args(option)[0], path, depth)
            if origin is dict:
                return self._map(value, get_args(option)[1], path, depth)
        scalars = tuple(o for o in options if o in _GO_TYPES)
        if scalars and not any(_is(value, scalar) for scalar in scalars):
            return self._mismatch(value, path, " or ".join(_GO_TYPES[s] for s in scalars))
        return value

    def _items(self, value: object, kind: Any, path: str, depth: int) -> object:
        if not isinstance(value, list | tuple):
            return self._mismatch(value, path, "array")
        return [self.value(v, kind, f"{path}[{i}]", depth) for i, v in enumerate(value)]

    def _map(self, value: object, kind: Any, path: str, depth: int) -> object:
        if not isinstance(value, dict):
            return self._mismatch(value, path, "object")
        result = {}
        for key, item in value.items():
            below = f"{path}.{key}"
            if not _is(key, str):
                self._mismatch(key, below, "string")
                continue
            result[key] = self.value("" if item is None else item, kind, below, depth)
        return result

    def _mismatch(self, value: object, path: str, expected: str, *, shown: str = "") -> object:
        text = f"cannot unmarshal {shown or _go(value)} into field {path} of type {expected}"
        self.wrong.append(Cause(path, TYPE_INVALID, text))
        return value


_GO_TYPES: Mapping[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _options(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone."""
    if get_origin(kind) in (None, tuple, dict):
        return (kind,)
    args = get_args(kind)
    return tuple(type(a) if isinstance(a, str) else a for a in args)  # Literal["v1"]: str


def _keeps_null(kind: Any) -> bool:
    """Whether null is told from absence here: where UNSET stands for absence."""
    return msgspec.UnsetType in _options(kind)


def _is(value: object, scalar: Any) -> bool:
    """Whether a value has this type, and JSON can carry it: 64 bits, finite, no half character."""
    if scalar is float and type(value) is float:
        return isfinite(value)
    if type(value) is int:
        return scalar in (int, float) and -(2**63) <= value < 2**63
    return type(value) is scalar and (scalar is not str or _encodable(value))


def _beyond_int32(value: object, kind: Any) -> bool:
    """Whether a whole number that JSON can carry does not fit a field of 32 bits."""
    if type(value) is not int or -(2**31) <= value < 2**31 or not _is(value, int):
        return False
    options = _options(kind)
    return int in options and float not in options


def _encodable(value: object) -> bool:
    try:
        _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError, RecursionError):
        return False
    return True


def _go(value: object) -> str:
    """What encoding/json calls the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list | tuple) else "object"
