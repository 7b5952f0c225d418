"""Patterns: those of Go, and no more of them than other requests can wait for."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.core.admission.custom.patterns import (
    BAD_MAX,
    INSTRUCTIONS_MAX,
    PATTERNS_MAX,
    PatternBudget,
    compiled,
)
from emucluster.core.admission.custom.schema import parsed
from emucluster.core.errors import Invalid

from .world import World, definition, version


def test_patterns_are_those_of_go() -> None:
    assert compiled(r"\pL+\z") is not None
    for pattern in ("(?=a)", r"(a)\1", "((a{100}){100}){100}", chr(0xD800)):
        assert compiled(pattern) is None


def schema(*patterns: str) -> dict[str, Any]:
    properties = {f"p{i}": {"type": "string", "pattern": p} for i, p in enumerate(patterns)}
    spec = {"type": "object", "properties": properties}
    return {"type": "object", "properties": {"spec": spec}}


def of_version(name: str, *patterns: str, storage: bool = False) -> dict[str, Any]:
    return version(name, storage=storage, schema={"openAPIV3Schema": schema(*patterns)})


def problems(*versions: dict[str, Any]) -> list[str]:
    try:
        World().define(definition(*versions))
    except Invalid as error:
        return [str(cause) for cause in error.causes]
    return []


def numbered(first: int, count: int) -> list[str]:
    return [f"^{number}$" for number in range(first, first + count)]


def test_as_many_as_the_bound_are_taken_and_one_that_comes_often_counts_once() -> None:
    assert problems(of_version("v1", *numbered(0, PATTERNS_MAX), "^0$", "^1$", storage=True)) == []


def test_more_in_all_versions_together_are_refused() -> None:
    first = of_version("v1", *numbered(0, PATTERNS_MAX), storage=True)
    assert problems(first, of_version("v2", "^another$")) == [
        "spec.versions[1].schema.openAPIV3Schema: Forbidden: patterns of all versions together "
        f"exceed the limit of {PATTERNS_MAX} different ones"
    ]


def test_few_that_are_large_are_refused_too() -> None:
    large = [f"a{{1000}}{number}" for number in range(INSTRUCTIONS_MAX // 1000 + 1)]
    assert len(large) < PATTERNS_MAX
    assert problems(of_version("v1", *large, storage=True)) == [
        "spec.validation.openAPIV3Schema: Forbidden: patterns of all versions together exceed the "
        f"limit of {INSTRUCTIONS_MAX} instructions when compiled"
    ]


def test_of_many_that_are_none_the_first_are_told_and_no_more_are_compiled() -> None:
    bad = [f"({number}" for number in range(3 * BAD_MAX)]
    before = compiled.cache_info().misses
    found = problems(of_version("v1", *bad, storage=True))
    assert len(found) == BAD_MAX
    assert found[0].startswith(
        'spec.validation.openAPIV3Schema.properties[spec].properties[p0].pattern: Invalid value: "('
    )
    assert compiled.cache_info().misses - before == BAD_MAX


@pytest.mark.parametrize(
    ("place", "tree"),
    [
        ("items", {"items": {"pattern": "("}}),
        ("additionalProperties", {"additionalProperties": {"pattern": "("}}),
        ("not", {"not": {"pattern": "("}}),
        ("allOf[1]", {"allOf": [{}, {"pattern": "("}]}),
        ("anyOf[0]", {"anyOf": [{"pattern": "("}]}),
        ("oneOf[0].properties[a]", {"oneOf": [{"properties": {"a": {"pattern": "("}}}]}),
    ],
)
def test_a_pattern_is_found_wherever_it_stands(place: str, tree: dict[str, Any]) -> None:
    (cause,) = PatternBudget().causes(parsed(tree, "s"), "s")
    assert cause.field == f"s.{place}.pattern"
