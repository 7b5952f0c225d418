"""Carries out what a ledger decides, and tells it what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from emucluster.client.experiments.hands import Hands
from emucluster.client.experiments.journal import Journal
from emucluster.client.lab import Ending
from emucluster.core.errors import (
    EmuclusterError,
    NotFound,
    ServiceUnavailable,
    Timeout,
    Unreachable,
)
from emucluster.experiment.ledger import Ask, Clear, Ledger, List
from emucluster.experiment.lifecycle import (
    Acknowledged,
    Event,
    Listed,
    LookedFor,
    Observed,
    Refused,
    SeenOver,
    Triggered,
    Unanswered,
)
from emucluster.experiment.plan import PlanEntry

THREADS = 12
"""Commands under way at once: one that is not answered holds nobody else up."""
LOOKERS = 8
"""Looks under way at once, which take their time: no command waits for one."""
LOOK_S = 0.5
"""How often targets with faults are asked what they have, and others what they see."""
LOOK_OVER_MAX_S = 4.0
"""What is not gone yet may be hidden by other faults: it is looked for less and less often."""

log = logging.getLogger(__name__)


class FaultDriver:
    """One ledger at work. All but the commands themselves happens in `step`, in one thread.

    Args:
        hands: for faults; `operations`: for what is done through the API.
        clock: wall clock.
    """

    def __init__(
        self,
        ledger: Ledger,
        hands: Hands,
        operations: Hands,
        journal: Journal,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.ledger = ledger
        self._hands, self._operations = hands, operations
        self._journal = journal
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="fault")
        self._lookers = ThreadPoolExecutor(LOOKERS, thread_name_prefix="look")
        self._heard: SimpleQueue[Event] = SimpleQueue()
        self._written = len(ledger.journal)
        self._listed_s = float("-inf")
        self._looked_s: dict[str, float] = {}
        self._looking: set[str] = set()
        self._looked_over_s: dict[str, float] = {}
        self._pauses_s: dict[str, float] = {}
        self._looking_over: set[str] = set()
        self._listing = False
        self._list_soon = False
        """Something may be over already: when it was is to be known exactly."""

    def step(self) -> None:
        """Take in what was heard, and send what is due."""
        self._take_in()
        now_s = self._clock()
        commands = self.ledger.wake(now_s=now_s)
        self._write_down()
        lists = [command.target for command in commands if isinstance(command, List)]
        for command in commands:
            if isinstance(command, Ask):
                self._pool.submit(self._ask, command)
            elif isinstance(command, Clear):
                self._pool.submit(self._clear, command)
        self._look(now_s)
        self._look_over(now_s)
        if now_s >= self._listed_s + LOOK_S or self._list_soon:
            self._listed_s, self._list_soon = now_s, False
            lists += [entry.target for entry in self.ledger.in_force()]
        if lists and not self._listing:
            self._listing = True
            self._pool.submit(self._list, tuple(dict.fromkeys(lists)), now_s)

    def trigger(self, entry_id: str) -> None:
        """The calls that this entry waited for have ended."""
        self._heard.put(Triggered(at_s=self._clock(), id=entry_id))

    def hear(self, event: Event) -> None:
        """Take in what somebody else found out."""
        self._heard.put(event)

    def stop(self) -> None:
        """Begin nothing more; `step` rolls back from now on."""
        self._take_in()
        if self.ledger.stopped_s is None:
            self.ledger.stop(now_s=self._clock())
        self._write_down()

    def finish(self) -> None:
        """Take in the last of what was heard; commands that are still under way are let go."""
        self._take_in()
        self._write_down()
        for pool in (self._pool, self._lookers):
            pool.shutdown(wait=False, cancel_futures=True)

    # --- in the threads --------------------------------------------------------------------------

    def _ask(self, ask: Ask) -> None:
        entry = ask.entry
        try:
            mechanism = self._of(entry).ask(ask)
        except (Unreachable, ServiceUnavailable, Timeout) as error:
            # Nobody knows what became of it: the ledger asks again.
            log.info("asking %s for %s: %s", entry.target, entry.id, error)
            self._heard.put(Unanswered(at_s=self._clock(), id=entry.id, error=str(error)))
            return
        except EmuclusterError as error:
            refused = Refused(
                at_s=self._clock(),
                id=entry.id,
                attempt=ask.attempt,
                error=str(error),
                not_found=isinstance(error, NotFound),
            )
            self._heard.put(refused)
            return
        self._heard.put(
            Acknowledged(at_s=self._clock(), id=entry.id, attempt=ask.attempt, mechanism=mechanism)
        )
        if entry.concrete.ends_early:
            self._list_soon = True

    def _clear(self, command: Clear) -> None:
        try:
            self._of(self.ledger.plan.entry(command.id)).clear(command)
        except EmuclusterError as error:
            log.info("clearing %s at %s: %s", command.id, command.target, error)

    def _list(self, targets: Sequence[str], asked_s: float) -> None:
        try:
            held = self._held(targets)
        except EmuclusterError as error:
            log.info("what targets have in force is not known: %s", error)
            return
        finally:
            self._listing = False
        for target, in_force in held.items():
            self._heard.put(
                Listed(at_s=self._clock(), target=target, asked_s=asked_s, in_force=in_force)
            )

    def _held(self, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """A target may have faults and be operated upon: both must have answered."""
        answers: list[tuple[set[str], Mapping[str, tuple[str, ...]]]] = []
        for hands, operated in ((self._hands, False), (self._operations, True)):
            entries = self.ledger.plan.entries
            of = {e.target for e in entries if e.is_operation is operated} & set(targets)
            if of:
                answers.append((of, hands.held(sorted(of))))
        return {
            target: tuple(
                entry_id for of, answer in answers if target in of for entry_id in answer[target]
            )
            for target in targets
            if all(target in answer for of, answer in answers if target in of)
        }

    def _witness(self, entry: PlanEntry) -> None:
        try:
            seen = self._of(entry).witness(entry)
            if seen is not None and seen.seen:
                self._heard.put(Observed(at_s=seen.at_s, id=entry.id, by=seen.by, what=seen.what))
            elif seen is not None:
                self._heard.put(LookedFor(at_s=self._clock(), id=entry.id, what=seen.what))
        except EmuclusterError as error:
            log.info("whether %s is seen is not known: %s", entry.id, error)
        finally:
            self._looking.discard(entry.id)

    def _see_over(self, entry: PlanEntry) -> None:
        try:
            found = self._of(entry).is_over(entry)
        except EmuclusterError as error:
            found = Ending("unknown", "", f"nobody could be asked: {error}", self._clock())
        self._heard.put(
            SeenOver(at_s=found.at_s, id=entry.id, end=found.end, by=found.by, what=found.what)
        )
        self._looking_over.discard(entry.id)

    # --- in the caller's -------------------------------------------------------------------------

    def _look(self, now_s: float) -> None:
        """Ask for a witness of every fault that was acknowledged and is not seen yet: at once, for
        it may be short, and again as long as it should be there."""
        for record in self.ledger.records():
            entry = self.ledger.plan.entry(record.id)
            known = record.acknowledged_s is not None and record.observed_s is None
            # What is over at once can still be seen by what came of it.
            over = now_s > (record.planned_s or 0.0) + entry.for_s
            waits = now_s < self._looked_s.get(entry.id, float("-inf")) + LOOK_S
            if known and not over and not waits and entry.id not in self._looking:
                self._looking.add(entry.id)
                self._looked_s[entry.id] = now_s
                self._lookers.submit(self._witness, entry)

    def _look_over(self, now_s: float) -> None:
        """Have others look at what should be over, until they see that it is."""
        for entry in self.ledger.unseen_ends():
            pause_s = self._pauses_s.get(entry.id, LOOK_S)
            if self.ledger.stopped_s is not None:
                pause_s = LOOK_S  # nothing else is in force that could hide it
            waits = now_s < self._looked_over_s.get(entry.id, float("-inf")) + pause_s
            if waits or entry.id in self._looking_over:
                continue
            known = entry.id in self._looked_over_s
            self._pauses_s[entry.id] = min(LOOK_OVER_MAX_S, 2 * pause_s) if known else LOOK_S
            self._looked_over_s[entry.id] = now_s
            self._looking_over.add(entry.id)
            self._lookers.submit(self._see_over, entry)

    def _take_in(self) -> None:
        while True:
            try:
                event = self._heard.get_nowait()
            except Empty:
                return
            self.ledger.handle(event)

    def _write_down(self) -> None:
        self._journal.write(self.ledger.journal[self._written :])
        self._written = len(self.ledger.journal)

    def _of(self, entry: PlanEntry) -> Hands:
        return self._operations if entry.is_operation else self._hands
