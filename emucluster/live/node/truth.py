"""What is so of a node and its pods, from what the node itself knows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from emucluster.core.faults import FaultLease, parse_target
from emucluster.core.faults.kind import LAYERS
from emucluster.live.node.power import PowerState

_WORDS: Mapping[PowerState, str] = {"silent": "power-off", "frozen": "freeze", "crashed": "crash"}


class Truth(NamedTuple):
    """`word`: the fault that made it so, or `running`."""

    state: Literal["up", "down", "degraded"]
    word: str


UP = Truth("up", "running")


@dataclass(frozen=True, slots=True)
class FaultsHere:
    """Faults in force at one node, by whom they hit; each list in the order in which they stack.

    Attributes:
        machine: those that act by the node's power alone.
        node: other ones of the node and its links.
        components: of kube-proxy and DNS, such as `kube-proxy stale`.
        pods: by namespace and name.
    """

    machine: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    pods: Mapping[tuple[str, str], tuple[FaultLease, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, leases: Iterable[FaultLease]) -> FaultsHere:
        machine: list[str] = []
        node: list[str] = []
        components: list[str] = []
        pods: dict[tuple[str, str], tuple[FaultLease, ...]] = {}
        for lease in sorted(leases, key=lambda each: LAYERS.index(each.fault_kind.layer)):
            target = parse_target(lease.target)
            if target.kind == "pod":
                key = (target.namespace, target.name)
                pods[key] = (*pods.get(key, ()), lease)
            elif target.kind == "node":
                (machine if lease.fault_kind.layer == "machine" else node).append(lease.kind)
            else:
                components.append(f"{target.kind} {lease.kind}")
        return cls(tuple(machine), tuple(node), tuple(components), pods)


def node_truth(power: PowerState, faults: FaultsHere) -> Truth:
    """Of the node itself. A fault that comes and goes, as a flap, is none while the node is up."""
    if power != "running":
        word = next(iter(faults.machine), _WORDS[power])
        return Truth("degraded" if power == "frozen" else "down", word)
    hurt = next(iter((*faults.node, *faults.components)), "")
    return Truth("degraded", hurt) if hurt else UP


@dataclass(frozen=True, slots=True)
class PodLife:
    """A pod as its runtime has it.

    Attributes:
        wanted: its containers; `serving`: those that run, and listen if they are to.
        any: whether there is anything of it, be it only about to start.
        deleted: the API server does not know it any more.
    """

    wanted: Collection[str]
    serving: Collection[str]
    any: bool
    frozen: bool
    deleted: bool


def pod_truth(
    power: PowerState, faults: FaultsHere, own: Collection[FaultLease], life: PodLife
) -> Truth:
    """Of one pod; `own` are the faults on it. It can do no better than its node.

    A pod whose probe alone is made to fail serves as before, and is up.
    """
    node = node_truth(power, replace(faults, components=()))
    if node.state == "down":
        return Truth("down", f"node {node.word}")
    missing = [name for name in life.wanted if name not in life.serving]
    if missing and not life.serving:
        return Truth("down", "starting" if life.any else "not running")
    hurt = [lease.kind for lease in own if lease.fault_kind.layer != "belief"]
    if hurt:
        return Truth("degraded", hurt[0])
    if life.frozen:
        return Truth("degraded", f"node {node.word}" if node.state == "degraded" else "frozen")
    if missing:
        return Truth("degraded", f"container {missing[0]} does not serve")
    if node.state == "degraded":
        return Truth("degraded", f"node {node.word}")
    if life.deleted:
        return Truth("degraded", "deleted, and still running")
    return Truth("up", next((lease.kind for lease in own), UP.word))
