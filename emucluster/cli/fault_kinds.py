"""`fault kinds`: the catalogue of what can be broken."""

from __future__ import annotations

import json

import click

from emucluster.client.table import align
from emucluster.core.faults.kind import FaultKind, Param
from emucluster.core.faults.kinds import KINDS, LINK_ENDS


@click.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def kinds(output: str) -> None:
    """List every kind of fault: whom it can hit, what others see, its parameters."""
    if output == "json":
        click.echo(json.dumps([plain(kind) for kind in KINDS], indent=2))
        return
    faults = [kind for kind in KINDS if not kind.is_operation]
    click.echo(align([["KIND", "TARGET", "WHAT OTHERS SEE", "PARAMETERS"], *map(_row, faults)]))
    click.echo(f"\nA fault of a link is held by a {', '.join(LINK_ENDS)}, and has --peer.\n")
    operations = [kind for kind in KINDS if kind.is_operation]
    click.echo("Operations, which `emucluster run` does:\n")
    click.echo(align([["KIND", "TARGET", "WHAT IT DOES", "PARAMETERS"], *map(_row, operations)]))


def plain(kind: FaultKind) -> dict[str, object]:
    """What `-o json` prints of a kind."""
    return {
        "kind": kind.name,
        "targets": list(kind.targets),
        "layer": kind.layer,
        "what": kind.doc,
        "seen_by": kind.seen_by,
        "is_operation": kind.is_operation,
        "is_over_at_once": kind.once,
        "kills": kind.kills,
        "params": [
            {
                "name": param.name,
                "type": param.type,
                "what": param.doc,
                "allowed": param.words,
                "default": param.default,
                "required": param.required,
            }
            for param in kind.params
        ],
    }


def _row(kind: FaultKind) -> list[str]:
    params = " ".join(_shown(param) for param in kind.params) or "<none>"
    return [kind.name, ",".join(kind.targets), kind.doc, params]


def _shown(param: Param) -> str:
    """`delay=0.2s`; `replicas=` is required, `[times=]` is not set by default."""
    if param.required:
        return f"{param.name}="
    if param.default is None:
        return f"[{param.name}=]"
    if isinstance(param.default, dict):
        return f"{param.name}={json.dumps(param.default)}"
    if isinstance(param.default, float):
        unit = "s" if param.type == "duration" else ""
        return f"{param.name}={param.default:g}{unit}"
    return f"{param.name}={param.default}"
