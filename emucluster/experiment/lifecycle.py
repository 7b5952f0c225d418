"""The life of one planned fault, as the ledger knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from emucluster.core.faults.looks import Look, Unseen, look_for, look_over, operation_over
from emucluster.core.faults.witness import End
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
    """The target said that it will not, answering `attempt`; `not_found`: there is no target."""

    id: str
    attempt: int
    error: str
    not_found: bool = False


class Unanswered(_Event, frozen=True, kw_only=True):
    """An ask brought no answer of its target: it may have been taken, and is asked again."""

    id: str
    error: str


class Observed(_Event, frozen=True, kw_only=True):
    """Somebody saw the fault's effect. `by` as a target: `node/node-1`, `client/web`."""

    id: str
    by: str
    what: str = ""


class LookedFor(_Event, frozen=True, kw_only=True):
    """Others looked for the fault and did not see it: what they saw, or why nobody can look."""

    id: str
    what: str


class SeenOver(_Event, frozen=True, kw_only=True):
    """Somebody else looked whether a fault that should be over is; `by` as in `Observed`."""

    id: str
    end: End
    by: str = ""
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


Event = (
    Triggered
    | Asked
    | Acknowledged
    | Refused
    | Unanswered
    | Observed
    | LookedFor
    | SeenOver
    | Listed
    | Restarted
    | Stopped
)


@dataclass(slots=True)
class Life:
    """What is known of one fault. Times are wall clock.

    Attributes:
        start_s, ends_s: when it is to be in force; None: not triggered yet.
        open_asks: attempts without answer, and when each was sent.
        gone: its target is known to be without it, while it should still have it; `gone_since_s`:
            since when it has been seen so.
        is_lost: there is no such target any more, to have it again.
        looked_for: what others saw when they looked for it and did not see it.
        unanswered: why the last ask without an answer had none.
        is_missed: its time passed without anybody asking for it.
        overstayed_s: when it was seen in force after its end.
        gone_s: when somebody else saw that it is over; `lingers`: it was still seen when somebody
            looked last; `gone_by`, `gone_what`: who looked, and what was seen or kept it from being
            seen.
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
    looked_for: str = ""
    mechanism: str = ""
    refused: str = ""
    unanswered: str = ""
    ended_s: float | None = None
    ended_by: Literal["", "expiry", "clear", "target-gone", "refused"] = ""
    clean_s: float | None = None
    overstayed_s: float | None = None
    gone_s: float | None = None
    gone_by: str = ""
    gone_what: str = ""
    lingers: bool = False
    gone: bool = False
    gone_since_s: float | None = None
    is_lost: bool = False
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
        if self.start_s is None or self.ends_s is None or self.refused or self.is_lost:
            return False
        if self.gone and self.entry.follow == "instance":
            return False
        return self.start_s <= now_s < self.ends_s

    @property
    def look_over(self) -> Look | Unseen:
        """How somebody else can look whether it is over."""
        if self.entry.is_operation:
            return operation_over(self.entry.kind)
        target_kind = self.entry.target.partition("/")[0]
        return look_over(self.entry.kind, target_kind, self.entry.params)

    @property
    def waits_to_be_seen_over(self) -> bool:
        """Whether its target says that it is over, and nobody else has seen that yet."""
        if self.acknowledged_s is None or self.clean_s is None or self.gone_s is not None:
            return False
        return self.ended_by != "target-gone" and isinstance(self.look_over, Look)

    def record(self) -> FaultRecord:
        """As reports have it."""
        return FaultRecord(
            id=self.entry.id,
            fault=self.entry.fault,
            kind=self.entry.kind,
            target=self.entry.target,
            peers=self.entry.peers,
            is_operation=self.entry.is_operation,
            planned_s=self.start_s,
            asked_s=self.asked_s,
            acknowledged_s=self.acknowledged_s,
            observed_s=self.observed_s,
            observed_by=self.observed_by,
            observed_what=self.observed_what,
            unwitnessed=self._unwitnessed,
            mechanism=self.mechanism,
            ended_s=self.ended_s,
            ended_by=self.ended_by,
            clean_s=self.clean_s,
            gone_s=self.gone_s,
            gone_by=self.gone_by,
            gone_what=self.gone_what or self._why_unseen,
            error=self.refused,
        )

    @property
    def _unwitnessed(self) -> str:
        if self.entry.is_operation:
            return ""
        target_kind = self.entry.target.partition("/")[0]
        look = look_for(self.entry.kind, target_kind, self.entry.params)
        return look.why if isinstance(look, Unseen) else ""

    @property
    def _why_unseen(self) -> str:
        look = self.look_over
        if self.acknowledged_s is None or not isinstance(look, Unseen):
            return ""
        return f"nobody else can see its end: {look.why}"
