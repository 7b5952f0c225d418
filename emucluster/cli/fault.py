"""`fault inject | list | clear`: what is broken, on purpose."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click

from emucluster.cli.objects import session
from emucluster.client.lab import Fault
from emucluster.client.table import align
from emucluster.client.table.durations import human_duration
from emucluster.core.errors import UsageError
from emucluster.core.faults import check, parse_target


@click.group()
def fault() -> None:
    """Break things, see what is broken, and end it.

    \b
    node/NAME           power-off, crash, freeze
    pod/[NS/]NAME       crash, freeze
    lb/[NS/]SERVICE     crash, freeze
    control-plane       crash, freeze
    """


@fault.command()
@click.argument("kind")
@click.argument("target")
@click.option("--for", "for_s", type=float, metavar="S", help="End it after S seconds.")
def inject(kind: str, target: str, for_s: float | None) -> None:
    """Put a fault upon TARGET. It ends by itself after --for, or when cleared.

    A crash of a pod or of the control plane is over at once: they are restarted.
    """
    check(kind, parse_target(target), for_s)
    with session() as cluster:
        made = cluster.inject(kind, target, for_s)
    click.echo(told(made, for_s))


def told(made: Fault, for_s: float | None) -> str:
    """What became of an injected fault, in a line."""
    head = f"fault {made.id}: {made.kind} on {made.target}"
    if made.state == "ended":
        return f"{head} done ({made.mechanism}); it is restarted by itself"
    until = f"for {for_s:g} s" if for_s is not None else f"until `emucluster fault clear {made.id}`"
    return f"{head} in force ({made.mechanism}) {until}"


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
    lines = [["ID", "KIND", "TARGET", "AGE", "ENDS", "MECHANISM"]]
    for found in faults:
        ends = "when cleared" if found.ends_s is None else _in(found.ends_s - now_s)
        age = human_duration(now_s - found.injected_s)
        lines.append([found.id, found.kind, found.target, age, ends, found.mechanism])
    return lines


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
