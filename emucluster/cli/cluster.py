"""`up`, `down`, `status`: the life of clusters."""

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emucluster.cli.output import Progress
from emucluster.client import instances, options
from emucluster.client.table import align
from emucluster.client.table.durations import human_duration
from emucluster.core.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from emucluster.client.lab import Fault, Status
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
@click.option("--name", help="Name of the cluster. [emu]")
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
@click.option("--pods", type=int, help="Pods to expect, for the estimate of memory. [2 per node]")
@click.option("--ray-address", metavar="HOST:PORT", help="Use this Ray, of one or more machines.")
@click.option("--bind", metavar="ADDR", help="With --ray-address: this machine's own address.")
@click.pass_obj
def up(cluster: str | None, /, file: Path | None, **given: Any) -> None:
    """Start a cluster that outlives this command, and print how to reach it."""
    chosen = _options(cluster, file, given)
    # Only here: it reads much of the machine, and `down` and `status` need none of it.
    from emucluster.client.start import start_cluster

    with Progress() as progress:
        record = start_cluster(chosen, progress=progress)
    click.echo(_started(record, progress.elapsed_s))


def _options(cluster: str | None, file: Path | None, given: dict[str, Any]) -> options.StartOptions:
    """The file's options under those of the command line; `--cluster` names a new one too."""
    from_file = options.read_cluster_file(file) if file is not None else {}
    chosen = options.merge(from_file, given)
    name = chosen.name or cluster or instances.DEFAULT_NAME
    instances.check_name(name)
    return dataclasses.replace(chosen, name=name)


def _started(record: "ClusterRecord", took_s: float) -> str:
    zones = f" in {len(record.zones)} zones" if len(record.zones) > 1 else ""
    lines = [
        f'Cluster "{record.name}" is up after {took_s:.1f} s: '
        f"{record.nodes} node{'s' if record.nodes > 1 else ''}{zones}, cloud {record.cloud}, "
        f"packing {record.packing}, speed {record.speed:g}.",
        *_reach(record.api, record.dns, record.lab, record.directory),
        "",
        "  emucluster apply -f FILE        run something on it",
        "  emucluster status               its machines and faults",
        f"  emucluster down {record.name:<16}remove every trace of it",
    ]
    if record.cloud == "aws-nlb":
        lines.insert(1, "Unlike an NLB, the load balancer has one address, with cross-zone on.")
    return "\n".join(lines)


def _reach(api: str, dns: str, lab: str, directory: str) -> list[str]:
    host, _, port = dns.rpartition(":")
    return [
        f"  API        {api} (gRPC)",
        f"  DNS        {dns}" + (f" (dig @{host} -p {port} NAME)" if host else ""),
        f"  Lab        {lab} (gRPC: machines, faults, flows)",
        f"  Directory  {directory} (token, logs)",
    ]


@click.command()
@click.argument("name", required=False)
@click.option("--all", "all_", is_flag=True, help="All clusters of this user.")
@click.pass_obj
def down(cluster: str | None, name: str | None, all_: bool) -> None:
    """Remove every trace of a cluster: NAME, or the only one, or --all.

    Works for clusters that are half started or dead as well.
    """
    if name and all_:
        raise UsageError("down: NAME and --all exclude each other")
    instances.sweep_litter()
    found = instances.list_instances() if all_ else [_the_one(name or cluster)]
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


@click.command()
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def status(cluster: str | None, output: str) -> None:
    """How to reach the cluster, its machines as they really are, the faults in force."""
    from emucluster.client.lab import LabClient

    record = instances.find(cluster)
    lab = LabClient(record.lab, record.token)
    try:
        found = lab.status()
    finally:
        lab.close()
    if output == "json":
        maps = {"outside": dict(found.outside), "published": dict(found.published)}
        plain = {**dataclasses.asdict(found), **maps}
        click.echo(json.dumps(plain, indent=2, default=str))
    else:
        click.echo(_told(found, time.time()))


def _told(found: "Status", now_s: float) -> str:
    nodes = sum(machine.kind == "node" for machine in found.machines)
    several = any(machine.host not in ("", "127.0.0.1") for machine in found.machines)
    header = ["MACHINE", "STATE", "PID", "ADDRESS", "ZONE", "AGENT", *(["HOST"] if several else [])]
    rows = [
        [
            machine.name,
            machine.state,
            str(machine.pid or ""),
            machine.address,
            machine.zone,
            machine.agent,
            *([machine.host] if several else []),
        ]
        for machine in found.machines
    ]
    lines = [
        f'Cluster "{found.name}", up for {human_duration(now_s - found.started_s)}: {nodes} '
        f"node{'s' if nodes != 1 else ''}, cloud {found.cloud}, packing {found.packing}, "
        f"speed {found.speed:g}",
        *_reach(found.api, found.dns, found.lab, found.directory),
        f"  Ray        {found.ray_address}",
        f"  Failures   {found.failure_mode}: {_MODES.get(found.failure_mode, '')}",
        *(f"  Outside    {name} at {place}" for name, place in sorted(found.outside.items())),
        "",
        align([header, *([cell or "<none>" for cell in row] for row in rows)]),
        *_published(found.published),
        "",
        _faults([fault for fault in found.faults if fault.state == "in force"], now_s),
    ]
    return "\n".join(lines)


def _published(published: "Mapping[str, str]") -> list[str]:
    if not published:
        return []
    rows = [["PUBLISHED", "FOR OTHER MACHINES AT"], *([n, at] for n, at in published.items())]
    return ["", align(rows)]


_MODES = {
    "kernel filter": "a machine without power drops packets in the kernel",
    "imitated": "the kernel lets no filter be set; silence is imitated by not reading",
}


def _faults(faults: "list[Fault]", now_s: float) -> str:
    if not faults:
        return "No faults in force."
    rows = [
        [
            fault.id,
            fault.kind,
            fault.target,
            human_duration(now_s - fault.injected_s),
            "until cleared" if fault.ends_s is None else f"{max(0.0, fault.ends_s - now_s):.0f}s",
            fault.mechanism,
        ]
        for fault in faults
    ]
    return align([["FAULT", "KIND", "TARGET", "AGE", "LEFT", "MECHANISM"], *rows])
