"""What is told of the cluster when a test has failed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from emucluster.client.lab import Fault
from emucluster.client.path import Hop
from emucluster.client.table import align
from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Node, Pod
from emucluster.pytest_plugin.experiments import told

if TYPE_CHECKING:
    from emucluster.pytest_plugin.session import NamespaceSession

FLOWS_MAX = 20


def evidence(session: NamespaceSession) -> str:
    """Faults, machines, pods and broken connections since the test began. Never raises."""
    lines = [f'cluster "{session.name}", namespace {session.namespace}']
    lines += [told(result) for result in session.results]
    for part in (_faults, _nodes, _pods, _flows):
        try:
            lines += part(session)
        except EmuclusterError as error:
            lines.append(f"{part.__name__.lstrip('_')}: not known: {error}")
    return "\n".join(lines)


def _faults(session: NamespaceSession) -> Iterator[str]:
    in_force = {fault.id: fault for fault in session.faults()}
    told = {fault.id: fault for fault in session.injected} | in_force
    if not told and not session.results:
        yield "no fault was injected"
    for fault in told.values():
        state = "in force" if fault.id in in_force else "over"
        began = f"fault {fault.kind} on {fault.target} at {_clock(fault.injected_s)}"
        yield f"{began}: {state}{_how(fault)}"


def _how(fault: Fault) -> str:
    return f" ({fault.mechanism})" if fault.mechanism else ""


def _nodes(session: NamespaceSession) -> Iterator[str]:
    states = {m.name: m.state for m in session.machines() if m.kind == "node"}
    ready = {
        node.metadata.name: _ready(node)
        for node in session.get("nodes", namespace="*")
        if isinstance(node, Node)
    }
    told = [
        f"{name} process {state}, {ready.get(name, 'no Node')}" for name, state in states.items()
    ]
    yield "nodes: " + "; ".join(told)


def _pods(session: NamespaceSession) -> Iterator[str]:
    rows = [
        [pod.metadata.name, pod.spec.node_name or "<none>", pod.status.phase or "", _ready(pod)]
        for pod in session.get("pods")
        if isinstance(pod, Pod)
    ]
    yield align([["POD", "NODE", "PHASE", "READY"], *rows]) if rows else "no pods"


def _ready(obj: Node | Pod) -> str:
    states = [c.status for c in obj.status.conditions if c.type == "Ready"]
    return {"True": "Ready", "False": "not Ready"}.get(states[0] if states else "", "Ready unknown")


def _flows(session: NamespaceSession) -> Iterator[str]:
    found = session.flows(since_s=session.began_s)
    began = [hop for hop in found.hops if hop.start_s >= session.began_s]
    broken = [hop for hop in began if hop.how not in ("fin", "open")]
    last = f", the last {FLOWS_MAX} of them:" if len(broken) > FLOWS_MAX else ""
    counted = f"{len(began)}, of which broken: {len(broken)}"
    yield f"connections, each counted at every hop: {counted}{last}"
    if broken:
        shown = sorted(broken, key=lambda hop: hop.start_s)[-FLOWS_MAX:]
        yield align([["BEGAN", "FOR", "AT", "HOP", "FROM", "TO", "ENDED"], *_rows(shown)])


def _rows(hops: Iterable[Hop]) -> Iterator[list[str]]:
    for hop in hops:
        to = hop.out_peer or hop.in_local
        took = "" if hop.end_s is None else f"{hop.end_s - hop.start_s:.2f} s"
        yield [
            _clock(hop.start_s),
            took,
            hop.host,
            hop.kind,
            f"{hop.in_peer[0]}:{hop.in_peer[1]}",
            f"{to[0]}:{to[1]}",
            f"{hop.how} by {hop.closed_by or '?'}{': ' + hop.reason if hop.reason else ''}",
        ]


def _clock(wall_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(wall_s)) + f".{int(wall_s * 1000) % 1000:03d}"
