"""The life of one planned fault, as the ledger knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from emucluster.experiment.history import FaultRecord
from emucluster.experiment.plan import PlanEntry


class State(StrEnum):
    """How far a fault has come; each state implies those before it, but for lost news."""

    PLANNED = "planned"
    ASKED = "asked"
    ACKNOWLEDGED = "acknowledged"
    OBSERVED = "observed"
    ENDED = "ended"
    CLEAN = "clean"


class _Event(Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    at_s: float


class Triggered(_Event, frozen=True, kw_only=True):
    """The calls that a fault waited for have ended."""

    id: str


class Asked(_Event, frozen=True, kw_only=True):
    """The target was asked to put the fault in force; `attempt` counts from 1."""

    id: str
    attempt: int


class Acknowledged(_Event, frozen=True, kw_only=True):
    """The target said that the fault is in force, answering `attempt`."""

    id: str
    attempt: int
    mechanism: str = ""


class Refused(_Event, frozen=True, kw_only=True):
    """The target said that it will not, answering `attempt`."""

    id: str
    attempt: int
    error: str


class Observed(_Event, frozen=True, kw_only=True):
    """Somebody saw the fault's effect. `by` as a target: `node/node-1`, `client/web`."""

    id: str
    by: str
    what: str = ""


class Listed(_Event, frozen=True, kw_only=True):
    """The target told what it has in force; `asked_s` is when it was asked."""

    target: str
    asked_s: float
    in_force: tuple[str, ...] = ()


class Restarted(_Event, frozen=True, kw_only=True):
    """The target's process, machine or pod is a new one: what the old one held is gone."""

    target: str


class Stopped(_Event, frozen=True, kw_only=True):
    """Nothing more is to be begun, and all is to be rolled back."""


Event = Triggered | Asked | Acknowledged | Refused | Observed | Listed | Restarted | Stopped


@dataclass(slots=True)
class Life:
    """What is known of one fault. Times are wall clock.

    Attributes:
        start_s, ends_s: when it is to be in force; None: not triggered yet.
        open_asks: attempts without answer, and when each was sent.
        gone: its target is known to be without it, while it should still have it.
        is_missed: its time passed without anybody asking for it.
        overstayed_s: when it was seen in force after its end.
    """

    entry: PlanEntry
    start_s: float | None
    ends_s: float | None
    attempts: int = 0
    asked_s: float | None = None
    last_asked_s: float | None = None
    acknowledged_s: float | None = None
    observed_s: float | None = None
    observed_by: str = ""
    observed_what: str = ""
    mechanism: str = ""
    refused: str = ""
    ended_s: float | None = None
    ended_by: Literal["", "expiry", "clear", "target-gone", "refused"] = ""
    clean_s: float | None = None
    overstayed_s: float | None = None
    gone: bool = False
    is_missed: bool = False
    open_asks: dict[int, float] = field(default_factory=dict)

    @property
    def state(self) -> State:
        if self.clean_s is not None:
            return State.CLEAN
        if self.ended_s is not None:
            return State.ENDED
        if self.observed_s is not None:
            return State.OBSERVED
        if self.acknowledged_s is not None:
            return State.ACKNOWLEDGED
        return State.ASKED if self.asked_s is not None else State.PLANNED

    @property
    def may_be_in_force(self) -> bool:
        """Asked for, and not known to be gone for good."""
        return self.asked_s is not None and self.clean_s is None

    def is_settled(self, at_s: float, ask_timeout_s: float) -> bool:
        """Whether what the target had at `at_s` is what all asks came to."""
        if self.last_asked_s is not None and at_s < self.last_asked_s:
            return False
        return all(at_s >= sent_s + ask_timeout_s for sent_s in self.open_asks.values())

    def is_wanted(self, now_s: float) -> bool:
        """Whether it should be in force now."""
        if self.start_s is None or self.ends_s is None or self.refused:
            return False
        if self.gone and self.entry.follow == "instance":
            return False
        return self.start_s <= now_s < self.ends_s

    def record(self) -> FaultRecord:
        """As reports have it."""
        return FaultRecord(
            id=self.entry.id,
            fault=self.entry.fault,
            kind=self.entry.kind,
            target=self.entry.target,
            is_operation=self.entry.is_operation,
            planned_s=self.start_s,
            asked_s=self.asked_s,
            acknowledged_s=self.acknowledged_s,
            observed_s=self.observed_s,
            observed_by=self.observed_by,
            observed_what=self.observed_what,
            mechanism=self.mechanism,
            ended_s=self.ended_s,
            ended_by=self.ended_by,
            clean_s=self.clean_s,
            error=self.refused,
        )
