"""Whatever is lost, late or dead, nothing stays in force."""

from random import Random

import pytest

from emucluster.experiment.lifecycle import Restarted, Triggered
from emucluster.experiment.plan import Plan, PlanEntry, PlannedPhase, PlannedTrigger
from emucluster.experiment.vocabulary import PHASES

from .lab import START_S, Lab

INJECT_S = (5.0, 25.0)
TOGETHER = ("slow", "cpu-hog", "latency", "partition")
"""Kinds that go with each other on one node."""
EXCLUDING = ("freeze", "power-off", "flap")


def random_plan(rng: Random, kinds: tuple[str, ...] = TOGETHER + EXCLUDING) -> Plan:
    entries = []
    for number in range(rng.randint(1, 9)):
        at_s = rng.uniform(*INJECT_S) if rng.random() < 0.8 else None
        kind = rng.choice(kinds)
        longest_s = INJECT_S[1] - (at_s or INJECT_S[0])
        entries.append(
            PlanEntry(
                id=f"f.{number}",
                fault="f",
                kind=kind,
                peers=("outside",) if kind in ("latency", "partition") else (),
                target=f"node/node-{rng.randint(1, 2)}",
                identity="",
                at_s=at_s,
                trigger=None if at_s is not None else PlannedTrigger(after=10),
                for_s=rng.uniform(0.05, max(0.06, longest_s)),
                follow=rng.choice(("identity", "instance")),
            )
        )
    ends_s = (5.0, 25.0, 30.0, 35.0)
    starts_s = (0.0, *ends_s[:-1])
    phases = tuple(
        PlannedPhase(phase=p, start_s=s, end_s=e)
        for p, s, e in zip(PHASES, starts_s, ends_s, strict=True)
    )
    return Plan(experiment="e", seed=0, phases=phases, entries=tuple(entries), digest="")


def mishaps(lab: Lab, rng: Random, until_s: float) -> None:
    """Time passes; targets restart, the runner dies, triggers come."""
    while lab.now_s < until_s:
        lab.run_until(min(until_s, lab.now_s + rng.uniform(0.01, 4)))
        target = rng.choice(list(lab.targets))
        match rng.choice(("nothing", "restart", "silent restart", "runner", "trigger")):
            case "restart":
                lab.targets[target].restart()
                lab.ledger.handle(Restarted(at_s=lab.now_s, target=target))
            case "silent restart":
                lab.targets[target].restart()
            case "runner":
                lab.runner_dies()
            case "trigger":
                for entry in lab.ledger.waiting():
                    lab.ledger.handle(Triggered(at_s=lab.now_s, id=entry.id))


@pytest.mark.parametrize("block", range(10))
def test_once_the_ledger_says_clean_nothing_is_in_force_nor_comes_into_force(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        rng = Random(f"ledger/{seed}")
        lab = Lab(
            random_plan(rng), rng, loss=rng.choice((0, 0.1, 0.5)), delay_max_s=rng.uniform(0, 3)
        )
        mishaps(lab, rng, START_S + rng.uniform(0, 35))
        lab.ledger.stop(now_s=lab.now_s)
        deadline_s = lab.now_s + 600
        while not lab.ledger.is_clean and lab.now_s < deadline_s:
            lab.run_until(lab.now_s + 0.5)
        assert lab.ledger.is_clean, f"seed {seed}: {lab.ledger.in_force()}"
        assert lab.any_in_force() == [], f"seed {seed}"
        lab.deliver_all()
        assert lab.any_in_force() == [], f"seed {seed}: something came late"


@pytest.mark.parametrize("block", range(4))
def test_a_runner_that_never_comes_back_leaves_nothing_beyond_the_inject_phase(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        rng = Random(f"dead/{seed}")
        lab = Lab(random_plan(rng), rng, loss=0.2, delay_max_s=1)
        mishaps(lab, rng, START_S + rng.uniform(0, 25))
        lab.runner += 1
        lab.deliver_all()
        lab.now_s = max(lab.now_s, START_S + INJECT_S[1])
        assert lab.any_in_force() == [], f"seed {seed}"


def test_without_mishaps_every_schedule_runs_to_its_end_and_is_clean_by_itself() -> None:
    for seed in range(200):
        rng = Random(f"well/{seed}")
        lab = Lab(random_plan(rng, TOGETHER), rng, loss=0, delay_max_s=0.02)
        lab.run_until(START_S + 10)
        for entry in lab.ledger.waiting():
            lab.ledger.handle(Triggered(at_s=lab.now_s, id=entry.id))
        lab.run_until(START_S + 35)
        assert lab.ledger.is_clean
        records = lab.ledger.records()
        assert {record.ended_by for record in records} == {"expiry"}, f"seed {seed}"
        assert lab.ledger.invalid_reasons() == [], f"seed {seed}"


def test_a_run_restored_from_its_journal_knows_the_same() -> None:
    for seed in range(100):
        rng = Random(f"journal/{seed}")
        lab = Lab(random_plan(rng), rng, loss=0.3, delay_max_s=1)
        lab.run_until(START_S + rng.uniform(0, 35))
        records, clean = lab.ledger.records(), lab.ledger.is_clean
        lab.runner_dies()
        assert lab.ledger.records() == records
        assert lab.ledger.is_clean == clean
