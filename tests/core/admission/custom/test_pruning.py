"""What schemas take from objects and add to them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.admission.custom.pruning import defaulted, pruned
from emucluster.core.admission.custom.schema import Schema, parsed

KEEP = "x-kubernetes-preserve-unknown-fields"
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 1},
                "free": {
                    "type": "object",
                    KEEP: True,
                    "properties": {"strict": {"type": "object"}},
                },
                "list": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"n": {"type": "integer", "default": 7}},
                    },
                },
                "map": {"type": "object", "additionalProperties": {"type": "object"}},
                "anything": {"type": "object", "additionalProperties": True},
                "inner": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {"spec": {"type": "object"}},
                },
                "deep": {
                    "type": "object",
                    "default": {},
                    "properties": {"on": {"type": "boolean", "default": True}},
                },
                "null": {"type": "string", "nullable": True},
                "none": {"type": "string"},
            },
        }
    },
}
SCHEMA = parsed(TREE, "")


@pytest.mark.parametrize(
    ("given_", "left", "unknown"),
    [
        ({"size": 2, "x": 1}, {"size": 2}, ["spec.x"]),
        (
            {"free": {"a": {"b": 1}, "strict": {"c": 1}}},
            {"free": {"a": {"b": 1}, "strict": {}}},
            ["spec.free.strict.c"],
        ),
        (
            {"list": [{"n": 1, "m": 2}, {"n": 3}]},
            {"list": [{"n": 1}, {"n": 3}]},
            ["spec.list[0].m"],
        ),
        ({"map": {"a": {"b": 1}}}, {"map": {"a": {}}}, ["spec.map.a.b"]),
        (
            {"anything": {"a": 1, "b": {"c": 1}}},
            {"anything": {"a": 1, "b": {}}},
            ["spec.anything.b.c"],
        ),
        (
            {"inner": {"apiVersion": "v1", "kind": "X", "metadata": {"a": 1}, "spec": {}, "y": 1}},
            {"inner": {"apiVersion": "v1", "kind": "X", "metadata": {"a": 1}, "spec": {}}},
            ["spec.inner.y"],
        ),
    ],
)
def test_unknown_fields_go_and_are_named(
    given_: dict[str, Any], left: dict[str, Any], unknown: list[str]
) -> None:
    before = copy.deepcopy(given_)
    paths: list[str] = []
    assert pruned({"spec": given_}, SCHEMA, paths) == {"spec": left}
    assert paths == unknown
    assert given_ == before


def test_a_schema_that_keeps_everything_at_the_root_keeps_everything() -> None:
    content = {"a": {"b": [1]}}
    assert pruned(content, parsed({"type": "object", KEEP: True}, "")) is content


@pytest.mark.parametrize(
    ("given_", "filled"),
    [
        ({}, {"size": 1, "deep": {"on": True}}),
        ({"size": 5, "deep": {"on": False}}, {"size": 5, "deep": {"on": False}}),
        ({"size": None, "deep": {}}, {"size": 1, "deep": {"on": True}}),
        (
            {"list": [{}, {"n": 1}], "size": 1, "deep": {"on": True}},
            {"size": 1, "list": [{"n": 7}, {"n": 1}], "deep": {"on": True}},
        ),
        ({"null": None}, {"null": None, "size": 1, "deep": {"on": True}}),
        ({"none": None}, {"size": 1, "deep": {"on": True}}),
    ],
)
def test_defaults_fill_what_is_absent_and_nulls_count_as_absent(
    given_: dict[str, Any], filled: dict[str, Any]
) -> None:
    before = copy.deepcopy(given_)
    assert defaulted({"spec": given_}, SCHEMA) == {"spec": filled}
    assert given_ == before


def test_an_object_without_the_parent_gets_no_default_below_it() -> None:
    assert defaulted({}, SCHEMA) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*TREE["properties"]["spec"]["properties"], "n", "on", "spec", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SCHEMAS = st.recursive(
    st.sampled_from(
        [{"type": "string"}, {"type": "integer", "default": 3}, {"type": "object", KEEP: True}]
    ),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
            lambda properties: {"type": "object", "properties": properties}
        )
        | inner.map(lambda item: {"type": "array", "items": item})
        | inner.map(lambda more: {"type": "object", "additionalProperties": more})
    ),
    max_leaves=8,
).map(lambda tree: parsed({"type": "object", "properties": {"a": tree, "spec": tree}}, ""))


@given(st.dictionaries(st.sampled_from(["spec", "a", "x"]), JSON), st.just(SCHEMA) | SCHEMAS)
def test_pruning_and_defaulting_are_done_after_once(
    content: dict[str, Any], schema: Schema
) -> None:
    before = copy.deepcopy(content)
    once = defaulted(pruned(content, schema), schema)
    paths: list[str] = []
    assert pruned(once, schema, paths) is once
    assert paths == []
    assert defaulted(once, schema) is once
    assert content == before
