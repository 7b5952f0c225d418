"""Label selectors: whether one matches, and which of many do."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from emucluster.core.objects import LabelSelector, LabelSelectorRequirement

Labels = Mapping[str, str]
NO_LABELS: Labels = {}
K = TypeVar("K", bound=Hashable)


def has_labels(labels: Labels | None, wanted: Labels) -> bool:
    """Whether every pair of `wanted` is among `labels`. An empty `wanted` matches anything."""
    have = labels or NO_LABELS
    return all(have.get(name) == value for name, value in wanted.items())


def matches(selector: LabelSelector | None, labels: Labels | None) -> bool:
    """A LabelSelector against labels. None matches nothing, an empty selector everything."""
    if selector is None:
        return False
    if selector.match_labels and not has_labels(labels, selector.match_labels):
        return False
    have = labels or NO_LABELS
    return all(_requirement(each, have) for each in selector.match_expressions)


def _requirement(requirement: LabelSelectorRequirement, labels: Labels) -> bool:
    return satisfies(requirement.operator, labels.get(requirement.key), requirement.values)


def satisfies(operator: str, value: str | None, values: tuple[str, ...]) -> bool:
    """One requirement of a label or node selector; `value` is None where the label is absent.

    NotIn is satisfied by an absent label (k8s.io/apimachinery/pkg/labels/selector.go).
    """
    match operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(operator, value, values)
    return False


def _compares(operator: str, value: str | None, values: tuple[str, ...]) -> bool:
    try:
        have, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return have > bound if operator == "Gt" else have < bound


class SelectorIndex(Generic[K]):
    """Finds the owners whose selector may match some labels, without asking all of them.

    Each selector is filed under one of its label pairs; those without any are always candidates.
    The caller still checks the whole selector.
    """

    def __init__(self) -> None:
        self._filed: dict[tuple[str, str, str], dict[K, None]] = {}
        self._where: dict[K, tuple[str, str, str]] = {}

    def put(self, key: K, namespace: str, wanted: Labels | None) -> None:
        """Files or refiles an owner under one pair of its `matchLabels`."""
        self.discard(key)
        name, value = min(wanted.items()) if wanted else ("", "")
        place = (namespace, name, value)
        self._where[key] = place
        self._filed.setdefault(place, {})[key] = None

    def discard(self, key: K) -> None:
        if (place := self._where.pop(key, None)) is None:
            return
        filed = self._filed[place]
        del filed[key]
        if not filed:
            del self._filed[place]

    def candidates(self, namespace: str, labels: Labels | None) -> Iterator[K]:
        """Owners in this namespace which may select an object with these labels."""
        yield from tuple(self._filed.get((namespace, "", ""), ()))
        for name, value in (labels or NO_LABELS).items():
            yield from tuple(self._filed.get((namespace, name, value), ()))
