"""Patterns of schemas: compiled by the library that Go's regexp was made after, within bounds.

Kubernetes bounds what the rules of a schema may cost (`estimated rule cost total exceeding cost
limit`), but not its patterns, which Go compiles beside its other requests. Here all requests would
wait for them, so that a definition has a bounded number and size of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

from emucluster.core.admission.validation.fields import forbidden, invalid
from emucluster.core.errors import Cause

from .schema import Schema

PATTERN_MEMORY_MAX = 1 << 20
"""Bytes that a compiled pattern may take."""
PATTERNS_MAX = 500
"""Different ones in all versions of a definition; each takes about 0.1 ms."""
INSTRUCTIONS_MAX = 200_000
"""Of all their programs together; each takes 0.2 to 0.5 us. `a{1000}` has a thousand."""
BAD_MAX = 20
"""After so many that are none the others are not looked at; each may take 10 ms."""


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY_MAX
    return options


_OPTIONS = _options()


@lru_cache(maxsize=10_000)
def compiled(pattern: str) -> Any:
    """A pattern of Go's regexp; None for what is none, or takes too much memory.

    Matching takes time by the value's length alone: Python's own `re` may look for minutes for
    what `^(a+)+$` means, and all requests would wait for that.
    """
    try:
        return re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeEncodeError):
        return None


@dataclass(slots=True)
class PatternBudget:
    """What the patterns of one definition have taken so far; `spent`: no more are looked at."""

    spent: bool = False
    _seen: set[str] = field(default_factory=set)
    _instructions: int = 0
    _bad: int = 0

    def causes(self, schema: Schema, path: str) -> Iterator[Cause]:
        """What is wrong with the patterns of a schema; `path`: of its openAPIV3Schema."""
        for place, pattern in _patterns(schema, path):
            if pattern not in self._seen:
                if len(self._seen) == PATTERNS_MAX:
                    yield self._over(path, f"{PATTERNS_MAX} different ones")
                    return
                self._seen.add(pattern)
                found = compiled(pattern)
                self._instructions += 0 if found is None else found.programsize
                if self._instructions > INSTRUCTIONS_MAX:
                    yield self._over(path, f"{INSTRUCTIONS_MAX} instructions when compiled")
                    return
            if compiled(pattern) is None:
                text = "must be a valid regular expression, but isn't"
                yield invalid(f"{place}.pattern", pattern, text)
                self._bad += 1
                if self._bad == BAD_MAX:
                    self.spent = True
                    return

    def _over(self, path: str, limit: str) -> Cause:
        self.spent = True
        return forbidden(path, f"patterns of all versions together exceed the limit of {limit}")


def _patterns(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    """Every pattern, and the path of the schema that has it."""
    if schema.pattern:
        yield path, schema.pattern
    below = {f"properties[{name}]": each for name, each in schema.properties.items()}
    for name, one in (
        ("items", schema.item),
        ("additionalProperties", schema.additional),
        ("not", schema.not_),
    ):
        if one is not None:
            below[name] = one
    for name, several in (
        ("allOf", schema.all_of),
        ("anyOf", schema.any_of),
        ("oneOf", schema.one_of),
    ):
        below |= {f"{name}[{index}]": each for index, each in enumerate(several)}
    for name, each in below.items():
        yield from _patterns(each, f"{path}.{name}")
