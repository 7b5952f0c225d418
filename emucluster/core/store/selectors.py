"""Label selectors, as `kubectl -l` writes them.

Grammar and messages are those of k8s.io/apimachinery pkg/labels/selector.go. Everything here is
pure; a bad selector raises BadRequest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from emucluster.core.errors import BadRequest
from emucluster.core.objects import LabelSelector

Operator = Literal["in", "notin", "exists", "!", "gt", "lt"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `values` is empty for `exists` and `!`."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy it. An absent label satisfies `notin` and `!`."""
        value = labels.get(self.key)
        if self.operator == "notin":
            return value not in self.values
        if self.operator == "!":
            return value is None
        if value is None:
            return False
        if self.operator == "in":
            return value in self.values
        if self.operator == "exists":
            return True
        return self._compares(value)

    def _compares(self, value: str) -> bool:
        try:
            left, right = int(value), int(self.values[0])
        except ValueError:
            return False
        return left > right if self.operator == "gt" else left < right


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements hold. No requirement at all selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        present = labels or {}
        return all(requirement.matches(present) for requirement in self.requirements)

    def pairs(self) -> list[tuple[str, str]]:
        """Label pairs that every match must have: what an index can answer."""
        return [
            (requirement.key, requirement.values[0])
            for requirement in self.requirements
            if requirement.operator == "in" and len(requirement.values) == 1
        ]


EVERYTHING = Selector()


def from_pairs(pairs: Mapping[str, str] | None) -> Selector:
    """The selector of a Service or of `matchLabels`."""
    return Selector(tuple(Requirement(key, "in", (value,)) for key, value in (pairs or {}).items()))


_EXPRESSIONS: dict[str, Operator] = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
}


def from_label_selector(selector: LabelSelector) -> Selector:
    """`matchLabels` and `matchExpressions` together. Raises BadRequest for an unknown operator."""
    requirements = list(from_pairs(selector.match_labels).requirements)
    for expression in selector.match_expressions:
        operator = _EXPRESSIONS.get(expression.operator)
        if operator is None:
            raise BadRequest(f'"{expression.operator}" is not a valid label selector operator')
        requirements.append(Requirement(expression.key, operator, expression.values))
    return Selector(tuple(requirements))


_WORDS = {"In": "in", "NotIn": "notin"}


def selector_text(selector: LabelSelector | None) -> str:
    """`app=web,tier in (a,b)`, by key; "" for one that selects everything, or for none.

    Source: k8s.io/apimachinery pkg/labels and pkg/apis/meta/v1/helpers.go.
    """
    if selector is None:
        return ""
    terms = [(key, f"{key}={value}") for key, value in (selector.match_labels or {}).items()]
    for term in selector.match_expressions:
        if word := _WORDS.get(term.operator):
            text = f"{term.key} {word} ({','.join(sorted(term.values))})"
        else:
            text = term.key if term.operator == "Exists" else f"!{term.key}"
        terms.append((term.key, text))
    return ",".join(text for _, text in sorted(terms, key=lambda term: term[0]))


# --- the text form -------------------------------------------------------------------------------

REQUIREMENTS_MAX = 250
"""In one selector: every object is held against every one, while all others wait."""

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_SYMBOLS = frozenset(["==", "!=", "=", "!", "(", ")", ",", "<", ">"])
_OPERATORS: dict[str, Operator] = {
    "in": "in",
    "notin": "notin",
    "=": "in",
    "==": "in",
    "!=": "notin",
    ">": "gt",
    "<": "lt",
}
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class _Parser:
    """Recursive descent over the tokens; each method is a rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self._at += 1
        return token

    def selector(self) -> Selector:
        requirements: list[Requirement] = []
        while True:
            if (token := self.peek()) == "":
                return Selector(tuple(requirements))
            if token in _SYMBOLS and token != "!":
                raise BadRequest(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except BadRequest as error:
                raise BadRequest(f"unable to parse requirement: {error.message}") from None
            if len(requirements) > REQUIREMENTS_MAX:
                raise BadRequest(f"more than {REQUIREMENTS_MAX} requirements in a selector")
            if (token := self.take()) == "":
                return Selector(tuple(requirements))
            if token != ",":
                raise BadRequest(f"found '{token}', expected: ',' or 'end of string'")
            following = self.peek()
            if following == "" or (following in _SYMBOLS and following != "!"):
                raise BadRequest(f"found '{following}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        negated = self.peek() == "!"
        if negated:
            self.take()
        key = self.take()
        if key == "" or key in _SYMBOLS:
            raise BadRequest(f"found '{key}', expected: identifier")
        _check_key(key)
        if negated:
            return Requirement(key, "!")
        if self.peek() in ("", ","):
            return Requirement(key, "exists")
        word = self.take()
        if (operator := _OPERATORS.get(word)) is None:
            raise BadRequest(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if word in ("in", "notin") else (self._exact(),)
        if operator in ("gt", "lt") and not re.fullmatch(r"[+-]?\d+", values[0]):
            raise BadRequest(
                f"values[0]: Invalid value: \"{values[0]}\": for 'Gt', 'Lt' operators, "
                "the value must be an integer"
            )
        for value in values:
            _check_value(key, value)
        return Requirement(key, operator, values)

    def _exact(self) -> str:
        if self.peek() in ("", ","):
            return ""
        if (token := self.take()) in _SYMBOLS:
            raise BadRequest(f"found '{token}', expected: identifier")
        return str(token)

    def _values(self) -> tuple[str, ...]:
        if (token := self.take()) != "(":
            raise BadRequest(f"found '{token}' expected: '('")
        values: list[str] = []
        current = ""
        while True:
            token = self.take()
            if token in (",", ")"):
                values.append(current)
                current = ""
                if token == ")":
                    return tuple(sorted(set(values)))
            elif token == "" or token in _SYMBOLS or current:
                raise BadRequest(f"found '{token}', expected: ',' or ')'")
            else:
                current = token


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if not _QUALIFIED.fullmatch(name):
        raise BadRequest(
            f'key: Invalid value: "{key}": name part must consist of alphanumeric characters, '
            "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
            "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
    if slash and not _PREFIX.fullmatch(prefix):
        raise BadRequest(
            f'key: Invalid value: "{key}": prefix part a lowercase RFC 1123 subdomain must '
            "consist of lower case alphanumeric characters, '-' or '.', and must start and end "
            "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )


def _check_value(key: str, value: str) -> None:
    if value and not _QUALIFIED.fullmatch(value):
        raise BadRequest(
            f'values[0][{key}]: Invalid value: "{value}": a valid label must be an empty string '
            "or consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
            "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
            "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )


def parse_labels(text: str) -> Selector:
    """`a=b,c!=d,e in (x,y),!f,g` as a selector; "" selects everything. Raises BadRequest."""
    return _Parser(text).selector() if text.strip() else EVERYTHING
