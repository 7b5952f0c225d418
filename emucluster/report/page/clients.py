"""Who called, and the cluster that they called, as far as results and records tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from emucluster.experiment.history import History
from emucluster.experiment.topology import NodeInfo, PodInfo, ServiceInfo, Topology
from emucluster.report.words import rate


class Client(Struct, frozen=True, kw_only=True):
    """A client group as drawn. `place` is where it is: `outside`, `node/NAME` or `zone/NAME`."""

    name: str
    place: str
    target: str
    node: str
    load: str


def clients_of(experiment: Mapping[str, Any], topology: Topology) -> list[Client]:
    """The workload of an experiment, as `results.json` has it."""
    nodes = {f"{pod.namespace}/{pod.name}": pod.node for pod in topology.pods}
    found: list[Client] = []
    for group in experiment.get("workload", ()):
        source = str(group.get("source", "outside"))
        if source.startswith("pod/"):
            name = source.removeprefix("pod/")
            full = name if "/" in name else f"{group.get('namespace', 'default')}/{name}"
            source = f"node/{nodes.get(full, '?')}"
        found.append(
            Client(
                name=str(group.get("name", "")),
                place=source,
                target=str(group.get("target", "")),
                node=str(group.get("node", "")),
                load=_load(group),
            )
        )
    return found


def _load(group: Mapping[str, Any]) -> str:
    arrival = group.get("arrival") or {}
    kind = arrival.get("kind", "")
    if kind == "closed":
        load = f"closed loop of {arrival.get('concurrency', 1)}"
    elif kind == "ramp":
        load = f"{rate(arrival.get('from', 0))} to {rate(arrival.get('to', 0))}"
    else:
        load = f"{rate(arrival.get('rate', 0))} {kind}"
    return f"{load}, {group.get('connection', 'shared')}"


def topology_of(history: History) -> Topology:
    """The cluster as the truths of a history tell it, where no topology was kept."""
    nodes: dict[str, NodeInfo] = {}
    pods: dict[str, PodInfo] = {}
    for truth in history.truths:
        kind, _, name = truth.subject.partition("/")
        if kind == "node":
            nodes[name] = NodeInfo(name=name, zone=truth.zone)
        elif kind == "pod":
            namespace, _, pod = name.partition("/")
            pods[name] = PodInfo(name=pod, namespace=namespace, node=truth.node)
    names = {belief.where for belief in history.beliefs if belief.observer == "load-balancer"}
    balancers = [name.partition("/") for name in sorted(names) if "/" in name]
    services = [
        ServiceInfo(name=name, namespace=space, type="LoadBalancer") for space, _, name in balancers
    ]
    return Topology(
        nodes=tuple(nodes.values()), pods=tuple(pods.values()), services=tuple(services)
    )
