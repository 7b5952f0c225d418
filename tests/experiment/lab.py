"""Simulated targets behind a network that loses and delays, on virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease
from emucluster.core.faults import Ledger as TargetLedger
from emucluster.experiment.ledger import Ask, Clear, Command, Ledger, List
from emucluster.experiment.lifecycle import Acknowledged, Event, Listed, Observed, Refused
from emucluster.experiment.plan import Plan

ASK_TIMEOUT_S = 2.0
START_S = 1000.0


class Target:
    """The ledger that targets have, on virtual time: what is lost with its process is lost."""

    def __init__(self) -> None:
        self.ledger = TargetLedger()

    def in_force(self, now_s: float) -> tuple[str, ...]:
        for lease in self.ledger.expired(now_s=now_s):
            self.ledger.clear(lease.id, now_s=now_s, ended_by="expiry")
        return tuple(sorted(self.ledger.in_force))

    def ask(self, command: Ask, now_s: float) -> str:
        """Why it will not; empty: it is in force, or there is nothing to do."""
        self.in_force(now_s)
        entry = command.entry
        ends_s = min(now_s + command.for_s, command.until_s)
        lease = FaultLease(
            entry.id,
            entry.kind,
            entry.target,
            now_s,
            ends_s,
            peers=entry.peers,
            follow=entry.follow,
        )
        try:
            self.ledger.inject(lease, now_s=now_s)
        except EmuclusterError as error:
            return str(error)
        return ""

    def clear(self, fault_id: str, now_s: float) -> None:
        self.ledger.clear(fault_id, now_s=now_s)

    def restart(self) -> None:
        self.ledger = TargetLedger()


class Lab:
    """A run: one ledger, its targets, and messages under way."""

    def __init__(self, plan: Plan, rng: Random, *, loss: float, delay_max_s: float) -> None:
        self.plan = plan
        self.rng = rng
        self.now_s = START_S
        self.ledger = Ledger(plan, start_s=START_S, ask_timeout_s=ASK_TIMEOUT_S)
        self.targets = {entry.target: Target() for entry in plan.entries}
        self.runner = 0
        self._loss, self._delay_max_s = loss, delay_max_s
        self._under_way: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def any_in_force(self) -> list[str]:
        return [i for target in self.targets.values() for i in target.in_force(self.now_s)]

    def run_until(self, end_s: float) -> None:
        """Deliver and wake, to `end_s`."""
        while True:
            wake_s = self.ledger.next_wake_s()
            due = [self._under_way[0][0]] if self._under_way else []
            due += [max(wake_s, self.now_s)] if wake_s is not None else []
            if not due or min(due) > end_s:
                self.now_s = max(self.now_s, end_s)
                return
            before_s, self.now_s = self.now_s, max(self.now_s, min(due))
            if self._under_way and self._under_way[0][0] <= self.now_s:
                heapq.heappop(self._under_way)[2]()
                continue
            commands = self.ledger.wake(now_s=self.now_s)
            for command in commands:
                self.send(command)
            again_s = self.ledger.next_wake_s()
            idle = not commands and before_s == self.now_s
            assert not (idle and again_s is not None and again_s <= self.now_s), "spins"

    def deliver_all(self) -> None:
        """What is still under way arrives; nobody wakes the ledger."""
        while self._under_way:
            at_s, _, arrive = heapq.heappop(self._under_way)
            self.now_s = max(self.now_s, at_s)
            arrive()

    def runner_dies(self) -> None:
        """Its answers are heard by nobody; another one has its journal."""
        self.runner += 1
        journal = list(self.ledger.journal)
        self.ledger = Ledger.restore(
            self.plan, journal, start_s=START_S, ask_timeout_s=ASK_TIMEOUT_S
        )

    def send(self, command: Command) -> None:
        target = self.targets[command.entry.target if isinstance(command, Ask) else command.target]
        runner, sent_s = self.runner, self.now_s

        def arrive() -> None:
            answers: list[Callable[[], Event]]
            match command:
                case Ask():
                    error = target.ask(command, self.now_s)
                    answers = self._answers(command, error)
                case Clear():
                    target.clear(command.id, self.now_s)
                    answers = []
                case List():
                    held = target.in_force(self.now_s)
                    answers = [
                        lambda: Listed(
                            at_s=self.now_s,
                            target=command.target,
                            asked_s=command.asked_s,
                            in_force=held,
                        )
                    ]
            for answer in answers:
                self._post(lambda answer=answer: self._hear(runner, answer))

        limit_s = sent_s + ASK_TIMEOUT_S if isinstance(command, Ask) else None
        self._post(arrive, before_s=limit_s)

    def _answers(self, ask: Ask, error: str) -> list[Callable[[], Event]]:
        """What is heard of an ask that has arrived."""
        known = {"id": ask.entry.id, "attempt": ask.attempt}
        if error:
            return [lambda: Refused(at_s=self.now_s, error=error, **known)]
        return [
            lambda: Acknowledged(at_s=self.now_s, **known),
            lambda: Observed(at_s=self.now_s, id=ask.entry.id, by="client/c"),
        ]

    def _hear(self, runner: int, answer: Callable[[], Event]) -> None:
        if runner == self.runner:
            self.ledger.handle(answer())

    def _post(self, arrive: Callable[[], None], before_s: float | None = None) -> None:
        at_s = self.now_s + self.rng.uniform(0, self._delay_max_s)
        if self.rng.random() < self._loss or (before_s is not None and at_s >= before_s):
            return
        heapq.heappush(self._under_way, (at_s, next(self._order), arrive))
