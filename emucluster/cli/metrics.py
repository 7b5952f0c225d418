"""`metrics`: where Prometheus finds what every machine tells, and what that is."""

from __future__ import annotations

import dataclasses
import json

import click

from emucluster.cli import which
from emucluster.client import instances
from emucluster.client.metrics import pages, scrape_config
from emucluster.client.table import align
from emucluster.core.errors import NotFound, UsageError


@click.command()
@click.argument("machine", required=False)
@click.option("--component", help="Only this one: emucluster, kube-proxy or kubelet.")
@click.option("--scrape-config", "config", is_flag=True, help="Print a prometheus.yml for them.")
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text")
def metrics(machine: str | None, component: str | None, config: bool, output: str) -> None:
    """List the pages of metrics, or print those of MACHINE (node-1 or node/node-1).

    A node's kube-proxy and kubelet share its fate: without power they do not answer. What
    emucluster tells of a machine is read at a port beside it.
    """
    from emucluster.client.lab import LabClient

    if machine is not None and (config or output == "json"):
        raise UsageError("metrics: MACHINE prints its metrics, with no other form")
    record = instances.find(which.cluster())
    lab = LabClient(record.lab, record.token)
    try:
        machines = lab.status().machines
    finally:
        lab.close()
    found = [page for page in pages(machines) if component in (None, page.component)]
    if config:
        import yaml

        click.echo(yaml.safe_dump(scrape_config(machines, record.name), sort_keys=False), nl=False)
    elif machine is not None:
        names = (machine, machine.removeprefix("node/"))
        wanted = [page for page in found if page.machine in names]
        if not wanted:
            known = ", ".join(dict.fromkeys(page.machine for page in found))
            raise NotFound(f'no metrics of "{machine}": there are {known or "none"}')
        for page in wanted:
            click.echo(f"# {page.url}\n{page.read()}", nl=False)
    elif output == "json":
        rows = [dataclasses.asdict(page) | {"url": page.url} for page in found]
        click.echo(json.dumps(rows, indent=2))
    else:
        header = ["MACHINE", "COMPONENT", "URL"]
        click.echo(align([header, *([page.machine, page.component, page.url] for page in found)]))
