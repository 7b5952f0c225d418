"""Random faults, to find out whether any schedule leaves something behind."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from msgspec.structs import replace

from emucluster.core.faults import kinds
from emucluster.core.faults.kind import FaultKind
from emucluster.core.quantities import Seconds
from emucluster.experiment.plan import expand
from emucluster.experiment.plan_error import PlanError
from emucluster.experiment.spec import Experiment, Fault, Selector
from emucluster.experiment.topology import Topology

SHORTEST_S = 0.2
_SOME = 20_000
"""For a parameter without default: of `bytesPerSecond`, enough to hold something up."""
_SELECTABLE = ("node", "pod", "dns", "kube-proxy")


def random_faults(
    base: Experiment,
    topology: Topology,
    seed: int,
    *,
    count: int,
    allowed: Sequence[tuple[str, str]] | None = None,
) -> Experiment:
    """`base` with about `count` faults drawn from the seed instead of its own.

    Every fault of it can be planned: one that would pass a limit, exclude another or hit nobody is
    left out, so there may be fewer.

    Args:
        allowed: (kind, target kind) of what may be drawn; None: every kind of fault, on nodes,
            pods, load balancers, DNS, kube-proxies, links and the control plane.
    """
    rng = Random(f"{seed}/schedule")
    known = _drawable() if allowed is None else list(allowed)
    drawn: list[Fault] = []
    for number in range(count):
        kind, target_kind = rng.choice(known)
        fault = _fault(base, topology, rng, f"f{number}", kind, target_kind)
        if fault is None:
            continue
        try:
            expand(replace(base, faults=[*drawn, fault]), topology, seed)
        except PlanError:
            continue
        drawn.append(fault)
    return replace(base, faults=drawn)


def _drawable() -> list[tuple[str, str]]:
    return [
        (kind.name, target)
        for kind in kinds.KINDS
        if not kind.is_operation
        for target in kind.targets
    ]


def _required(kind: FaultKind) -> dict[str, Any]:
    """Parameters that have no default; only numbers are such."""
    return {param.name: _SOME for param in kind.params if param.required}


def _fault(
    base: Experiment, topology: Topology, rng: Random, name: str, kind: str, target_kind: str
) -> Fault | None:
    inject_s = float(base.phases.inject_s)
    at_s = rng.uniform(0, inject_s - SHORTEST_S)
    target = _target(topology, rng, target_kind)
    if target is None or inject_s <= SHORTEST_S:
        return None
    return Fault(
        name=name,
        kind=kind,
        target=target,
        at_s=Seconds(at_s),
        for_s=Seconds(rng.uniform(SHORTEST_S, inject_s - at_s)),
        follow=rng.choice(("identity", "instance")),
        params=_required(kinds.concrete(kind, target_kind)),
    )


def _target(topology: Topology, rng: Random, kind: str) -> str | Selector | None:
    if kind == "control-plane":
        return kind
    if kind == "lb":
        return rng.choice(topology.load_balancers) if topology.load_balancers else None
    if kind == "link":
        near, far = (
            rng.sample(topology.sorted_nodes, 2) if len(topology.nodes) > 1 else (None, None)
        )
        if near is None or far is None:
            return None
        return Selector(kind="link", from_=f"node/{near.name}", to=f"node/{far.name}")
    if kind == "pod":
        return rng.choice([p.target for p in topology.sorted_pods]) if topology.pods else None
    if kind in _SELECTABLE:
        return f"{kind}/{rng.choice(topology.sorted_nodes).name}"
    return None
