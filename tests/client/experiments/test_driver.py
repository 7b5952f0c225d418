"""A ledger at work on targets that lose answers, lie or do nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from emucluster.client.experiments.driver import FaultDriver
from emucluster.client.experiments.hands import Sighting
from emucluster.client.experiments.journal import Journal, Opening, read_journal
from emucluster.client.lab import Ending
from emucluster.core.errors import (
    BadRequest,
    EmuclusterError,
    NotFound,
    ServiceUnavailable,
    Timeout,
    Unreachable,
)
from emucluster.experiment.history import FaultRecord
from emucluster.experiment.ledger import Ask, Clear, Ledger
from emucluster.experiment.lifecycle import Asked, Refused
from emucluster.experiment.plan import Plan, PlanEntry
from emucluster.report.files import JOURNAL

from .build import plan

DEADLINE_S = 10.0


class Targets:
    """Holds leases as targets must. What it does not do is chosen by a test.

    Attributes:
        lost: so many answers to asks are lost, though the asks arrived.
        does_nothing: it acknowledges, and nobody sees anything.
        overstays: it does not end faults by itself.
        refuses: what every ask raises.
        lingers: its faults go on when it says that they are over.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.does_nothing = False
        self.overstays = False
        self.silent = False
        self.refuses: EmuclusterError | None = None
        self.lingers = False
        self.asked: list[Ask] = []
        self._leases: dict[str, float] = {}
        self._cleared: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, ask: Ask) -> str:
        with self._lock:
            self.asked.append(ask)
            if self.refuses:
                raise self.refuses
            if ask.entry.id not in self._cleared and time.time() < ask.until_s:
                self._leases[ask.entry.id] = ask.until_s
            if self.lost:
                self.lost -= 1
                raise Unreachable("the answer was lost")
        return "fake"

    def clear(self, command: Clear) -> None:
        with self._lock:
            self._cleared.add(command.id)
            self._leases.pop(command.id, None)

    def held(self, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        if self.silent:
            return {}
        with self._lock:
            now_s = time.time()
            left = [i for i, until_s in self._leases.items() if self.overstays or now_s < until_s]
        return {target: tuple(left) for target in targets}

    def witness(self, entry: PlanEntry) -> Sighting | None:
        if self.does_nothing or not self.held([entry.target]).get(entry.target):
            return None
        return Sighting(time.time(), "node/node-3", "it does not answer")

    def is_over(self, entry: PlanEntry) -> Ending:
        there = self.lingers or self.held([entry.target]).get(entry.target)
        what = "it does not answer" if there else "it answers"
        return Ending("there" if there else "gone", "node/node-3", what, time.time())


def freeze(**fields: object) -> dict[str, object]:
    return {"kind": "freeze", "target": "node/node-1", **fields}


@pytest.fixture
def targets() -> Targets:
    return Targets()


def carried_out(planned: Plan, targets: Targets, directory: Path) -> Ledger:
    """The ledger after the plan's time and a rollback."""
    ledger = Ledger(planned, start_s=time.time(), retry_s=0.1, ask_timeout_s=0.3)
    journal = Journal(directory / JOURNAL)
    driver = FaultDriver(ledger, targets, targets, journal, clock=time.time)
    end_s = time.time() + planned.duration_s
    while time.time() < end_s:
        driver.step()
        time.sleep(0.005)
    driver.stop()
    deadline_s = time.monotonic() + DEADLINE_S
    while not targets.silent and not (
        ledger.is_clean and (targets.lingers or not ledger.unseen_ends())
    ):
        assert time.monotonic() < deadline_s, "never clean"
        driver.step()
        time.sleep(0.005)
    driver.finish()
    journal.close()
    return ledger


def record(ledger: Ledger) -> FaultRecord:
    (found,) = ledger.records()
    return found


def test_a_fault_is_asked_for_seen_by_another_ended_and_found_clean(
    targets: Targets, tmp_path: Path
) -> None:
    ledger = carried_out(plan(freeze()), targets, tmp_path)

    assert ledger.invalid_reasons() == []
    assert record(ledger).observed_by == "node/node-3"
    assert record(ledger).ended_by == "expiry"
    assert record(ledger).gone_by == "node/node-3"
    assert ledger.is_clean


def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_id(
    targets: Targets, tmp_path: Path
) -> None:
    targets.lost = 2
    ledger = carried_out(plan(freeze()), targets, tmp_path)

    assert ledger.invalid_reasons() == []
    assert len(targets.asked) == 3
    assert {ask.entry.id for ask in targets.asked} == {"freeze.0"}
    assert len({ask.until_s for ask in targets.asked}) == 1


def test_a_target_that_acknowledges_and_does_nothing_makes_the_run_invalid(
    targets: Targets, tmp_path: Path
) -> None:
    targets.does_nothing = True
    ledger = carried_out(plan(freeze()), targets, tmp_path)

    assert ledger.invalid_reasons() == [
        "freeze: freeze on node/node-1 was acknowledged, and nobody but its target saw it"
    ]


def test_a_refusal_makes_the_run_invalid_and_names_the_reason(
    targets: Targets, tmp_path: Path
) -> None:
    targets.refuses = BadRequest("not this one")
    ledger = carried_out(plan(freeze()), targets, tmp_path)

    assert ledger.invalid_reasons() == ["freeze: freeze on node/node-1 was refused: not this one"]
    assert len(targets.asked) == 1


def test_a_refusal_tells_whether_there_is_such_a_target(targets: Targets, tmp_path: Path) -> None:
    targets.refuses = NotFound("node/node-1 is deleted")
    ledger = carried_out(plan(freeze()), targets, tmp_path)

    (refused,) = (event for event in ledger.journal if isinstance(event, Refused))
    assert refused.not_found


@pytest.mark.parametrize("error", [Unreachable, ServiceUnavailable, Timeout])
def test_a_target_that_cannot_be_reached_has_refused_nothing_and_is_asked_again(
    error: type[EmuclusterError], targets: Targets, tmp_path: Path
) -> None:
    targets.refuses = error("control-plane does not answer")
    ledger = carried_out(plan(freeze()), targets, tmp_path)

    assert len(targets.asked) > 1
    assert record(ledger).error == ""
    assert ledger.invalid_reasons() == [
        "freeze: freeze on node/node-1 was neither acknowledged nor seen by anybody: "
        "control-plane does not answer"
    ]


def test_a_fault_that_stays_beyond_its_time_is_cleared_and_told(
    targets: Targets, tmp_path: Path
) -> None:
    targets.overstays = True
    ledger = carried_out(plan({**freeze(), "for": 0.1}, seconds=2.5), targets, tmp_path)

    assert ledger.invalid_reasons() == ["freeze: freeze on node/node-1 did not end by itself"]
    assert ledger.is_clean


def test_a_mend_that_does_nothing_is_seen_by_others_and_makes_the_run_invalid(
    targets: Targets, tmp_path: Path
) -> None:
    targets.lingers = True
    ledger = carried_out(plan({**freeze(), "for": 0.1}), targets, tmp_path)

    assert ledger.is_clean, "by its target's word"
    assert ledger.invalid_reasons() == [
        "freeze: freeze on node/node-1 was over by its target's word, and still seen by others: "
        "it does not answer"
    ]


def test_silence_is_not_taken_for_cleanness(targets: Targets, tmp_path: Path) -> None:
    targets.silent = True
    ledger = carried_out(plan(freeze()), targets, tmp_path)

    assert not ledger.is_clean


def test_an_ask_is_in_the_journal_before_it_is_sent(targets: Targets, tmp_path: Path) -> None:
    written: list[bytes] = []
    ask = targets.ask

    def looked_at(command: Ask) -> str:
        written.append((tmp_path / JOURNAL).read_bytes())
        return ask(command)

    targets.ask = looked_at  # type: ignore[method-assign]
    carried_out(plan(freeze()), targets, tmp_path)

    assert b'"event":"asked"' in written[0]


def test_another_ledger_can_be_restored_from_the_journal(tmp_path: Path) -> None:
    planned = plan(freeze())
    journal = Journal(tmp_path / JOURNAL)
    journal.write([Opening(run="r", cluster="lab", start_s=5.0, plan=planned)])
    journal.write([Asked(at_s=5.1, id="freeze.0", attempt=1)])
    journal.close()
    with (tmp_path / JOURNAL).open("ab") as cut_off:
        cut_off.write(b'{"event":"ask')

    ((opening, events),) = read_journal(tmp_path / JOURNAL)
    ledger = Ledger.restore(opening.plan, events, start_s=opening.start_s)

    assert opening.run == "r"
    assert [entry.id for entry in ledger.in_force()] == ["freeze.0"]


def test_a_journal_that_cannot_be_written_lets_nothing_begin_and_everything_be_lifted(
    targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the run ends with the error, but not before its faults do."""
    ledger = Ledger(plan(freeze()), start_s=time.time(), retry_s=0.1, ask_timeout_s=0.3)
    journal = Journal(tmp_path / JOURNAL)
    driver = FaultDriver(ledger, targets, targets, journal, clock=time.time)
    until(lambda: driver.step() or bool(ledger.in_force()))
    journal.close()
    with Path("/dev/full").open("ab", buffering=0) as full:
        monkeypatch.setattr(journal, "_file", full)
        with pytest.raises(OSError, match="No space left"):
            until(lambda: driver.step())

        driver.stop()
        until(lambda: driver.step() or ledger.is_clean)
        driver.finish()
    assert targets.held(["node/node-1"]) == {"node/node-1": ()}


def until(so: Callable[[], object]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not so():
        assert time.monotonic() < end_s
        time.sleep(0.005)
