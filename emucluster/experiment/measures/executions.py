"""What pods remember having executed, against what clients were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from msgspec import Struct

from emucluster.experiment.history import CallRecord, Execution, History


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


def has_lost_memory(history: History, services: Collection[str]) -> bool:
    """Whether a pod that ran went down during the run; pods of Services not named do not count."""
    ran: set[str] = set()
    for truth in sorted(history.truths, key=lambda truth: truth.at_s):
        if not truth.subject.startswith("pod/"):
            continue
        if truth.services and not {"", *truth.services} & set(services):
            continue
        if truth.state != "down":
            ran.add(truth.subject)
        elif truth.subject in ran and truth.at_s >= history.start_s:
            return True
    return False
