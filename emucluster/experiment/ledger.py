"""What became of each planned fault, and what must still be done about it.

A pure machine. `wake` says what to send now, `handle` takes what was heard, `next_wake_s` when to
come back. Every event, its own asks included, goes to `journal`; a runner that writes the journal
down before it sends anything can die at any moment, and another restores the ledger from it and
rolls everything back.

**What targets owe.** A fault is a lease: the target ends it at `until_s` by itself. An ask with the
id of a fault that it has is the same fault. An ask for an id that it was told to clear, or whose
`until_s` is past, does nothing. An ask that has not arrived within `ask_timeout_s` never arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from emucluster.core.faults.looks import Look
from emucluster.experiment.deletions import may_delete
from emucluster.experiment.history import FaultRecord
from emucluster.experiment.lifecycle import (
    Acknowledged,
    Asked,
    Event,
    Life,
    Listed,
    LookedFor,
    Observed,
    Refused,
    Restarted,
    SeenOver,
    State,
    Stopped,
    Triggered,
    Unanswered,
)
from emucluster.experiment.plan import Plan, PlanEntry

OVERSTAY_GRACE_S = 1.0
"""A fault seen in force so long after its end did not end by itself."""
LINGERS_S = 6.0
"""What is still seen so long after all was rolled back was not lifted."""
UNASKED_S = 30.0
"""Of many faults that end at once the last one is looked for late."""
UNSEEN_S = 3.0
"""Whose end nobody could tell within so long is left at that."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Put `entry` in force at its target for `for_s` seconds, until `until_s` on the wall clock."""

    entry: PlanEntry
    attempt: int
    for_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Clear:
    """End this fault at its target now; an unknown id is to be remembered as cleared."""

    id: str
    target: str


@dataclass(frozen=True, slots=True)
class List:
    """Ask the target what it has in force; the answer is a `Listed` with this `asked_s`."""

    target: str
    asked_s: float


Command = Ask | Clear | List


class Ledger:
    """The faults of one run.

    Args:
        start_s: when the run began, wall clock: the plan's times count from here.
        retry_s: how long to wait for news before sending again.
        ask_timeout_s: after so long an ask without answer will not arrive any more.
    """

    def __init__(
        self, plan: Plan, *, start_s: float, retry_s: float = 0.5, ask_timeout_s: float = 2.0
    ) -> None:
        self.plan = plan
        self.start_s = start_s
        self.journal: list[Event] = []
        self.stopped_s: float | None = None
        self._retry_s = retry_s
        self._ask_timeout_s = ask_timeout_s
        self._inject_end_s = start_s + plan.phases[1].end_s
        self._sent_s: dict[str, float] = {}
        self._lives = {entry.id: self._life(entry) for entry in plan.entries}

    @classmethod
    def restore(
        cls,
        plan: Plan,
        journal: Iterable[Event],
        *,
        start_s: float,
        retry_s: float = 0.5,
        ask_timeout_s: float = 2.0,
    ) -> Ledger:
        """The ledger whose journal this is."""
        ledger = cls(plan, start_s=start_s, retry_s=retry_s, ask_timeout_s=ask_timeout_s)
        for event in journal:
            ledger.handle(event)
        return ledger

    # --- what is known ---------------------------------------------------------------------------

    def state(self, fault_id: str) -> State:
        return self._lives[fault_id].state

    def records(self) -> list[FaultRecord]:
        """What became of every entry, in the plan's order."""
        return [life.record() for life in self._lives.values()]

    def in_force(self) -> list[PlanEntry]:
        """What may be in force now, for all that is known."""
        return [life.entry for life in self._lives.values() if life.may_be_in_force]

    @property
    def is_clean(self) -> bool:
        """Whether every target was seen without what it was asked for, for good."""
        return not self.in_force()

    def unseen_ends(self) -> list[PlanEntry]:
        """What should be over, and is not yet seen to be by others than its target."""
        return [life.entry for life in self._lives.values() if life.waits_to_be_seen_over]

    def may_yet_be_seen_over(self, *, now_s: float) -> bool:
        """Whether it is worth waiting for others than the targets to see that all is over.

        What they still see may last for as long as its kind does, and is looked for once more after
        the stop: with all faults lifted, which could hide its end or look like it.
        """
        lives = [life for life in self._lives.values() if life.waits_to_be_seen_over]
        return any(now_s < self._seen_over_by_s(life) for life in lives)

    def _seen_over_by_s(self, life: Life) -> float:
        look = life.look_over
        assert isinstance(look, Look)
        ended_s = life.ended_s if life.ended_s is not None else self.start_s
        stopped_s = self.stopped_s if self.stopped_s is not None else ended_s
        if not life.gone_what:
            return max(ended_s, stopped_s) + UNASKED_S
        if not life.lingers:
            return ended_s + UNSEEN_S + look.quiet_s
        return max(ended_s + look.lasts_s, stopped_s + LINGERS_S)

    def waiting(self) -> list[PlanEntry]:
        """Entries whose trigger has not come."""
        return [life.entry for life in self._lives.values() if life.start_s is None]

    # --- what was heard --------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Take in an event. News may come late, twice or never.

        Raises KeyError for an id that is not planned, ValueError for a target observing itself.
        """
        match event:
            case Triggered():
                self._trigger(self._lives[event.id], event.at_s)
            case Asked():
                self._asked(self._lives[event.id], event)
            case Acknowledged():
                self._acknowledged(self._lives[event.id], event)
            case Refused():
                self._refused(self._lives[event.id], event)
            case Unanswered():
                self._lives[event.id].unanswered = event.error
            case Observed():
                self._observed(self._lives[event.id], event)
            case LookedFor():
                self._lives[event.id].looked_for = event.what
            case SeenOver():
                self._seen_over(self._lives[event.id], event)
            case Listed():
                self._listed(event)
            case Restarted():
                for life in self._of(event.target):
                    self._target_gone(life, event.at_s)
            case Stopped():
                self.stopped_s = self.stopped_s or event.at_s
        self.journal.append(event)

    def _life(self, entry: PlanEntry) -> Life:
        if entry.at_s is None:
            return Life(entry, None, None)
        at_s = self.start_s + entry.at_s
        return Life(entry, at_s, at_s + entry.for_s)

    def _of(self, target: str) -> list[Life]:
        return [life for life in self._lives.values() if life.entry.target == target]

    def _trigger(self, life: Life, at_s: float) -> None:
        if life.start_s is None and at_s < self._inject_end_s:
            life.start_s = at_s
            life.ends_s = min(at_s + life.entry.for_s, self._inject_end_s)

    def _asked(self, life: Life, event: Asked) -> None:
        life.attempts = event.attempt
        life.asked_s = event.at_s if life.asked_s is None else life.asked_s
        life.last_asked_s = event.at_s
        life.open_asks[event.attempt] = event.at_s
        life.ended_s, life.ended_by, life.clean_s, life.gone = None, "", None, False
        life.gone_s, life.gone_by, life.gone_what, life.lingers = None, "", "", False

    def _acknowledged(self, life: Life, event: Acknowledged) -> None:
        life.open_asks.pop(event.attempt, None)
        if life.acknowledged_s is None:
            life.acknowledged_s = event.at_s
            life.mechanism = event.mechanism

    def _refused(self, life: Life, event: Refused) -> None:
        life.open_asks.pop(event.attempt, None)
        # A repeat that is refused says nothing of the first ask, which may have been taken.
        if life.acknowledged_s is None and event.attempt == life.attempts:
            life.refused = event.error
            life.ended_s, life.ended_by = event.at_s, "refused"
        elif event.not_found and life.gone_since_s is not None and life.ended_s is None:
            life.is_lost = True
            life.ended_s, life.ended_by = life.gone_since_s, "target-gone"

    def _observed(self, life: Life, event: Observed) -> None:
        if event.by == life.entry.target:
            raise ValueError(f"{event.by} cannot bear witness to its own fault {event.id}")
        if life.observed_s is None:
            life.observed_s = event.at_s
            life.observed_by, life.observed_what = event.by, event.what

    def _seen_over(self, life: Life, event: SeenOver) -> None:
        if event.by == life.entry.target:
            raise ValueError(f"{event.by} cannot bear witness to the end of its fault {event.id}")
        if not life.waits_to_be_seen_over:
            return  # an answer that comes late, to a look before it was asked for again
        if event.end == "unknown" and life.lingers:
            return  # who could not look does not unsay what was seen
        life.gone_by, life.gone_what = event.by, event.what
        life.lingers = event.end == "there"
        life.gone_s = event.at_s if event.end == "gone" else None

    def _target_gone(self, life: Life, at_s: float) -> None:
        if life.asked_s is None or life.ended_s is not None:
            return
        life.gone = True
        life.gone_since_s = life.gone_since_s or at_s
        if life.entry.follow == "instance":
            early = life.entry.concrete.ends_early
            life.ended_s, life.ended_by = at_s, "expiry" if early else "target-gone"

    def _listed(self, event: Listed) -> None:
        for life in self._of(event.target):
            if life.asked_s is None:
                continue
            if life.entry.id in event.in_force:
                self._seen_in_force(life, event)
            elif life.is_settled(event.asked_s, self._ask_timeout_s):
                self._seen_gone(life, event)

    def _seen_in_force(self, life: Life, event: Listed) -> None:
        if life.ends_s is not None and event.asked_s > life.ends_s + OVERSTAY_GRACE_S:
            life.overstayed_s = life.overstayed_s or event.at_s
        life.clean_s, life.gone_since_s = None, None

    def _seen_gone(self, life: Life, event: Listed) -> None:
        ends_s = life.ends_s if life.ends_s is not None else event.asked_s
        over = event.at_s >= ends_s or self.stopped_s is not None or bool(life.refused)
        if not over and life.acknowledged_s is not None:
            self._target_gone(life, event.at_s)
        if life.ended_s is None and over:
            by_itself = event.at_s >= ends_s and life.overstayed_s is None
            life.ended_s = min(event.at_s, ends_s) if by_itself else event.at_s
            life.ended_by = "expiry" if by_itself else "clear"
        if life.clean_s is None and life.ended_s is not None:
            life.clean_s = event.at_s

    # --- what to do ------------------------------------------------------------------------------

    def stop(self, *, now_s: float) -> None:
        """Begin nothing more; from now on `wake` rolls back until `is_clean`."""
        self.handle(Stopped(at_s=now_s))

    def wake(self, *, now_s: float) -> list[Command]:
        """What to send now. The journal holds it already; write that down before sending."""
        if self.stopped_s is not None:
            return self._again(self.rollback(now_s=now_s), now_s)
        commands: list[Command] = []
        for life in self._lives.values():
            if life.is_wanted(now_s):
                commands.extend(self._ask(life, now_s))
            elif life.may_be_in_force:
                commands.extend(self._end(life, now_s))
            elif life.ends_s is not None and now_s >= life.ends_s:
                life.is_missed = life.asked_s is None
        return self._again(commands, now_s)

    def rollback(self, *, now_s: float) -> list[Command]:
        """What would undo everything that may be in force now. Changes nothing."""
        lives = [life for life in self._lives.values() if life.may_be_in_force]
        clears: list[Command] = [Clear(life.entry.id, life.entry.target) for life in lives]
        targets = dict.fromkeys(life.entry.target for life in lives)
        return [*clears, *(List(target, now_s) for target in targets)]

    def next_wake_s(self) -> float | None:
        """When `wake` may have something to say; None: only after news."""
        due = [at_s for life in self._lives.values() for at_s in self._due_s(life)]
        return min(due, default=None)

    def _due_s(self, life: Life) -> Iterable[float]:
        if self.stopped_s is None and life.asked_s is None and life.start_s is not None:
            if not life.is_missed:
                yield life.start_s
            return
        if not life.may_be_in_force:
            return
        silent = life.acknowledged_s is None or life.gone or self.stopped_s is not None
        if silent or life.ended_s is not None:
            sent = [s for key, s in self._sent_s.items() if key.endswith(f" {life.entry.target}")]
            yield max([life.last_asked_s or self.start_s, *sent]) + self._retry_s
        elif life.ends_s is not None:
            yield max(life.ends_s, self._sent_s.get(f"List {life.entry.target}", 0) + self._retry_s)

    def _ask(self, life: Life, now_s: float) -> list[Command]:
        answered = life.acknowledged_s is not None and not life.gone
        recent = life.last_asked_s is not None and now_s < life.last_asked_s + self._retry_s
        if answered or recent:
            return []
        assert life.ends_s is not None
        self.handle(Asked(at_s=now_s, id=life.entry.id, attempt=life.attempts + 1))
        return [Ask(life.entry, life.attempts, life.ends_s - now_s, life.ends_s)]

    def _end(self, life: Life, now_s: float) -> list[Command]:
        """Its time is up: see that it is gone, and clear it if it is not."""
        found: list[Command] = [List(life.entry.target, now_s)]
        if life.overstayed_s is not None or life.ended_s is not None:
            found.insert(0, Clear(life.entry.id, life.entry.target))
        return found

    def _again(self, commands: Sequence[Command], now_s: float) -> list[Command]:
        """Without what was sent a moment ago and may yet be answered."""
        found: list[Command] = []
        for command in commands:
            if isinstance(command, Ask):
                found.append(command)
                continue
            about = command.id if isinstance(command, Clear) else ""
            key = f"{type(command).__name__}{about} {command.target}"
            if now_s >= self._sent_s.get(key, float("-inf")) + self._retry_s:
                self._sent_s[key] = now_s
                found.append(command)
        return found

    # --- what it means ---------------------------------------------------------------------------

    def invalid_reasons(self, *, nodes: Mapping[str, str] | None = None) -> list[str]:
        """Why the run proves nothing; empty if every fault did what it should. Ask at the end.

        Args:
            nodes: NAMESPACE/NAME of a pod to its node.
        """
        return [
            reason
            for life in self._lives.values()
            if (reason := self._why_lost(life, nodes or {}) or _why_invalid(life))
        ]

    def _why_lost(self, life: Life, nodes: Mapping[str, str]) -> str:
        """The target was taken away, and by nothing of the plan."""
        if not life.is_lost or life.ended_s is None or life.ends_s is None:
            return ""
        node = nodes.get(life.entry.target.removeprefix("pod/"), "")
        for other in self._lives.values():
            begun = other.asked_s is not None and other.asked_s <= life.ended_s
            if begun and may_delete(other.entry, life.entry.target, node=node):
                return ""
        early_s = life.ends_s - life.ended_s
        return (
            f"{_named(life)} ended {early_s:.3g} s before its time: its target was deleted, which "
            "nothing of the plan did"
        )


def _named(life: Life) -> str:
    return f"{life.entry.fault}: {life.entry.kind} on {life.entry.target}"


def _why_invalid(life: Life) -> str:
    what = _named(life)
    if life.start_s is None:
        trigger = life.entry.trigger
        after = trigger.after if trigger is not None else 0
        return f"{what} never began: fewer than {after} calls ended in the inject phase"
    if life.asked_s is None:
        return f"{what} was never asked for: the run ended before"
    if life.refused:
        return f"{what} was refused: {life.refused}"
    if life.acknowledged_s is None and life.observed_s is None:
        why = f": {life.unanswered}" if life.unanswered else ""
        return f"{what} was neither acknowledged nor seen by anybody{why}"
    if life.observed_s is None:
        why = f": {life.looked_for}" if life.looked_for else ""
        return f"{what} was acknowledged, and nobody but its target saw it{why}"
    if life.overstayed_s is not None:
        return f"{what} did not end by itself"
    if life.clean_s is None:
        return f"{what} was not seen to be gone"
    if life.lingers:
        return f"{what} was over by its target's word, and still seen by others: {life.gone_what}"
    return ""
