"""Columns of a table, and who fills them.

Descriptions are the first sentences of the API's own documentation of the fields behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from emucluster.core.objects import Object

Cell = str | int | float | bool | None

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"

_Kind = TypeVar("_Kind", bound=Object)


class Column(msgspec.Struct, frozen=True):
    """A TableColumnDefinition of meta.k8s.io/v1.

    `format` is `name` for the column that clients take for the object's name. `priority` 0 is
    always shown, anything above it with `-o wide` only.
    """

    name: str
    type: str
    format: str
    description: str
    priority: int


class RowCondition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A TableRowCondition. `Completed` rows are those of objects that run no more."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Printer(Generic[_Kind]):
    """What a kind's rows show. `cells` gives one for each column, at a moment in wall time."""

    columns: tuple[Column, ...]
    cells: Callable[[_Kind, float], list[Cell]]
    conditions: Callable[[_Kind], Sequence[RowCondition]] | None = None


def column(
    name: str,
    description: str,
    *,
    type: str = "string",
    format: str = "",
    wide: bool = False,
) -> Column:
    """A column; `wide` for one that `-o wide` alone shows."""
    return Column(name, type, format, description, int(wide))


NAME_TEXT = "Name must be unique within a namespace."
AGE_TEXT = (
    "CreationTimestamp is a timestamp representing the server time when this object was created."
)
NAME = column("Name", NAME_TEXT, format="name")
AGE = column("Age", AGE_TEXT)
CREATED_AT = column("Created At", AGE_TEXT, type="date")


def default_cells(obj: Any, _now_s: float) -> list[Cell]:
    """Name and creation time, as for a kind without a printer.

    Source: k8s.io/apiserver pkg/registry/rest/table.go, defaultTableConvertor.
    """
    return [obj.metadata.name, obj.metadata.creation_timestamp]


DEFAULT: Printer[Any] = Printer((NAME, CREATED_AT), default_cells)
