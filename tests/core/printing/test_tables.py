"""Whole tables, as the API answers them.

Source: k8s.io/apiserver pkg/endpoints/handlers/response.go, k8s.io/apimachinery meta/v1 types.go.
"""

from typing import Any

import msgspec
import pytest

from emucluster.core.errors import BadRequest
from emucluster.core.objects import Object
from emucluster.core.objects.codec import decode_tree
from emucluster.core.objects.registry import resource
from emucluster.core.printing import columns, include_object, printer, table

NOW_S = 1767225600.0 + 60
META = {"name": "web", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}


def made(kind: str, **fields: Any) -> Object:
    row = resource(kind)
    return decode_tree(
        {"apiVersion": row.api_version, "kind": row.kind, "metadata": META, **fields}
    )


def tree(*objects: Object, kind: str = "Pod", **options: Any) -> dict[str, Any]:
    built = table(printer(resource(kind)), objects, now_s=NOW_S, **options)
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(built))
    return decoded


def test_a_table_has_definitions_and_a_row_with_metadata_for_each_object() -> None:
    config = made("ConfigMap", data={"a": "1"})
    found = tree(config, kind="ConfigMap", resource_version="7", continue_="x", api_version="v")
    assert found | {"columnDefinitions": []} == {
        "kind": "Table",
        "apiVersion": "v",
        "metadata": {"resourceVersion": "7", "continue": "x"},
        "columnDefinitions": [],
        "rows": [
            {
                "cells": ["web", 1, "60s"],
                "object": {"kind": "PartialObjectMetadata", "apiVersion": "v", "metadata": META},
            }
        ],
    }
    assert found["columnDefinitions"][0] == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name must be unique within a namespace.",
        "priority": 0,
    }


def test_rows_carry_what_was_asked_for() -> None:
    config = made("ConfigMap", data={"a": "1"})
    whole = tree(config, kind="ConfigMap", include="Object")["rows"][0]["object"]
    assert (whole["kind"], whole["apiVersion"], whole["data"]) == ("ConfigMap", "v1", {"a": "1"})
    assert tree(config, kind="ConfigMap", include="None")["rows"][0]["object"] is None


def test_later_events_of_a_watch_have_no_definitions() -> None:
    assert tree(with_columns=False)["columnDefinitions"] is None


def test_rows_of_pods_that_run_no_more_have_a_condition() -> None:
    pods = [
        made("Pod", spec={"containers": [{"name": "c"}]}, status={"phase": phase})
        for phase in ("Running", "Succeeded")
    ]
    running, succeeded = tree(*pods)["rows"]
    assert "conditions" not in running
    assert succeeded["conditions"] == [
        {
            "type": "Completed",
            "status": "True",
            "reason": "Succeeded",
            "message": "The pod has completed successfully.",
        }
    ]


@pytest.mark.parametrize(
    ("asked", "means"),
    [("", "Metadata"), ("Metadata", "Metadata"), ("Object", "Object"), ("None", "None")],
)
def test_what_rows_are_to_carry_is_asked_by_name(asked: str, means: str) -> None:
    assert include_object(asked) == means


def test_other_names_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"must be 'Metadata', 'Object', 'None', or empty"):
        include_object("metadata")


@pytest.mark.parametrize("kind", ["Pod", "Service", "Node", "Event", "Deployment", "Lease"])
def test_an_object_with_nothing_in_it_has_a_cell_for_each_column(kind: str) -> None:
    row = resource(kind)
    assert len(printer(row).cells(row.cls(api_version=row.api_version), NOW_S)) == len(columns(row))
