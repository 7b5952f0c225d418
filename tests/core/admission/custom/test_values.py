"""Values against schemas: the API server's verdicts and words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.admission.custom.schema import parsed
from emucluster.core.admission.custom.values import causes
from emucluster.core.errors import BadRequest

SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0, "multipleOf": 0.5},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "name": {"type": "string", "maxLength": 3, "minLength": 2, "pattern": "^[a-z]+$"},
        "when": {"type": "string", "format": "date-time"},
        "port": {"x-kubernetes-int-or-string": True},
        "tags": {"type": "array", "maxItems": 2, "minItems": 1, "items": {"type": "string"}},
        "labels": {
            "type": "object",
            "maxProperties": 1,
            "additionalProperties": {"type": "string"},
        },
        "note": {"type": "string", "nullable": True},
        "pick": {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        "any": {"type": "integer", "anyOf": [{"maximum": 3}, {"minimum": 7}]},
        "all": {"type": "integer", "allOf": [{"maximum": 3}, {"maximum": 9}]},
        "not": {"type": "string", "not": {"enum": ["bad"]}},
    },
}
SCHEMA = parsed({"type": "object", "properties": {"spec": SPEC}}, "")


def problems(**spec: Any) -> list[str]:
    return [str(cause) for cause in causes({"spec": {"size": 1, **spec}}, SCHEMA)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"size": "x"},
            'spec.size: Invalid value: "string": spec.size in body must be of type integer: '
            '"string"',
        ),
        (
            {"size": None},
            'spec.size: Invalid value: "null": spec.size in body must be of type integer: "null"',
        ),
        (
            {"size": 1.5},
            'spec.size: Invalid value: "number": spec.size in body must be of type integer: '
            '"number"',
        ),
        (
            {"size": True},
            'spec.size: Invalid value: "boolean": spec.size in body must be of type integer: '
            '"boolean"',
        ),
        (
            {"size": 0},
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            {"size": 11},
            "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10",
        ),
        (
            {"ratio": 0},
            "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0",
        ),
        (
            {"ratio": 0.7},
            "spec.ratio: Invalid value: 0.7: spec.ratio in body should be a multiple of 0.5",
        ),
        (
            {"mode": "odd"},
            'spec.mode: Unsupported value: "odd": supported values: "fast", "slow"',
        ),
        ({"name": "abcd"}, "spec.name: Too long: may not be more than 3 bytes"),
        (
            {"name": "a"},
            'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long',
        ),
        (
            {"name": "A1"},
            "spec.name: Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'",
        ),
        (
            {"when": "today"},
            'spec.when: Invalid value: "today": spec.when in body must be of type date-time: '
            '"today"',
        ),
        (
            {"port": True},
            'spec.port: Invalid value: "boolean": spec.port in body must be of type '
            'integer,string: "boolean"',
        ),
        (
            {"tags": ["a", 2]},
            'spec.tags[1]: Invalid value: "integer": spec.tags[1] in body must be of type string: '
            '"integer"',
        ),
        ({"tags": ["a", "b", "c"]}, "spec.tags: Too many: 3: must have at most 2 items"),
        (
            {"tags": []},
            'spec.tags: Invalid value: "array": spec.tags in body should have at least 1 items',
        ),
        (
            {"labels": {"a": 1}},
            'spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type '
            'string: "integer"',
        ),
        (
            {"labels": {"a": "1", "b": "2"}},
            "spec.labels: Too many: 2: must have at most 1 item",
        ),
        (
            {"not": "bad"},
            '<nil>: Invalid value: "": "spec.not" must not validate the schema (not)',
        ),
    ],
)
def test_each_thing_that_is_wrong_is_said_in_the_api_servers_words(
    spec: dict[str, Any], expected: str
) -> None:
    assert problems(**spec) == [expected]


def test_what_is_required_is_named_where_it_would_be() -> None:
    assert [str(cause) for cause in causes({"spec": {}}, SCHEMA)] == ["spec.size: Required value"]


@pytest.mark.parametrize(
    "spec",
    [
        {"size": 2.0},
        {"ratio": 3},
        {"port": "http"},
        {"port": 80},
        {"note": None},
        {"pick": {"a": 1}},
        {"any": 2},
        {"any": 8},
        {"all": 3},
        {"not": "good"},
        {"when": "2026-01-01T00:00:00.5+01:00"},
        {"unknown": object},
    ],
)
def test_what_is_allowed_is_not_complained_of(spec: dict[str, Any]) -> None:
    assert problems(**spec) == []


def test_alternatives_tell_how_many_fit_and_why_not() -> None:
    assert problems(pick={}) == [
        '<nil>: Invalid value: "": "spec.pick" must validate one and only one schema (oneOf). '
        "Found none valid",
        "spec.pick.a: Required value",
    ]
    assert problems(pick={"a": 1, "b": 1}) == [
        '<nil>: Invalid value: "": "spec.pick" must validate one and only one schema (oneOf). '
        "Found 2 valid alternatives"
    ]
    assert problems(any=5)[0] == (
        '<nil>: Invalid value: "": "spec.any" must validate at least one schema (anyOf)'
    )
    assert problems(all=12)[-1] == (
        '<nil>: Invalid value: "": "spec.all" must validate all the schemas (allOf). None validated'
    )


@pytest.mark.parametrize(
    ("format_", "good", "bad"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("ipv4", "10.0.0.1", "10.0.0"),
        ("ipv6", "::1", "1::2::3"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "5d1c2a9e-0000-4000-8000-000000000001", "5d1c"),
        ("uri", "https://example.com/x", ""),
        ("email", "a@example.com", "a at b"),
        ("hostname", "a.example.com", "-a"),
        ("byte", "YWJj", "?"),
        ("duration", "1h30m", "soon"),
        ("what-is-this", "anything", None),
    ],
)
def test_formats_are_looked_at_and_unknown_ones_are_not(
    format_: str, good: str, bad: str | None
) -> None:
    schema = parsed({"type": "string", "format": format_}, "")
    assert causes(good, schema, "x") == []
    if bad is not None:
        assert causes(bad, schema, "x")


def test_patterns_of_go_are_understood() -> None:
    schema = parsed({"type": "string", "pattern": r"^[[:alpha:]_]+\z"}, "")
    assert causes("a_B", schema, "x") == []
    assert causes("a1", schema, "x")


def test_no_pattern_takes_its_time() -> None:
    """Python's own `re` does not come back from this."""
    schema = parsed({"type": "string", "pattern": "^(a+)+$"}, "")
    assert causes("a" * 5000 + "!", schema, "x")


def test_a_keyword_of_a_wrong_type_is_a_bad_request_that_names_it() -> None:
    with pytest.raises(BadRequest, match=r"spec\.versions\[0\]\.schema\.properties"):
        parsed({"properties": {"a": {"type": 5}}}, "spec.versions[0].schema")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*SPEC["properties"], "other"]), JSON))
def test_any_value_is_judged(spec: dict[str, Any]) -> None:
    for cause in causes({"spec": spec}, SCHEMA):
        assert cause.field
        assert cause.message
