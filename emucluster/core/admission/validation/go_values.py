"""Values as messages show them: what Go's `%v`, `%q` and `%#v` print of them.

Source: k8s.io/apimachinery pkg/util/validation/field/errors.go at 1.32 (Error.ErrorBody). Differs:
a struct in which Go would print addresses of pointers is shown as JSON, as 1.34 shows all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from emucluster.core.objects import LabelSelector, LabelSelectorRequirement, RoleRef, Taint

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
_STRUCTS: Mapping[type[msgspec.Struct], tuple[str, Mapping[str, tuple[str, str]]]] = {
    LabelSelector: (
        "v1.LabelSelector",
        {
            "MatchLabels": ("match_labels", "map[string]string"),
            "MatchExpressions": ("match_expressions", "[]v1.LabelSelectorRequirement"),
        },
    ),
    LabelSelectorRequirement: (
        "v1.LabelSelectorRequirement",
        {
            "Key": ("key", "string"),
            "Operator": ("operator", "string"),
            "Values": ("values", "[]string"),
        },
    ),
    RoleRef: (
        "rbac.RoleRef",
        {
            "APIGroup": ("api_group", "string"),
            "Kind": ("kind", "string"),
            "Name": ("name", "string"),
        },
    ),
    Taint: (
        "core.Taint",
        {
            "Key": ("key", "string"),
            "Value": ("value", "string"),
            "Effect": ("effect", "string"),
            "TimeAdded": ("time_added", "*v1.Time"),
        },
    ),
}
"""Go's name of a struct and those of its fields, in its order, with attribute and type."""


class GoText(str):
    """A value that is written already."""

    __slots__ = ()


def shown(value: object) -> str:
    """A value of a field, as the message about it shows it.

    A map is one of strings, a list one of strings or of structs, as in all types of the API.
    """
    match value:
        case GoText():
            return value
        case None:
            return '"null"'  # Go quotes the word that it puts in the place of no value
        case str() | bool() | int() | float():
            return _scalar(value)
        case dict() if all(isinstance(each, str) for each in value.values()):
            return _typed(value, "map[string]string")
        case tuple() | list() if all(isinstance(each, str) for each in value):
            return _typed(value, "[]string")
        case msgspec.Struct() if type(value) in _STRUCTS and not getattr(value, "time_added", None):
            return _typed(value, _STRUCTS[type(value)][0])
    return msgspec.json.encode(value, order="sorted").decode()


def untyped(value: Any) -> GoText:
    """A value of which Go knows no type, as in an object of a custom kind."""
    match value:
        case None:
            return GoText('"null"')
        case dict() | list() | tuple():
            return GoText(_interface(value))
    return GoText(_scalar(value))


def printed(value: Any) -> str:
    """What `%+v` prints of a tree: `map[spec:map[replicas:2]]`."""
    match value:
        case None:
            return "<nil>"
        case dict():
            return f"map[{' '.join(f'{name}:{printed(value[name])}' for name in sorted(value))}]"
        case list() | tuple():
            return f"[{' '.join(map(printed, value))}]"
        case str():
            return value
    return _scalar(value)


def int_or_string(value: int | str) -> GoText:
    """A value of type IntOrString, which Go prints as the struct that it is."""
    kind, number, text = (1, 0, value) if isinstance(value, str) else (0, value, "")
    return GoText(f"intstr.IntOrString{{Type:{kind}, IntVal:{number}, StrVal:{quoted(text)}}}")


def quoted(text: str) -> str:
    """A string as Go's `%q` prints it."""
    return f'"{"".join(_escaped(char) for char in text)}"'


def _escaped(char: str) -> str:
    if (known := _ESCAPES.get(char)) is not None:
        return known
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _scalar(value: str | bool | int | float) -> str:
    match value:
        case str():
            return quoted(value)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
    return _float(value)


def _float(value: float) -> str:
    """Shortest digits that mean it; with an exponent below -4 and above 5, as `%v` has it."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)  # JSON knows of finite numbers only
    power = len(digits) + exponent - 1
    if -4 <= power < 6:
        return format(Decimal((sign, digits, exponent)), "f")
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    mantissa = f"{first}.{rest}" if rest else first
    return f"{'-' * sign}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _typed(value: Any, kind: str) -> str:
    """What `%#v` prints of a value of a Go type."""
    if kind == "string":
        return quoted(value or "")
    if kind == "*v1.Time":
        return "<nil>"
    if kind.startswith(("map[", "[]")):
        if not value:
            return f"{kind}(nil)"
        if isinstance(value, dict):
            inner = [f"{quoted(name)}:{quoted(value[name])}" for name in sorted(value)]
        else:
            inner = [_typed(each, kind.removeprefix("[]")) for each in value]
        return f"{kind}{{{', '.join(inner)}}}"
    fields = _STRUCTS[type(value)][1].items()
    inner = [f"{name}:{_typed(getattr(value, attr), below)}" for name, (attr, below) in fields]
    return f"{kind}{{{', '.join(inner)}}}"


def _interface(value: Any) -> str:
    """What `%#v` prints of a tree."""
    match value:
        case None:
            return "interface {}(nil)"
        case dict():
            inner = [f"{quoted(name)}:{_interface(value[name])}" for name in sorted(value)]
            return f"map[string]interface {{}}{{{', '.join(inner)}}}"
        case list() | tuple():
            return f"[]interface {{}}{{{', '.join(_interface(each) for each in value)}}}"
    return _scalar(value)
