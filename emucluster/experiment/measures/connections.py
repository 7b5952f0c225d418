"""Calls on connections older than the fault, and on newer ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from emucluster.experiment.history import CallRecord

Age = Literal["old", "new"]


def age(call: CallRecord, fault_s: float) -> Age:
    """`old`: on a connection opened before `fault_s`.

    A call for which no connection came about is new, for what it wanted was a new connection.
    """
    opened_s = call.connection_opened_s
    return "old" if opened_s is not None and opened_s < fault_s else "new"


def split(calls: Iterable[CallRecord], fault_s: float) -> dict[Age, list[CallRecord]]:
    """Calls that were due at or after `fault_s`, by the age of their connection."""
    found: dict[Age, list[CallRecord]] = {"old": [], "new": []}
    for call in calls:
        if call.intended_s >= fault_s:
            found[age(call, fault_s)].append(call)
    return found
