"""Columns that a CustomResourceDefinition names.

Source: k8s.io/apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from emucluster.core.objects import CustomResourceColumnDefinition
from emucluster.core.objects.codec import to_tree

from . import jsonpath
from .ages import age, seconds_of
from .column import AGE_TEXT, NAME, UNKNOWN, Cell, Column, Printer

AGE = Column("Age", "date", "", AGE_TEXT, 0)
_CREATED = ".metadata.creationTimestamp"


def custom_printer(columns: Sequence[CustomResourceColumnDefinition]) -> Printer[Any]:
    """The printer of a version's `additionalPrinterColumns`; of none, name and age.

    A path that cannot be read shows nothing; the CRD's validation refuses it.
    """
    asked = [(each.json_path, each.type) for each in columns] or [(_CREATED, AGE.type)]
    shown = [_column(each) for each in columns] or [AGE]
    paths = [(_path(text), kind) for text, kind in asked]

    def cells(obj: Any, now_s: float) -> list[Cell]:
        tree = to_tree(obj)
        return [obj.metadata.name, *(_cell(path.find(tree), kind, now_s) for path, kind in paths)]

    return Printer((NAME, *shown), cells)


def _column(asked: CustomResourceColumnDefinition) -> Column:
    described = asked.description or (
        f"Custom resource definition column (in JSONPath format): {asked.json_path}"
    )
    return Column(asked.name, asked.type, asked.format or "", described, asked.priority or 0)


def _path(text: str) -> jsonpath.JsonPath:
    try:
        return jsonpath.parse(text)
    except ValueError:
        return jsonpath.JsonPath((lambda _value: iter(()),))


def _cell(found: list[Any], kind: str, now_s: float) -> Cell:
    """The first that was found, if it is of the column's type."""
    if not found:
        return None
    value = found[0]
    if kind == "string":
        return jsonpath.shown(value)
    if kind == "date":
        return _date(value, now_s)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if kind == "integer":
        return int(value)
    return float(value) if kind == "number" else None


def _date(value: Any, now_s: float) -> Cell:
    if not isinstance(value, str):
        return None
    try:
        seconds_of(value)
    except ValueError:
        return "<invalid>"
    return age(value, now_s) if value else UNKNOWN
