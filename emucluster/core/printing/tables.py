"""Tables of meta.k8s.io/v1, which the API answers to clients that ask for them.

Source: kubernetes/kubernetes pkg/printers/storage, k8s.io/apiserver endpoints/handlers/response.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from emucluster.core.errors import BadRequest
from emucluster.core.objects import ObjectMeta

from .column import Cell, Column, Printer, RowCondition

API_VERSION = "meta.k8s.io/v1"
IncludeObject = Literal["Metadata", "Object", "None"]
_INCLUDE: dict[str, IncludeObject] = {
    "": "Metadata",
    "Metadata": "Metadata",
    "Object": "Object",
    "None": "None",
}


class PartialObjectMetadata(
    msgspec.Struct, frozen=True, gc=False, tag="PartialObjectMetadata", tag_field="kind"
):
    """The metadata of any object, without the rest of it."""

    metadata: ObjectMeta
    api_version: str = msgspec.field(default=API_VERSION, name="apiVersion")


class TableRow(msgspec.Struct, frozen=True, gc=False):
    """One object. `object` is as `includeObject` asked, None for nothing of it."""

    cells: list[Cell]
    object: Any


class ConditionedRow(msgspec.Struct, frozen=True, gc=False):
    """A row with something to say beside its cells."""

    cells: list[Cell]
    conditions: Sequence[RowCondition]
    object: Any


class ListMeta(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What a list says of itself."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


class Table(msgspec.Struct, frozen=True, gc=False, rename="camel", tag="Table", tag_field="kind"):
    """`column_definitions` is None in every event of a watch but its first."""

    metadata: ListMeta
    column_definitions: Sequence[Column] | None
    rows: list[TableRow | ConditionedRow]
    api_version: str = API_VERSION


def include_object(asked: str) -> IncludeObject:
    """The `includeObject` parameter of a request. Raises BadRequest for what it cannot be."""
    if (found := _INCLUDE.get(asked)) is None:
        allowed = "must be 'Metadata', 'Object', 'None', or empty"
        raise BadRequest(
            "Unable to convert to Table as requested: "
            f'includeObject: Invalid value: "{asked}": {allowed}'
        )
    return found


def table(
    printer: Printer[Any],
    objects: Iterable[Any],
    *,
    now_s: float,
    include: IncludeObject = "Metadata",
    with_columns: bool = True,
    resource_version: str = "",
    continue_: str = "",
    remaining_item_count: int | None = None,
    api_version: str = API_VERSION,
) -> Table:
    """A whole Table of objects of one kind, ready for msgspec to encode.

    Args:
        now_s: wall time, seconds since the epoch, against which ages are told.
        include: what of each object its row carries.
        with_columns: False in a watch's events after the first.
        api_version: `meta.k8s.io/v1`, or v1beta1 for a client that asks for no other.
    """
    cells, conditions = printer.cells, printer.conditions
    rows: list[TableRow | ConditionedRow] = []
    for obj in objects:
        carried = _carried(obj, include, api_version)
        said = conditions(obj) if conditions is not None else ()
        if said:
            rows.append(ConditionedRow(cells(obj, now_s), said, carried))
        else:
            rows.append(TableRow(cells(obj, now_s), carried))
    return Table(
        ListMeta(resource_version, continue_, remaining_item_count),
        printer.columns if with_columns else None,
        rows,
        api_version,
    )


def _carried(obj: Any, include: IncludeObject, api_version: str) -> Any:
    if include == "Metadata":
        return PartialObjectMetadata(obj.metadata, api_version)
    return obj if include == "Object" else None
