from emucluster.core.faults import kinds
from emucluster.experiment.plan import expand
from emucluster.experiment.schedules import random_faults

from .build import experiment, topology


def test_every_random_schedule_can_be_planned_within_its_limits() -> None:
    base = experiment(limits={"nodes": 1, "pods": 2, "zones": 0})
    seen: set[str] = set()
    for seed in range(200):
        drawn = random_faults(base, topology(), seed, count=6)
        plan = expand(drawn, topology(), seed)
        seen |= {entry.kind for entry in plan.entries}
        assert all(10 <= (e.at_s or 0) < (e.end_s or 0) <= 20 + 1e-6 for e in plan.entries)
    assert seen == {kind.name for kind in kinds.KINDS if not kind.is_operation}


def test_a_schedule_is_drawn_from_the_seed_alone() -> None:
    first = random_faults(experiment(), topology(), 3, count=5)
    assert first == random_faults(experiment(), topology(), 3, count=5)
    assert first != random_faults(experiment(), topology(), 4, count=5)
    assert (
        random_faults(experiment(), topology(), 3, count=5, allowed=[("freeze", "node")])
        .faults[0]
        .kind
        == "freeze"
    )
