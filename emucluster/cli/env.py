"""`env`: how a process of the user's gets inside."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping

import click

from emucluster.cli.objects import namespace_option, session
from emucluster.core.errors import UsageError
from emucluster.live.pods.inside import VARIABLES


@click.command()
@click.argument("place", metavar="pod/NAME|node/NAME", required=False)
@namespace_option
@click.option(
    "-o", "--output", type=click.Choice(["shell", "json"]), default="shell", show_default=True
)
@click.option("--unset", is_flag=True, help="Print what leaves again; it needs no cluster.")
def env(place: str | None, namespace: str, output: str, unset: bool) -> None:
    """Print the environment of a gRPC client inside, where the pod is.

    \b
    eval "$(emucluster env pod/client)"
    python my_client.py web.default.svc.cluster.local:80
    eval "$(emucluster env --unset)"

    Of a headless Service that balances in the client, the name is
    dns://$EMUCLUSTER_DNS/NAME.NAMESPACE.svc.cluster.local:PORT; README tells which languages can.
    """
    if unset:
        if place is not None or output != "shell":
            raise UsageError("--unset stands alone: it prints the same for every place")
        click.echo(unset_line(VARIABLES))
        return
    if place is None:
        raise UsageError("say where: pod/NAME or node/NAME")
    with session(namespace) as cluster:
        variables = cluster.env(place)
    click.echo(json.dumps(variables, indent=2) if output == "json" else exports(variables))


def exports(variables: Mapping[str, str]) -> str:
    """Lines for `eval` in a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def unset_line(names: Iterable[str]) -> str:
    return f"unset {' '.join(names)}"
