"""Whatever order asks and clears arrive in, however late and often, a target keeps its word."""

from contextlib import suppress
from random import Random

import pytest

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease, Ledger

SCHEDULES = 1000
KINDS = ("freeze", "power-off", "flap", "slow", "cpu-hog", "slow")


def lease(rng: Random, number: int) -> FaultLease:
    ends_s = rng.uniform(1, 30) if rng.random() < 0.8 else None
    target = f"node/node-{rng.randint(1, 2)}"
    return FaultLease(f"f.{number}", rng.choice(KINDS), target, 0.0, ends_s)


def arrivals(rng: Random) -> list[tuple[float, FaultLease, bool]]:
    """When, about which fault, and whether it is an ask or a clear. Those without end are cleared;
    of the others the clear may be lost."""
    found: list[tuple[float, FaultLease, bool]] = []
    for number in range(rng.randint(1, 9)):
        fault = lease(rng, number)
        found += [(rng.uniform(0, 60), fault, True) for _ in range(rng.randint(1, 4))]
        if fault.ends_s is None or rng.random() < 0.5:
            found += [(rng.uniform(0, 60), fault, False) for _ in range(rng.randint(1, 2))]
    return sorted(found, key=lambda arrival: arrival[0])


@pytest.mark.parametrize("block", range(4))
def test_nothing_is_in_force_after_its_end_nor_after_its_clear_and_nothing_is_left(
    block: int,
) -> None:
    for seed in range(block * SCHEDULES // 4, (block + 1) * SCHEDULES // 4):
        ledger, cleared = Ledger(), set[str]()
        for now_s, fault, is_ask in arrivals(Random(f"target/{seed}")):
            for over in ledger.expired(now_s=now_s):
                ledger.clear(over.id, now_s=now_s, ended_by="expiry")
            if is_ask:
                with suppress(EmuclusterError):  # one that excludes it is in force
                    ledger.inject(fault, now_s=now_s)
            else:
                cleared.add(fault.id)
                ledger.clear(fault.id, now_s=now_s)
            assert cleared.isdisjoint(ledger.in_force), f"seed {seed}: in force after its clear"
            for held in ledger.in_force.values():
                assert held.ends_s is None or now_s < held.ends_s, f"seed {seed}: overstays"
            machine = [
                f.target for f in ledger.in_force.values() if f.fault_kind.layer == "machine"
            ]
            assert len(machine) == len(set(machine)), f"seed {seed}: two that exclude each other"
        for over in ledger.expired(now_s=1000):
            ledger.clear(over.id, now_s=1000, ended_by="expiry")
        assert ledger.in_force == {}, f"seed {seed}"
