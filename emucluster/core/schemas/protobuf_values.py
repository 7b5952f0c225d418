"""Messages whose JSON is not an object with their fields.

Source: the hand-written MarshalJSON methods beside the types in k8s.io/apimachinery and
k8s.io/apiextensions-apiserver.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from .definitions import META

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProtobufError(Exception):
    """The bytes are no such message."""


def base64_of(data: bytes) -> str:
    return b64encode(data).decode()


def _moment(tree: Mapping[str, Any]) -> datetime | None:
    """None for the zero time, which is written as a message without fields."""
    if not tree:
        return None
    seconds, nanos = tree.get("seconds", 0), tree.get("nanos", 0)
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        raise ProtobufError(f"time out of range: {seconds} seconds") from None


def _time(tree: Mapping[str, Any]) -> str | None:
    moment = _moment(tree)
    return None if moment is None else f"{moment.isoformat(timespec='seconds')[:-6]}Z"


def _micro_time(tree: Mapping[str, Any]) -> str | None:
    moment = _moment(tree)
    return None if moment is None else f"{moment.isoformat(timespec='microseconds')[:-6]}Z"


def _int_or_string(tree: Mapping[str, Any]) -> int | str:
    if tree.get("type", 0) == 0:
        return int(tree.get("intVal", 0))
    return str(tree.get("strVal", ""))


def _quantity(tree: Mapping[str, Any]) -> str:
    return str(tree.get("string", "")) or "0"


def _json(tree: Mapping[str, Any]) -> Any:
    """What is carried as JSON's own bytes."""
    raw = tree.get("raw", b"")
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtobufError(f"json parse error: {error}") from None


def _items(tree: Mapping[str, Any]) -> list[Any]:
    return list(tree.get("items", ()))


def _or_array(tree: Mapping[str, Any]) -> Any:
    return tree["jSONSchemas"] if tree.get("jSONSchemas") else tree.get("schema")


def _or_bool(tree: Mapping[str, Any]) -> Any:
    return tree["schema"] if tree.get("schema") is not None else bool(tree.get("allows"))


def _or_strings(tree: Mapping[str, Any]) -> Any:
    return tree["property"] if tree.get("property") else tree.get("schema")


_CRDS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

# By message: how to write it, and whether its first field holds JSON.
CONVERTED: Mapping[str, tuple[Callable[[Mapping[str, Any]], Any], bool]] = {
    META + "Time": (_time, False),
    META + "MicroTime": (_micro_time, False),
    META + "FieldsV1": (_json, True),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": (_json, True),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": (_int_or_string, False),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": (_quantity, False),
    "io.k8s.api.authorization.v1.ExtraValue": (_items, False),
    "io.k8s.api.authentication.v1.ExtraValue": (_items, False),
    _CRDS + "JSON": (_json, True),
    _CRDS + "JSONSchemaPropsOrArray": (_or_array, False),
    _CRDS + "JSONSchemaPropsOrBool": (_or_bool, False),
    _CRDS + "JSONSchemaPropsOrStringArray": (_or_strings, False),
}
