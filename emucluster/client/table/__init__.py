"""Objects as kubectl's tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from emucluster.core.objects import Event, Object
from emucluster.core.objects.registry import Resource, resource_of
from emucluster.core.printing import Cell, printer
from emucluster.core.printing.ages import seconds_of

_GAP = "   "


def table(
    objects: Sequence[Object],
    *,
    now_s: float,
    wide: bool = False,
    with_namespace: bool = False,
    with_kind: bool = False,
) -> str:
    """One table of objects of one kind, without a line end after the last row.

    Args:
        now_s: seconds since the epoch, for ages.
        wide: the columns of `-o wide` too.
        with_namespace: a NAMESPACE column first, as `-A` shows.
        with_kind: names as `service/web`, as for several kinds at once.
    """
    row = resource_of(objects[0])
    printed = printer(row)
    shown = [i for i, column in enumerate(printed.columns) if wide or not column.priority]
    named = [i for i in shown if printed.columns[i].format == "name"]
    namespaced = with_namespace and row.namespaced
    headers = [printed.columns[i].name.upper() for i in shown]
    lines = [["NAMESPACE", *headers] if namespaced else headers]
    for obj in _ordered(objects):
        cells = printed.cells(obj, now_s)
        if with_kind and named[:1] == [0]:
            cells[0] = f"{_qualified(row)}/{cells[0]}"
        line = [_text(cells[i]) for i in shown]
        lines.append([obj.metadata.namespace, *line] if namespaced else line)
    return align(lines)


def tables(
    objects: Sequence[Object],
    *,
    now_s: float,
    wide: bool = False,
    with_namespace: bool = False,
    with_kind: bool = False,
) -> str:
    """A table for each run of objects of one kind, parted by empty lines."""
    groups = [list(group) for _, group in groupby(objects, key=lambda obj: obj.kind)]
    printed = [
        table(
            group,
            now_s=now_s,
            wide=wide,
            with_namespace=with_namespace,
            with_kind=with_kind or len(groups) > 1,
        )
        for group in groups
    ]
    return "\n\n".join(printed)


def name_of(obj: Object) -> str:
    """`deployment.apps/web`: how kubectl names an object in messages and with `-o name`."""
    return f"{_qualified(resource_of(obj))}/{obj.metadata.name}"


def align(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, three spaces apart, as kubectl parts them."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _qualified(row: Resource) -> str:
    return f"{row.singular}.{row.group}" if row.group else row.singular


def _ordered(objects: Sequence[Object]) -> list[Object]:
    """Events by when they were last seen, all others as they come."""
    if not isinstance(objects[0], Event):
        return list(objects)
    return sorted(objects, key=_last_seen_s)


def _last_seen_s(obj: Object) -> float:
    assert isinstance(obj, Event)
    return seconds_of(obj.last_timestamp or obj.event_time or obj.first_timestamp) or 0.0


def _text(cell: Cell) -> str:
    """A cell up to its first line end. Source: k8s.io/cli-runtime pkg/printers, TablePrinter."""
    first, *more = ("" if cell is None else str(cell)).splitlines() or [""]
    return f"{first}..." if more else first
