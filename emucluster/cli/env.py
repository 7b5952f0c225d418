"""`env`: how a process of the user's gets inside."""

from __future__ import annotations

import shlex

import click

from emucluster.cli.objects import session


@click.command()
@click.argument("place", metavar="pod/NAME|node/NAME")
@click.option("--namespace", default="default", show_default=True, metavar="NS")
def env(place: str, namespace: str) -> None:
    """Print the environment of a gRPC client inside, where the pod is.

    \b
    eval "$(emucluster env pod/client)"
    python my_client.py web.default.svc.cluster.local:80
    """
    with session(namespace) as cluster:
        for name, value in cluster.env(place).items():
            click.echo(f"export {name}={shlex.quote(value)}")
