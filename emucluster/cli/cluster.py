"""`up` and `down`: the life of clusters."""

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emucluster.cli import which
from emucluster.cli.output import Progress
from emucluster.client import instances, options
from emucluster.core.errors import ClusterError, UsageError
from emucluster.live.keeper.settings import KUBECONFIG_FILES

if TYPE_CHECKING:
    from emucluster.live.keeper.settings import ClusterRecord


@click.command()
@click.option("--nodes", type=int, help="Worker nodes. [3]")
@click.option("--zones", type=int, help="Availability zones; nodes go round them. [1]")
@click.option(
    "--cloud",
    type=click.Choice(options.CLOUDS),
    help="Whose load balancers Services of that type get. [aws-nlb]",
)
@click.option(
    "--packing",
    type=click.Choice(options.PACKINGS),
    help="A process for each pod, or pods inside their node's process. [pod]",
)
@click.option(
    "--speed", type=float, help="Divides configured durations (leases, probes, ...), 1 to 1000. [1]"
)
@click.option(
    "-f",
    "file",
    type=click.Path(path_type=Path),
    help="cluster.yaml with the same options; those given here win.",
)
@click.option("--stand-in", type=click.Choice(options.STAND_INS), help="Run echo for any image.")
@click.option(
    "--kube-proxy-mode",
    type=click.Choice(options.KUBE_PROXY_MODES),
    help="Choose endpoints by round robin, as IPVS does, or at random, as iptables does. [rr]",
)
@click.option(
    "--fsync/--no-fsync",
    default=None,
    help="Answer writes once the disk has them, against loss of power. [no]",
)
@click.option("--pods", type=int, help="Pods to expect, for the estimate of memory. [2 per node]")
@click.option("--ray-address", metavar="HOST:PORT", help="Use this Ray, of one or more machines.")
@click.option("--bind", metavar="ADDR", help="With --ray-address: this machine's own address.")
def up(file: Path | None, **given: Any) -> None:
    """Start a cluster that outlives this command, and print how to reach it."""
    chosen = _options(file, given)
    # Only here: it reads much of the machine, and `down` and `status` need none of it.
    from emucluster.client.start import start_cluster

    with Progress() as progress:
        record = start_cluster(chosen, progress=progress)
    click.echo(_started(record, progress.elapsed_s))


up.params.append(which.ClusterOption("--name", help="Name of the cluster. [emu]"))


def _options(file: Path | None, given: dict[str, Any]) -> options.StartOptions:
    """The file's options under those of the command line; EMUCLUSTER names a new one too."""
    from_file = options.read_cluster_file(file) if file is not None else {}
    chosen = options.merge(from_file, {**given, "name": which.given()})
    name = chosen.name or which.cluster() or instances.DEFAULT_NAME
    instances.check_name(name)
    return dataclasses.replace(chosen, name=name)


def _started(record: "ClusterRecord", took_s: float) -> str:
    zones = f" in {len(record.zones)} zones" if len(record.zones) > 1 else ""
    lines = [
        f'Cluster "{record.name}" is up after {took_s:.1f} s: '
        f"{record.nodes} node{'s' if record.nodes > 1 else ''}{zones}, cloud {record.cloud}, "
        f"packing {record.packing}, speed {record.speed:g}.",
        *reach(record.kubernetes, record.api, record.dns, record.lab, record.directory),
        "",
        "  kubectl get pods -A             or any other client of Kubernetes",
        "  emucluster apply -f FILE        run something on it (or kubectl apply)",
        "  emucluster status               its machines and faults",
        f"  emucluster down {record.name:<16}remove every trace of it",
    ]
    if record.cloud == "aws-nlb":
        lines.insert(1, "Unlike an NLB, the load balancer has one address, with cross-zone on.")
    return "\n".join(lines)


def reach(kubernetes: str, api: str, dns: str, lab: str, directory: str) -> list[str]:
    """Where a cluster is reached, in lines."""
    host, _, port = dns.rpartition(":")
    kubeconfig = str(Path(directory) / KUBECONFIG_FILES["admin"])
    return [
        f"  Kubernetes https://{kubernetes} (export KUBECONFIG={shlex.quote(kubeconfig)})",
        f"  API        {api} (gRPC)",
        f"  DNS        {dns}" + (f" (dig @{host} -p {port} NAME)" if host else ""),
        f"  Lab        {lab} (gRPC: machines, faults, flows)",
        f"  Directory  {directory} (token, logs)",
    ]


@click.command()
@click.argument("name", required=False)
@click.option("--all", "all_", is_flag=True, help="All clusters of this user.")
def down(name: str | None, all_: bool) -> None:
    """Remove every trace of a cluster: NAME, or the only one, or --all.

    Works for clusters that are half started or dead as well.
    """
    if (name or which.given()) and all_:
        raise UsageError("down: NAME and --all exclude each other")
    instances.sweep_litter()
    found = instances.list_instances() if all_ else [_the_one(which.cluster(name))]
    failed: list[str] = []
    with Progress() as progress:
        for instance in found:
            progress(f'stopping "{instance.name}"')
            try:
                instances.sweep(instance)
            except ClusterError as error:
                failed.append(str(error))
    for instance in found:
        if not any(f'"{instance.name}"' in text for text in failed):
            click.echo(f'Cluster "{instance.name}" is down.')
    if all_ and not found:
        click.echo("No cluster is running.")
    if failed:
        raise ClusterError("; ".join(failed))


def _the_one(name: str | None) -> instances.Instance:
    if name is not None:
        return instances.instance(name)
    found = instances.list_instances()
    if len(found) > 1:
        names = ", ".join(instance.name for instance in found)
        raise UsageError(f"several clusters are there ({names}): name one, or give --all")
    if not found:
        raise ClusterError("no cluster is running")
    return found[0]
