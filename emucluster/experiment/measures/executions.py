"""What pods remember having executed, against what clients were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from emucluster.experiment.history import CallRecord, Execution


class Executions(Struct, frozen=True, kw_only=True):
    """Ids of calls; in the order of when they were due.

    Attributes:
        remembered: calls that at least one pod still remembers. Pods that died took their memory
            with them, so the other numbers are lower bounds.
        twice: executed more than once, on one pod or on several.
        but_failed: executed, and the client was told of a definite failure.
        though_unknown: executed, and the client cannot know it.
    """

    remembered: int
    twice: tuple[str, ...]
    but_failed: tuple[str, ...]
    though_unknown: tuple[str, ...]


def executions(calls: Iterable[CallRecord], executed: Iterable[Execution]) -> Executions:
    """Join both sides by the id that each call carries; ids of other calls are left out."""
    counts: Counter[str] = Counter()
    for execution in executed:
        counts[execution.call_id] += execution.count
    known = [call for call in calls if counts[call.id]]
    return Executions(
        remembered=len(known),
        twice=tuple(call.id for call in known if counts[call.id] > 1),
        but_failed=tuple(call.id for call in known if call.outcome == "failed"),
        though_unknown=tuple(call.id for call in known if call.outcome == "unknown"),
    )
