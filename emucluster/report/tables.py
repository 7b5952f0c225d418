"""Records as Parquet tables, a column for each of their fields and one for the trial."""

from __future__ import annotations

import types
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
from msgspec import Struct

from emucluster.experiment.described import descriptions
from emucluster.report.careful import NotReadable

TRIAL = "trial"

Record = TypeVar("Record", bound=Struct)


def schema(kind: type[Struct]) -> pa.Schema:
    """Columns of the records of a kind, `trial` first.

    Texts that come from few are dictionaries, so that a million calls stay small; ids are not. Each
    column has what it means as its metadata `description`.
    """
    hints, told = get_type_hints(kind), descriptions(kind)
    columns = [_field(TRIAL, pa.int32(), False, "Of the run, from 0.")]
    for name in kind.__struct_fields__:
        column, nullable = _column(hints[name], is_id=name in ("id", "call_id"))
        columns.append(_field(name, column, nullable, told.get(name, "")))
    return pa.schema(columns)


def _field(name: str, kind: pa.DataType, nullable: bool, description: str) -> pa.Field:
    return pa.field(name, kind, nullable, {"description": description})


def check_columns(found: pa.Schema, kind: type[Struct], name: str) -> None:
    """Raise NotReadable for a table that does not have all columns of the kind."""
    for column in schema(kind):
        index = found.get_field_index(column.name)
        if index < 0:
            raise NotReadable(f"{name}: no column {column.name}")
        if found.field(index).type != column.type:
            kinds = f"{found.field(index).type}, not {column.type}"
            raise NotReadable(f"{name}: the column {column.name} is {kinds}")


def to_table(records: Sequence[Struct], kind: type[Struct], *, trial: int) -> pa.Table:
    """Records of one trial, in their order."""
    columns = schema(kind)
    arrays = [pa.array([trial] * len(records), columns.field(TRIAL).type)]
    for field in list(columns)[1:]:
        arrays.append(pa.array(map(attrgetter(field.name), records), field.type))
    return pa.Table.from_arrays(arrays, schema=columns)


def from_table(table: pa.Table, kind: type[Record]) -> list[Record]:
    """What `to_table` made, of a table whose columns were checked."""
    names = kind.__struct_fields__
    columns = [_values(table.column(name).combine_chunks()) for name in names]
    return [kind(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


_CODES: dict[pa.DataType, Literal["d", "q", "i"]] = {
    pa.float64(): "d",
    pa.int64(): "q",
    pa.int32(): "i",
}


def _values(column: Any) -> list[Any]:
    """The Python values of a column. A million of them by `to_pylist` would take seconds."""
    if isinstance(column, pa.DictionaryArray):
        words = column.dictionary.to_pylist()
        return [words[index] for index in _values(column.indices)]
    code = _CODES.get(column.type)
    if code is not None and column.null_count == 0 and len(column):
        numbers = memoryview(column.buffers()[1]).cast("B").cast(code)
        values: list[Any] = numbers[column.offset : column.offset + len(column)].tolist()
        return values
    if pa.types.is_list(column.type):
        return [tuple(value) for value in column.to_pylist()]
    found: list[Any] = column.to_pylist()
    return found


def _column(hint: Any, *, is_id: bool) -> tuple[pa.DataType, bool]:
    """The column's type, and whether values may be missing."""
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [arg for arg in get_args(hint) if arg is not type(None)]
        return _column(inner, is_id=is_id)[0], True
    if get_origin(hint) is tuple:
        return pa.list_(pa.string()), False
    if hint is float:
        return pa.float64(), False
    if hint is int:
        return pa.int64(), False
    if hint is bool:
        return pa.bool_(), False
    assert hint is str or get_origin(hint) is Literal, f"no column for {hint}"
    return pa.string() if is_id else pa.dictionary(pa.int32(), pa.string()), False
