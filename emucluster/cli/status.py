"""`status`: the cluster as it really is, which nobody in the cluster is told."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from emucluster.cli import which
from emucluster.cli.cluster import reach
from emucluster.cli.fault import rows as fault_rows
from emucluster.client import instances
from emucluster.client.table import align
from emucluster.core.faults import parse_target
from emucluster.core.printing.ages import human_duration

if TYPE_CHECKING:
    from emucluster.client.balancers import BalancerView
    from emucluster.client.lab import Fault, Machine, Status

_UNDER = {
    "power-off": "powered off",
    "crash": "crashed",
    "freeze": "frozen",
    "reboot": "rebooting",
    "flap": "flapping",
}
_MODES = {
    "kernel filter": "a machine without power drops packets in the kernel",
    "imitated": "the kernel lets no filter be set; silence is imitated by not reading",
}


@click.command()
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text")
def status(output: str) -> None:
    """How to reach the cluster, its machines as they really are, the faults in force."""
    from emucluster.client.balancers import ask_balancers
    from emucluster.client.experiments.run_lock import unfinished
    from emucluster.client.lab import LabClient

    record = instances.find(which.cluster())
    lab = LabClient(record.lab, record.token)
    try:
        found = lab.status()
    finally:
        lab.close()
    balancers = ask_balancers(found.machines, record.token)
    found = with_faults(found)
    killed = unfinished(record.directory)
    left = "" if killed is None else killed.named
    if output == "json":
        shown = plain(found, balancers, unfinished=left)
        click.echo(json.dumps(shown, indent=2, default=str))
    else:
        click.echo(told(found, balancers, time.time(), unfinished=left))


def with_faults(found: Status) -> Status:
    """Only the faults in force, and machines under one of them in its state."""
    faults = tuple(fault for fault in found.faults if fault.state == "in force")
    machines = tuple(
        dataclasses.replace(machine, state=_state(machine, faults)) for machine in found.machines
    )
    return dataclasses.replace(found, faults=faults, machines=machines)


def _state(machine: Machine, faults: Sequence[Fault]) -> str:
    if machine.state == "gone" or machine.kind in ("keeper", "load-generator"):
        return machine.state
    named = f"node/{machine.name}" if machine.kind == "node" else machine.name
    target = str(parse_target(named))
    kinds = (fault.kind for fault in faults if fault.target == target)
    return next((_UNDER[kind] for kind in kinds if kind in _UNDER), machine.state)


def plain(
    found: Status, balancers: Sequence[BalancerView], *, unfinished: str = ""
) -> dict[str, object]:
    """What `-o json` prints."""
    return {
        **dataclasses.asdict(found),
        "outside": dict(found.outside),
        "published": dict(found.published),
        "unfinished_run": unfinished,
        "load_balancers": [dataclasses.asdict(view) for view in balancers],
    }


def told(
    found: Status, balancers: Sequence[BalancerView], now_s: float, *, unfinished: str = ""
) -> str:
    """What `status` prints for people.

    Args:
        unfinished: names a run that was killed and is not rolled back.
    """
    nodes = sum(machine.kind == "node" for machine in found.machines)
    lines = [
        f'Cluster "{found.name}", up for {human_duration(now_s - found.started_s)}: {nodes} '
        f"node{'s' if nodes != 1 else ''}, cloud {found.cloud}, packing {found.packing}, "
        f"speed {found.speed:g}",
        *reach(found.kubernetes, found.api, found.dns, found.lab, found.directory),
        f"  Ray        {found.ray_address}",
        f"  Failures   {found.failure_mode}: {_MODES.get(found.failure_mode, '')}",
        *_metrics(found.machines),
        *(f"  Outside    {name} at {place}" for name, place in sorted(found.outside.items())),
        "",
        align(_machines(found.machines, balancers)),
        *_balancers(balancers),
        *_published(found.published),
        "",
        align(fault_rows(list(found.faults), now_s)) if found.faults else "No faults in force.",
        *_unfinished(unfinished, found.name),
    ]
    return "\n".join(lines)


def _unfinished(named: str, cluster: str) -> list[str]:
    if not named:
        return []
    again = f"`emucluster run FILE --cluster {cluster}`"
    return ["", f"Not rolled back: {named}, which was killed; {again} does it first."]


def _machines(machines: Sequence[Machine], balancers: Sequence[BalancerView]) -> list[list[str]]:
    several = any(machine.host not in ("", "127.0.0.1") for machine in machines)
    addresses = {view.name: ",".join(view.addresses) for view in balancers}
    header = ["MACHINE", "STATE", "PID", "ADDRESS", "ZONE", "AGENT", *(["HOST"] if several else [])]
    rows = [
        [
            machine.name,
            machine.state,
            str(machine.pid or ""),
            addresses.get(machine.name, machine.address),
            machine.zone,
            machine.agent,
            *([machine.host] if several else []),
        ]
        for machine in machines
    ]
    return [header, *([cell or "<none>" for cell in row] for row in rows)]


def _metrics(machines: Sequence[Machine]) -> list[str]:
    count = sum(len(machine.metrics) for machine in machines)
    return [f"  Metrics    {count} pages for Prometheus: `emucluster metrics`"] if count else []


def _balancers(balancers: Sequence[BalancerView]) -> list[str]:
    if not balancers:
        return []
    lines = [["LOAD BALANCER", "ADDRESS(ES)", "NODE", "NODEPORT", "TARGET"]]
    for view in balancers:
        shown = [[each.node, str(each.node_port), each.state] for each in view.targets]
        nothing = ["<none>", "<none>", "<unknown>" if view.silent else "<none>"]
        for cells in shown or [nothing]:
            lines.append([view.name, ",".join(view.addresses), *cells])
    return ["", align(lines)]


def _published(published: Mapping[str, str]) -> list[str]:
    if not published:
        return []
    rows = [["PUBLISHED", "FOR OTHER MACHINES AT"], *([n, at] for n, at in published.items())]
    return ["", align(rows)]
