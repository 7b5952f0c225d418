"""What the docstrings of structs say of their fields: for schemas and for columns of tables."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

_ENTRY = re.compile(r"(?P<names>\w+(?:, \w+)*): (?P<text>.*)")


def descriptions(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field -> what the `Attributes:` of the class, or of one that it derives from, say of it.

    Names that share an entry share its text; None is called null, as in JSON. Empty where Python
    was told to drop docstrings.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, msgspec.Struct) and base.__doc__:
            found |= _attributes(inspect.cleandoc(base.__doc__))
    fields = kind.__struct_fields__
    return {name: text.replace("None", "null") for name, text in found.items() if name in fields}


def describe(schema: dict[str, Any], root: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of `root`, each property with the words of its field.

    Of a struct's own docstring its schema keeps what stands before `Attributes:`.
    """
    for name, kind in _structs(root).items():
        definition = schema["$defs"][name]
        definition["description"] = _summary(kind)
        told = descriptions(kind)
        tag = kind.__struct_config__.tag_field
        if tag is not None:
            _tell(definition["properties"][tag], "which of the kinds it is")
        for field in msgspec.structs.fields(kind):
            if field.name in told:
                _tell(definition["properties"][field.encode_name], told[field.name])
    return schema


def _tell(property_: dict[str, Any], text: str) -> None:
    """Beside what the type of the property says of its values."""
    values = property_.get("description")
    property_["description"] = f"{text.rstrip('.')}; {values}" if values else text


def _attributes(doc: str) -> dict[str, str]:
    _, _, section = doc.partition("\nAttributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        matched = _ENTRY.fullmatch(line.strip())
        if matched is not None and line.startswith("    ") and not line.startswith("     "):
            names = matched["names"].split(", ")
            found |= dict.fromkeys(names, matched["text"])
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _summary(kind: type[msgspec.Struct]) -> str:
    doc = inspect.cleandoc(kind.__doc__ or "")
    return doc.partition("\nAttributes:\n")[0].strip()


def _structs(root: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """All structs that a struct can hold, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(root)]
    while waiting:
        match waiting.pop():
            case msgspec.inspect.StructType() as kind if kind.cls.__name__ not in found:
                found[kind.cls.__name__] = kind.cls
                waiting += [field.type for field in kind.fields]
            case msgspec.inspect.UnionType(types=types):
                waiting += types
            case (
                msgspec.inspect.ListType(item_type=item)
                | msgspec.inspect.VarTupleType(item_type=item)
            ):
                waiting.append(item)
            case msgspec.inspect.DictType(value_type=item):
                waiting.append(item)
            case msgspec.inspect.Metadata(type=inner):
                waiting.append(inner)
    return found
