"""From a selector to who is hit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from emucluster.core.faults.kind import FaultKind
from emucluster.experiment.plan_error import PlanError
from emucluster.experiment.spec import Selector
from emucluster.experiment.targets import ends
from emucluster.experiment.topology import NodeInfo, PodInfo, Topology, in_order

OUTSIDE = "outside"
CONTROL_PLANE = "control-plane"
_ALL_BY_DEFAULT = ("dns", "kube-proxy")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody who is hit.

    Attributes:
        turn: its place in a rolling fault; the ends of a link have one turn.
        counted: who counts towards the blast radius by it: itself, or the `from` of a link.
    """

    target: str
    turn: int = 0
    peers: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


def expand_target(
    *,
    fault: str,
    kind: FaultKind,
    target: Selector,
    params: dict[str, Any],
    topology: Topology,
    rng: Random,
) -> list[Hit]:
    """Who is hit by a fault, in the order of turns.

    Raises PlanError where the selector fits nobody, saying who there is.
    """
    if target.kind == "link":
        return _link(fault, kind, target, params, topology, rng)
    reached = "pod" if target.kind != "pod" and "pod" in kind.targets else target.kind
    if target.kind in ("service", "deployment") and reached == "pod":
        chosen = _members(fault, target, topology, rng, "one")
    else:
        chosen = _chosen(fault, target, topology, rng)
    return [
        Hit(name, turn, counted=(name,) if kind.counts else ())
        for turn, names in enumerate(chosen)
        for name in names
    ]


def _chosen(
    fault: str, target: Selector, topology: Topology, rng: Random, default: str = "one"
) -> list[list[str]]:
    """The chosen, in turns: a zone or host is one turn of all its nodes."""
    if target.kind in _ALL_BY_DEFAULT:
        default = "all"
    match target.kind:
        case "node" | "dns" | "kube-proxy":
            nodes = _draw(fault, target, _nodes(target, topology), rng, default, topology)
            return [[f"{target.kind}/{node.name}"] for node in nodes]
        case "zone" | "host":
            known = topology.zones if target.kind == "zone" else topology.hosts
            fit = [name for name in known if target.name in ("", name)]
            names = _draw(fault, target, fit, rng, default, topology)
            return [
                [f"node/{n.name}" for n in topology.sorted_nodes if getattr(n, target.kind) == name]
                for name in names
            ]
        case "pod":
            pods = _draw(fault, target, _pods(target, topology), rng, default, topology)
            return [[pod.target] for pod in pods]
        case "service" | "deployment" | "lb":
            return [[_object(fault, target, topology)]]
        case _:
            return [[target.kind]]


def _members(
    fault: str, target: Selector, topology: Topology, rng: Random, default: str
) -> list[list[str]]:
    """Pods of a Service or Deployment."""
    pods = topology.pods_with(target.namespace, _selector_of(fault, target, topology))
    return [[pod.target] for pod in _draw(fault, target, pods, rng, default, topology)]


def _nodes(target: Selector, topology: Topology) -> list[NodeInfo]:
    return [
        node
        for node in topology.sorted_nodes
        if target.name in ("", node.name)
        and target.zone in ("", node.zone)
        and target.host in ("", node.host)
        and target.labels.items() <= node.labels.items()
    ]


def _pods(target: Selector, topology: Topology) -> list[PodInfo]:
    nodes = {
        node.name
        for node in topology.nodes
        if target.zone in ("", node.zone)
        and target.host in ("", node.host)
        and target.node in ("", node.name)
    }
    behind = {
        pod.target
        for service in topology.services
        if (service.namespace, service.name) == (target.namespace, target.service)
        for pod in topology.pods_with(service.namespace, service.selector)
    }
    return [
        pod
        for pod in topology.sorted_pods
        if pod.namespace == target.namespace
        and target.name in ("", pod.name)
        and (pod.node in nodes or not (target.zone or target.host or target.node))
        and (not target.service or pod.target in behind)
        and target.labels.items() <= pod.labels.items()
    ]


def _selector_of(fault: str, target: Selector, topology: Topology) -> dict[str, str]:
    known = topology.services if target.kind == "service" else topology.deployments
    for item in known:
        if (item.namespace, item.name) == (target.namespace, target.name):
            return item.selector
    raise _nobody(fault, target, topology)


def _object(fault: str, target: Selector, topology: Topology) -> str:
    text = f"{target.kind}/{target.namespace}/{target.name}"
    known = {
        "lb": topology.load_balancers,
        "service": [f"service/{s.namespace}/{s.name}" for s in topology.services],
        "deployment": [f"deployment/{d.namespace}/{d.name}" for d in topology.deployments],
    }[target.kind]
    if text not in known:
        raise _nobody(fault, target, topology)
    return text


def _draw(
    fault: str,
    target: Selector,
    candidates: Sequence[_T],
    rng: Random,
    default: str,
    topology: Topology,
) -> list[_T]:
    if not candidates:
        raise _nobody(fault, target, topology)
    how, _, number = (target.select or default).partition(":")
    is_one = bool(target.name) and target.kind not in ("service", "deployment")
    if is_one or how == "all":
        count = len(candidates)
    elif how == "one":
        count = 1
    elif how == "fixed":
        count = int(number)
    else:
        count = max(1, int(len(candidates) * float(number) / 100))
    if count > len(candidates):
        problem = f"wants {count} of {target.kind}, and only {len(candidates)} fit"
        raise PlanError(fault, problem)
    return list(candidates) if how == "all" else rng.sample(candidates, count)


def _nobody(fault: str, target: Selector, topology: Topology) -> PlanError:
    known = {
        "zone": topology.zones,
        "host": topology.hosts,
        "pod": [pod.target for pod in topology.sorted_pods],
        "service": [f"service/{s.namespace}/{s.name}" for s in topology.services],
        "deployment": [f"deployment/{d.namespace}/{d.name}" for d in topology.deployments],
        "lb": topology.load_balancers,
    }.get(target.kind, [node.name for node in topology.sorted_nodes])
    there = ", ".join(known[:10]) + (" ..." if len(known) > 10 else "") if known else "none"
    named = f' "{target.name}"' if target.name else ""
    return PlanError(fault, f"no {target.kind} fits its target{named}; there are: {there}")


# --- links ---------------------------------------------------------------------------------------


def _link(
    fault: str,
    kind: FaultKind,
    link: Selector,
    params: dict[str, Any],
    topology: Topology,
    rng: Random,
) -> list[Hit]:
    """A link's fault is held where packets arrive: what goes to `to` at `to`, answers at `from`."""
    near, far = ends(link)
    here = _machines(fault, near, topology, rng)
    shape = params.get("shape", "between")
    if shape == "bisect":
        rng.shuffle(here)
        here, there = here[: len(here) // 2], here[len(here) // 2 :]
        if not here:
            raise PlanError(fault, "one alone cannot be bisected")
        return _hits(fault, kind, here, there, "both")
    direction = str(params.get("direction", "from"))
    if shape == "isolate":
        return [
            hit
            for one in in_order(here)
            for hit in _hits(fault, kind, [one], _others([one], topology), direction)
        ]
    there = _others(here, topology) if far is None else _machines(fault, far, topology, rng)
    if far is not None and _takes_all(far):
        there = [name for name in there if name not in here] or there
    elif _takes_all(near):
        here = [name for name in here if name not in there] or here
    both = set(here) & set(there)
    if both:
        raise PlanError(fault, f"{', '.join(in_order(both))} is at both ends of the link")
    return _hits(fault, kind, here, there, direction)


def _takes_all(end: Selector) -> bool:
    """Whether an end names nobody: all are the others then, where the other end is among them."""
    return not end.name and end.select in ("", "all")


def _hits(
    fault: str, kind: FaultKind, here: list[str], there: list[str], direction: str
) -> list[Hit]:
    here, there = in_order(here), in_order(there)
    counted = tuple(here) if kind.counts else ()
    found: list[Hit] = []
    if direction in ("both", "from"):
        found += [Hit(one, 0, tuple(there), counted) for one in here if one != OUTSIDE]
    if direction in ("both", "to"):
        found += [Hit(one, 0, tuple(here), counted) for one in there if one != OUTSIDE]
    if not found:
        raise PlanError(fault, "nothing outside can hold a fault; turn the direction round")
    return found


def _machines(fault: str, end: Selector, topology: Topology, rng: Random) -> list[str]:
    if end.kind == "service":
        chosen = _members(fault, end, topology, rng, "all")
    elif end.kind in ("node", "zone", "host", "pod", "lb", CONTROL_PLANE, OUTSIDE):
        chosen = _chosen(fault, end, topology, rng, "all")
    else:
        raise PlanError(fault, f"a {end.kind} is no end of a link")
    return [name for names in chosen for name in names]


def _others(here: list[str], topology: Topology) -> list[str]:
    nodes = [f"node/{node.name}" for node in topology.nodes]
    every = [*nodes, CONTROL_PLANE, OUTSIDE, *topology.load_balancers]
    return [name for name in every if name not in here]
