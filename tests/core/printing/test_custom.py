"""Columns of custom resources.

Cases follow k8s.io/apiextensions-apiserver tableconvertor_test.go (Test_cellForJSONValue).
"""

from typing import Any

import msgspec
import pytest

from emucluster.core.objects import CustomObject, CustomResourceColumnDefinition, ObjectMeta
from emucluster.core.printing import custom_printer

NOW_S = 1767225600.0 + 60


def widget(**content: Any) -> CustomObject:
    meta = ObjectMeta(name="w", creation_timestamp="2026-01-01T00:00:00Z", labels={"a.b": "c"})
    return CustomObject(kind="Widget", api_version="e.com/v1", metadata=meta, content=content)


def column(path: str, kind: str = "string", **more: Any) -> CustomResourceColumnDefinition:
    tree = {"name": "X", "type": kind, "jsonPath": path, **more}
    return msgspec.convert(tree, CustomResourceColumnDefinition)


def test_a_version_without_columns_shows_name_and_age() -> None:
    printer = custom_printer(())
    assert [(c.name, c.type) for c in printer.columns] == [("Name", "string"), ("Age", "date")]
    assert printer.cells(widget(), NOW_S) == ["w", "60s"]


def test_columns_are_as_the_definition_has_them() -> None:
    asked = [
        column(".spec.a"),
        column(".b", "integer", format="int32", priority=1, description="B."),
    ]
    plain, described = custom_printer(asked).columns[1:]
    assert plain.description == "Custom resource definition column (in JSONPath format): .spec.a"
    assert (described.format, described.priority, described.description) == ("int32", 1, "B.")


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("integer", 42, 42),
        ("integer", 3.14, 3),
        ("integer", True, None),
        ("integer", "42", None),
        ("number", 42, 42.0),
        ("number", 3.14, 3.14),
        ("number", False, None),
        ("boolean", True, True),
        ("boolean", 42, None),
        ("string", "foo", "foo"),
        ("string", 42, "42"),
        ("string", False, "false"),
        ("string", ["a", "b"], '["a","b"]'),
        ("date", "2026-01-01T00:00:00Z", "60s"),
        ("date", "2025-12-25T00:00:00Z", "7d"),
        ("date", "nonsense", "<invalid>"),
        ("date", "", "<unknown>"),
        ("date", 1, None),
        ("date", None, None),
    ],
)
def test_cells_are_of_the_columns_type_or_empty(kind: str, value: Any, cell: Any) -> None:
    printer = custom_printer([column(".spec.x", kind)])
    found = printer.cells(widget(spec={"x": value}), NOW_S)[1]
    assert (found, type(found)) == (cell, type(cell))


@pytest.mark.parametrize(
    ("path", "cell"),
    [
        (".metadata.labels['a.b']", "c"),
        (".metadata.name", "w"),
        ('.status.conditions[?(@.type=="Ready")].status', "True"),
        (".missing", None),
        (".status.conditions[*].type", "Synced"),
        (".[", None),
    ],
)
def test_the_first_value_that_a_path_finds_is_shown(path: str, cell: Any) -> None:
    conditions = [{"type": "Synced", "status": "False"}, {"type": "Ready", "status": "True"}]
    made = widget(status={"conditions": conditions})
    assert custom_printer([column(path)]).cells(made, NOW_S) == ["w", cell]
