"""JSONPath as columns of custom resources use it.

Source: k8s.io/client-go util/jsonpath. Of its language this is all that can stand in one path:
fields (`.a`, `['a.b']`, `.a\\.b`), `*`, indices and slices (`[0]`, `[-1]`, `[1:3:2]`), unions
(`[0,2]`), descent (`..a`) and filters (`[?(@.type=="Ready")]`). Missing keys find nothing.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

_FIELD = re.compile(r"(?:\\.|[^.\[\]\\\s])+")
_QUOTED = re.compile(r"""\s*'((?:\\.|[^'\\])*)'\s*|\s*"((?:\\.|[^"\\])*)"\s*""")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+))?\s*")
_FILTER = re.compile(r"\?\((.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)\)|\?\((.*)\)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Step = Callable[[Any], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path that was read; `find` gives what it leads to in a tree, in order."""

    steps: tuple[Step, ...]

    def find(self, tree: Any) -> list[Any]:
        found = [tree]
        for step in self.steps:
            found = [value for each in found for value in step(each)]
        return found


@cache
def parse(text: str) -> JsonPath:
    """A path such as `.spec.replicas`. Raises ValueError, saying where it cannot be read."""
    steps, at = [], 0
    while at < len(text):
        step, at = _step(text, at)
        if step is not None:
            steps.append(step)
    return JsonPath(tuple(steps))


def shown(value: Any) -> str:
    """A found value as text: strings as they are, lists and objects as JSON.

    Upstream: evalToText.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool | list | dict):
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _step(text: str, at: int) -> tuple[Step | None, int]:
    if text.startswith("..", at):
        name, end = _name(text, at + 2)
        return (lambda value: _descend(value, name)), end
    if text[at] == ".":
        if at + 1 == len(text) or text[at + 1] == "[":
            return None, at + 1
        name, end = _name(text, at + 1)
        return (_all if name == "*" else _field(name)), end
    if text[at] == "[":
        end = _closing(text, at)
        return _bracket(text[at + 1 : end]), end + 1
    raise ValueError(f"unrecognized character in path: {text[at:]!r}")


def _name(text: str, at: int) -> tuple[str, int]:
    matched = _FIELD.match(text, at)
    if matched is None:
        raise ValueError(f"a field is missing after {text[:at]!r}")
    return _ESCAPE.sub(r"\1", matched[0]), matched.end()


def _closing(text: str, at: int) -> int:
    """Where the bracket that opens at `at` ends; quotes and inner brackets are skipped."""
    depth, quote = 0, ""
    position = at
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if not depth:
                return position
        position += 1
    raise ValueError(f"unterminated array: {text[at:]!r}")


def _bracket(inner: str) -> Step:
    if inner.strip() == "*":
        return _all
    if inner.startswith("?"):
        return _filter(inner)
    if (quoted := _QUOTED.fullmatch(inner)) is not None:
        return _field(_ESCAPE.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2]))
    if (index := _INDEX.fullmatch(inner)) is not None:
        return _items(slice(int(index[1]), int(index[1]) + 1 or None))
    if (part := _SLICE.fullmatch(inner)) is not None:
        begin, end, step = (None if group is None else int(group) for group in part.groups())
        if step is not None and step <= 0:
            raise ValueError(f"step must be > 0: [{inner}]")
        return _items(slice(begin, end, step))
    if "," in inner:
        parts = [_bracket(part) for part in inner.split(",")]
        return lambda value: (found for part in parts for found in part(value))
    raise ValueError(f"invalid array index: [{inner}]")


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _items(which: slice) -> Step:
    return lambda value: iter(value[which] if isinstance(value, list) else ())


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any, name: str) -> Iterator[Any]:
    """Every value under `name`, at any depth."""
    yield from _field(name)(value) if name != "*" else _all(value)
    for below in _all(value):
        yield from _descend(below, name)


def _filter(inner: str) -> Step:
    matched = _FILTER.fullmatch(inner.strip())
    if matched is None:
        raise ValueError(f"unterminated filter: [{inner}]")
    left_text, sign, right_text, alone = matched.groups()
    if alone is not None:
        exists = _operand(alone)
        return lambda value: (item for item in _listed(value) if exists(item))
    left, right, compare = _operand(left_text), _operand(right_text), _COMPARE[sign]

    def step(value: Any) -> Iterator[Any]:
        for item in _listed(value):
            one, other = left(item), right(item)
            if one and other and _compared(compare, one[0], other[0]):
                yield item

    return step


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _compared(compare: Callable[[Any, Any], Any], one: Any, other: Any) -> bool:
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    try:
        return bool(compare(one, other))
    except TypeError:  # not of one type: upstream finds nothing either
        return False


def _operand(text: str) -> Callable[[Any], list[Any]]:
    """`@.path` of an item, or a literal: text in quotes, a number, true or false."""
    text = text.strip()
    if text.startswith("@"):
        return parse(text[1:]).find
    if (quoted := _QUOTED.fullmatch(text)) is not None:
        literal: Any = _ESCAPE.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2])
    else:
        try:
            literal = json.loads(text)
        except ValueError:
            raise ValueError(f"unrecognized literal in a filter: {text!r}") from None
    return lambda _item: [literal]
