"""How much a plan hits at once, held against the experiment's limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emucluster.experiment.plan_error import PlanError
from emucluster.experiment.spec import Limit, Limits
from emucluster.experiment.topology import Topology

if TYPE_CHECKING:
    from emucluster.experiment.plan import PlanEntry


def allowed(limit: Limit, total: int) -> int:
    """How many of `total` a limit allows: a percentage is rounded down, but never below one."""
    if isinstance(limit, int):
        return limit
    return max(1, int(total * float(limit[:-1]) / 100))


def check_limits(
    limits: Limits,
    entries: Sequence[PlanEntry],
    topology: Topology,
    *,
    window_s: tuple[float, float],
) -> None:
    """Raise PlanError naming the fault with which a limit is passed.

    Args:
        window_s: when triggered entries may be in force; they count all that time.
    """
    counted = [(*_interval(entry, window_s), entry) for entry in entries]
    for start_s, _end_s, entry in counted:
        hit = {name for s, end, e in counted if s <= start_s < end for name in e.counted}
        _check_one(limits, entry.fault, hit, topology)


def _interval(entry: PlanEntry, window_s: tuple[float, float]) -> tuple[float, float]:
    if entry.at_s is None:
        return window_s
    return entry.at_s, entry.at_s + entry.for_s


def _check_one(limits: Limits, fault: str, hit: set[str], topology: Topology) -> None:
    nodes = {target.removeprefix("node/") for target in hit if target.startswith("node/")}
    pods = {target for target in hit if target.startswith("pod/")}
    zones = {
        zone
        for zone in topology.zones
        if {node.name for node in topology.nodes if node.zone == zone} <= nodes
    }
    for word, names, limit, total in (
        ("nodes", nodes, limits.nodes, len(topology.nodes)),
        ("pods", pods, limits.pods, len(topology.pods)),
        ("zones", zones, limits.zones, len(topology.zones)),
    ):
        most = allowed(limit, total)
        if len(names) > most:
            raise PlanError(
                fault,
                f"would hit {len(names)} of {total} {word} at once; limits.{word} is {limit}, "
                f"which allows {most}",
            )
