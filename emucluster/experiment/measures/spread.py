"""How evenly calls were spread over pods, nodes or zones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from emucluster.experiment.history import CallRecord

Across = Literal["pods", "nodes", "zones"]
_FIELD = {"pods": "pod", "nodes": "node", "zones": "zone"}


class Spread(Struct, frozen=True, kw_only=True):
    """Answered calls by who answered.

    Attributes:
        across: what they were spread over.
        members: how many could have answered, those with none included.
        jain: Jain's index, 1/members (all on one) to 1 (even); None without answered calls.
        counts: by name; those with none only where they are known.
    """

    across: Across
    members: int
    jain: float | None
    counts: dict[str, int]


def jain(counts: Iterable[float]) -> float | None:
    """Jain's fairness index, (sum x)^2 / (n sum x^2); None where all are 0.

    Source: Jain, Chiu, Hawe, DEC-TR-301 (1984).
    """
    values = list(counts)
    squares = sum(value * value for value in values)
    if not squares:
        return None
    return sum(values) ** 2 / (len(values) * squares)


def spread(
    calls: Iterable[CallRecord],
    across: Across = "pods",
    *,
    known: Iterable[str] = (),
    among: int | None = None,
) -> Spread:
    """How calls that were answered spread.

    Args:
        known: all who could have answered.
        among: how many those are, where it is a number; the greater of all counts.
    """
    field = _FIELD[across]
    seen = Counter(name for call in calls if call.ok and (name := getattr(call, field)))
    counts: Mapping[str, int] = {name: 0 for name in known} | dict(seen)
    members = max(len(counts), among or 0)
    padded = [*counts.values(), *([0] * (members - len(counts)))]
    return Spread(
        across=across, members=members, jain=jain(padded), counts=dict(sorted(counts.items()))
    )
