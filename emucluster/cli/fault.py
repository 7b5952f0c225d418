"""`fault inject | list | clear | kinds`: what is broken, on purpose."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from emucluster.cli.fault_kinds import kinds
from emucluster.cli.objects import session
from emucluster.client.fault_request import FaultRequest
from emucluster.client.faults import GROUPS
from emucluster.client.lab import Fault
from emucluster.client.table import align
from emucluster.core.errors import UsageError
from emucluster.core.faults import FaultTarget, check, kind_at, parse_target
from emucluster.core.faults.kind import FaultKind
from emucluster.core.printing.ages import human_duration

_OF_PLANS = ("shape", "direction")


@click.group()
def fault() -> None:
    """Break things, see what is broken, and end it.

    \b
    node/NAME           power-off, crash, freeze, reboot, flap, slow, cpu-hog
    pod/[NS/]NAME       crash, freeze, gray, error-rate, slow, readiness-flap, zombie
    lb/[NS/]SERVICE     crash, freeze, blind, lying
    kube-proxy/NODE     stale, stop
    dns/NODE            error, stale, slow
    control-plane       crash, freeze, slow
    links between them  partition, latency, loss, bandwidth, reset, half-open

    `fault kinds` tells what each does, and its parameters.
    """


fault.add_command(kinds)


@fault.command()
@click.argument("kind")
@click.argument("target")
@click.option("--for", "for_s", type=float, metavar="S", help="End it after S seconds.")
@click.option(
    "--param", "params", multiple=True, metavar="K=V", help="A parameter, as delay=200ms."
)
@click.option(
    "--peer",
    "--from",
    "peers",
    multiple=True,
    metavar="PEER",
    help="Of a link: whose packets are hit as they arrive at TARGET; a target, or outside.",
)
@click.option(
    "--follow",
    type=click.Choice(["identity", "instance"]),
    default="identity",
    help="A target that restarts has it again (identity), or is rid of it (instance).",
)
def inject(
    kind: str,
    target: str,
    for_s: float | None,
    params: tuple[str, ...],
    peers: tuple[str, ...],
    follow: str,
) -> None:
    """Put a fault upon TARGET. It ends by itself after --for, or when cleared.

    \b
    emucluster fault inject power-off node/node-2 --for 30
    emucluster fault inject latency node/node-1 --peer outside --param delay=200ms
    emucluster fault inject partition zone/zone-a --peer control-plane --for 10

    zone/NAME and host/NAME stand for all nodes there: all of them are hit, or none. A crash of a
    pod or of the control plane is over at once: they are restarted.
    """
    read = read_params(kind, _one_of(target), params)
    if not any(peer.partition("/")[0] in GROUPS for peer in peers):
        check(kind, _one_of(target), read, for_s, peers)
    with session() as cluster:
        made = cluster.inject_all(FaultRequest(kind, target, for_s, read, peers, follow))
    for each in made:
        click.echo(told(each, for_s))


def read_params(kind: str, target: FaultTarget, given: Sequence[str]) -> dict[str, Any]:
    """`K=V` of the command line, each as its kind takes it. Raises UsageError."""
    found = kind_at(kind, target)
    known = {param.name: param for param in found.params}
    read: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f'--param "{text}": must be NAME=VALUE')
        if found.is_link and name in _OF_PLANS:
            raise UsageError(
                f"--param {name}: is of experiments; here packets are hit as they arrive at "
                f"{target}: for the other way, inject it at the peer"
            )
        if name in known:
            read[name] = _read(found, name, value)
        else:
            read[name] = value  # `check` says what there is
    return read


def _read(kind: FaultKind, name: str, text: str) -> Any:
    param = next(param for param in kind.params if param.name == name)
    try:
        return param.read(text)
    except ValueError as error:
        raise UsageError(f"--param {name}: {error}") from None


def _one_of(target: str) -> FaultTarget:
    """The target, or a node that stands for those of a zone or host."""
    group, _, name = target.partition("/")
    return FaultTarget("node", "", name) if group in GROUPS and name else parse_target(target)


def told(made: Fault, for_s: float | None) -> str:
    """What became of an injected fault, in a line."""
    peers = f" from {', '.join(made.peers)}" if made.peers else ""
    head = f"fault {made.id}: {made.kind} on {made.target}{peers}"
    if made.state == "ended":
        restarted = "; it is restarted by itself" if made.kind == "crash" else ""
        return f"{head} done ({made.mechanism}){restarted}"
    lasts_s = for_s if made.ends_s is None else made.ends_s - made.injected_s
    until = f"until `emucluster fault clear {made.id}`"
    return (
        f"{head} in force ({made.mechanism}) {until if lasts_s is None else f'for {lasts_s:g} s'}"
    )


@fault.command("list")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def list_(output: str) -> None:
    """Show the faults in force."""
    with session() as cluster:
        faults = cluster.faults()
    if output == "json":
        for found in faults:
            click.echo(json.dumps(asdict(found)))
    elif not faults:
        click.echo("No faults in force", err=True)
    else:
        click.echo(align(rows(faults, time.time())))


def rows(faults: list[Fault], now_s: float) -> list[list[str]]:
    """The table of `fault list`, its header first."""
    lines = [["ID", "KIND", "TARGET", "FROM", "PARAMETERS", "AGE", "ENDS", "MECHANISM"]]
    for found in faults:
        lines.append(
            [
                found.id,
                found.kind,
                found.target,
                ",".join(found.peers) or "<none>",
                _params(found) or "<none>",
                human_duration(now_s - found.injected_s),
                _ends(found, now_s),
                found.mechanism,
            ]
        )
    return lines


def _params(found: Fault) -> str:
    """`delay=0.2s,jitter=0s`, without what only plans need."""
    kind = kind_at(found.kind, parse_target(found.target))
    types = {param.name: param.type for param in kind.params}
    hidden = _OF_PLANS if kind.is_link else ()
    return ",".join(
        f"{name}={value:g}s" if types.get(name) == "duration" else f"{name}={value}"
        for name, value in found.params.items()
        if name not in hidden
    )


def _ends(found: Fault, now_s: float) -> str:
    if found.error:
        return found.error
    return "when cleared" if found.ends_s is None else _in(found.ends_s - now_s)


def _in(seconds: float) -> str:
    return f"in {human_duration(max(0.0, seconds))}"


@fault.command()
@click.argument("fault_id", required=False, metavar="[ID]")
@click.option("--all", "everything", is_flag=True, help="End all faults.")
def clear(fault_id: str | None, everything: bool) -> None:
    """End one fault, or --all."""
    if bool(fault_id) == everything:
        raise UsageError("fault clear needs an ID, or --all")
    with session() as cluster:
        cleared = cluster.clear_faults(fault_id)
    for found in cleared:
        click.echo(f"fault {found.id}: {found.kind} on {found.target} ended")
    if not cleared:
        click.echo("No faults in force", err=True)
