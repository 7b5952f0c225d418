"""`kubeconfig`: the door for kubectl and for client libraries."""

import click

from emucluster.cli import which
from emucluster.client import instances


@click.command()
@click.argument("name", required=False)
@click.option(
    "--user",
    type=click.Choice(["admin", "view"]),
    default="admin",
    show_default=True,
    help="As whom: view may only read.",
)
def kubeconfig(name: str | None, user: str) -> None:
    """Print the path of a file for KUBECONFIG, of the cluster NAME.

    \b
    config=$(emucluster kubeconfig) && export KUBECONFIG="$config"
    kubectl get nodes

    `export KUBECONFIG=$(...)` in one would go on with an empty KUBECONFIG, and so with another
    cluster, where none runs here. The file is in the cluster's own directory, and goes with it.
    """
    click.echo(instances.find(which.cluster(name)).kubeconfig(user))
