"""What clients send, checked against the schema and put into the form in which it is stored.

As the API server's decoder: the first value of a wrong type is an error, in encoding/json's words;
fields that are unknown or come twice are listed, for the caller to refuse or warn about; null is
absence; times, quantities and base64 are read and written anew. Source:
sigs.k8s.io/json, k8s.io/apimachinery/pkg/runtime/serializer/json.
"""

from __future__ import annotations

import binascii
import json
import math
import string
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec

from emucluster.core.objects import CustomObject, Object, ObjectMeta
from emucluster.core.objects.codec import MAX_DEPTH
from emucluster.core.objects.quantity import canonical as canonical_quantity
from emucluster.core.objects.registry import Resource

from . import times
from .go_names import kind_of, type_of, type_of_field, word_for
from .schema import Schema

Tree: TypeAlias = dict[str, Any]


class WrongType(Exception):
    """A value that cannot be what its field is; the text is that of the API server's decoder.

    Attributes:
        converted: the text of its converter, which makes an object of what a strategic merge patch
            has made (k8s.io/apimachinery pkg/runtime/converter.go).
    """

    def __init__(self, text: str, converted: str = "") -> None:
        super().__init__(text)
        self.converted = converted or text


def conformed(tree: Any, schema: Schema) -> tuple[Tree, list[str]]:
    """A tree as it is stored, and the paths of unknown fields, which are left out.

    Nothing is changed in place; the result may share parts with the tree. Raises WrongType.
    """
    unknown: list[str] = []
    try:
        return _object(tree, schema, unknown, 0), unknown
    except _Mismatch as found:
        raise WrongType(*_texts(found, schema)) from None


def to_object(tree: Tree, row: Resource, schema: Schema) -> tuple[Object, list[str]]:
    """The object that a tree means, and the paths of unknown fields, which are left out.

    Of an object of a custom kind only the metadata is looked at. `schema`: of the kind.
    Raises WrongType.
    """
    if row.definition is None:
        cleaned, unknown = conformed(tree, schema)
        return _converted(cleaned, row.cls), unknown
    head, unknown = conformed({"metadata": tree.get("metadata")}, schema)
    metadata = _converted(head.get("metadata") or {}, ObjectMeta)
    content = {key: value for key, value in tree.items() if key not in _IDENTITY}
    obj = CustomObject(
        api_version=row.api_version, kind=row.kind, metadata=metadata, content=content
    )
    return obj, unknown


_IDENTITY = frozenset(("apiVersion", "kind", "metadata"))

T = TypeVar("T")


def _converted(tree: Tree, cls: type[T]) -> T:
    try:
        return msgspec.convert(tree, cls)
    except msgspec.ValidationError as error:  # what the schema lets pass, such as an apiVersion
        raise WrongType(str(error)) from None


def duplicates(body: bytes) -> list[str]:
    """Paths of fields that come more than once in one object of a JSON body."""
    try:
        # A field that came twice is understood once, and its name's quotes are missing then.
        # Nothing can add any in their place but a quote that was written as its code.
        understood = msgspec.json.encode(msgspec.json.decode(body))
        if b"\\u" not in body and understood.count(b'"') == body.count(b'"'):
            return []
        tree = json.loads(body, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return []  # whoever decodes it says what is wrong
    found: list[str] = []
    _collect(tree, "", found)
    return found


class _Pairs(dict[str, Any]):
    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.twice = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        before = f"{path}." if path else ""
        found += [f"{before}{name}" for name in value.twice]
        for name, item in value.items():
            _collect(item, f"{before}{name}", found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect(item, f"{path}[{index}]", found)


class _Mismatch(Exception):
    """A value of a wrong type; `path` grows from the inside on the way out."""

    def __init__(self, value: Any, shown: str = "") -> None:
        super().__init__(shown or word_for(value))
        self.value = value
        self.path: list[str | int] = []


# --- containers ----------------------------------------------------------------------------------


def _object(value: Any, schema: Schema, unknown: list[str], depth: int) -> Tree:
    """A struct or a map, by its fields."""
    if not isinstance(value, dict):
        raise _Mismatch(value)
    if depth > MAX_DEPTH:
        raise WrongType("exceeded max depth")
    result = {}
    name = ""
    try:
        for name, item in value.items():
            child = schema.field(name)
            if child is None:
                unknown.append(name)
            elif item is None:
                if (zero := _of_null(schema, name, child)) is not _ABSENT:
                    result[name] = zero
            elif (read := _SCALARS.get(child.type)) is not None:
                result[name] = read(item, child)
            elif (walk := _CONTAINERS.get(child.type)) is not None:
                known = len(unknown)
                result[name] = walk(item, child, unknown, depth + 1)
                if len(unknown) > known:
                    _prefix(unknown, known, name)
            else:
                result[name] = item
    except _Mismatch as found:
        found.path.append(name)
        raise
    return result


def _array(values: Any, schema: Schema, unknown: list[str], depth: int) -> list[Any]:
    if not isinstance(values, list | tuple):
        raise _Mismatch(values)
    if depth > MAX_DEPTH:
        raise WrongType("exceeded max depth")
    of, result = schema.items, []
    read, walk = _SCALARS.get(of.type), _CONTAINERS.get(of.type)
    index = 0
    try:
        for index, item in enumerate(values):
            if item is None and of.type in _ZEROS:
                result.append(_ZEROS[of.type]())
            elif read is not None:
                result.append(read(item, of))
            elif walk is not None:
                known = len(unknown)
                result.append(walk(item, of, unknown, depth + 1))
                if len(unknown) > known:
                    _prefix(unknown, known, f"[{index}]")
            else:
                result.append(item)
    except _Mismatch as found:
        found.path.append(index)
        raise
    return result


def _prefix(unknown: list[str], known: int, name: str) -> None:
    """Puts what is outside before the paths that were found inside."""
    for place in range(known, len(unknown)):
        inner = unknown[place]
        unknown[place] = f"{name}{inner}" if inner[:1] == "[" else f"{name}.{inner}"


def _of_null(owner: Schema, name: str, schema: Schema) -> Any:
    """What null stands for: the zero of a map's value, and nothing of a field."""
    if schema.type in _ZEROS and not owner.declares(name):
        return _ZEROS[schema.type]()
    # Times are told from their absence (PodCondition.lastProbeTime); of anything goes anything.
    return None if schema.type in ("time", "micro-time", "") else _ABSENT


_ABSENT = object()


# --- scalars -------------------------------------------------------------------------------------


def _string(value: Any, schema: Schema) -> str:
    if not isinstance(value, str):
        raise _Mismatch(value)
    return _base64(value) if schema.format == "byte" else value


def _base64(text: str) -> str:
    plain = text.replace("\n", "").replace("\r", "")
    try:
        return b64encode(b64decode(plain, validate=True)).decode()
    except (binascii.Error, ValueError):
        at = next((n for n, c in enumerate(text) if c not in _BASE64), len(text))
        why = f"illegal base64 data at input byte {at}"
        raise WrongType(why, f"error decoding from json: {why}") from None


_BASE64 = frozenset(string.ascii_letters + string.digits + "+/\r\n")


def _boolean(value: Any, schema: Schema) -> bool:
    if not isinstance(value, bool):
        raise _Mismatch(value)
    return value


def _integer(value: Any, schema: Schema) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Mismatch(value)
    limit = 2**31 if schema.format == "int32" else 2**63
    if isinstance(value, float) or not -limit <= value < limit:
        raise _Mismatch(value, f"number {value}")
    return value


def _number(value: Any, schema: Schema) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Mismatch(value)
    if not math.isfinite(value):
        raise _Mismatch(value, f"number {value}")
    return value


def _int_or_string(value: Any, schema: Schema) -> int | str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31:
        return value
    shown = word_for(value)
    shown += f" {value}" if shown == "number" else ""
    raise WrongType(f"json: cannot unmarshal {shown} into Go value of type int32")


def _quantity(value: Any, schema: Schema) -> str:
    usable = isinstance(value, str | int | float) and not isinstance(value, bool)
    try:
        return canonical_quantity(value if usable else "")
    except ValueError as error:
        raise WrongType(str(error)) from None


def _time(value: Any, schema: Schema) -> str:
    if not isinstance(value, str):
        shown = word_for(value)
        raise WrongType(f"json: cannot unmarshal {shown} into Go value of type string")
    try:
        return times.canonical(value, micro=schema.type == "micro-time")
    except ValueError as error:
        raise WrongType(str(error)) from None


_SCALARS: Mapping[str, Callable[[Any, Schema], Any]] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "int-or-string": _int_or_string,
    "quantity": _quantity,
    "time": _time,
    "micro-time": _time,
}
_CONTAINERS: Mapping[str, Callable[[Any, Schema, list[str], int], Any]] = {
    "object": _object,
    "array": _array,
}
_ZEROS: Mapping[str, Callable[[], Any]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": float,
    "array": list,
    "object": dict,
    "quantity": lambda: "0",
    "int-or-string": int,
}


def _texts(found: _Mismatch, schema: Schema) -> tuple[str, str]:
    """As encoding/json: names of structs' fields, and the struct that has the last of them; and as
    the converter."""
    struct, fields, kind = "", [], type_of(schema)
    for part in reversed(found.path):
        if isinstance(part, int):
            schema, kind = schema.items, type_of(schema.items)
            continue
        below = schema.field(part)
        assert below is not None
        kind = type_of(below)
        if schema.declares(part):
            struct, kind = type_of(schema).rpartition(".")[2], type_of_field(schema, part, below)
            fields.append(part)
        schema = below
    where = f"struct field {struct}.{'.'.join(fields)}" if fields else "value"
    text = f"json: cannot unmarshal {found} into Go {where} of type {kind}"
    return text, _not_converted(found.value, schema, kind) or text


def _not_converted(value: Any, schema: Schema, kind: str) -> str:
    """Why the converter makes nothing of type `kind` of a value; "": it would, other than here."""
    source = kind_of(value)
    if schema.type == "array" or schema.format == "byte":
        return f"cannot restore slice from {source}"
    if schema.type == "object":
        return (
            f"cannot restore struct from: {source}"
            if schema.values is None
            else f"cannot restore map from {source}"
        )
    if source == "int64" and schema.type == "string":  # Go would make a character of it
        return f"cannot convert {source} to {kind}"
    if source in ("int64", "float64") and schema.type in ("integer", "number"):
        whole = source == "int64" or value == math.trunc(value)
        return "" if whole else f"cannot convert {source} to {kind}"
    scalar = {"boolean": "bool", "integer": schema.format or "int64", "number": "float64"}
    return f"unrecognized type: {scalar.get(schema.type, 'string')}"
