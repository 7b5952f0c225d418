"""`trace`: one connection as a path, from flow records."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import click

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from emucluster.cli.call import TARGET_HELP
from emucluster.cli.objects import session
from emucluster.client.calls import Call
from emucluster.client.cluster import Session
from emucluster.client.path import UNKNOWN, Address, Hop
from emucluster.client.table import align
from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Pod


@click.command()
@click.argument("target", metavar=TARGET_HELP)
@click.option(
    "--from",
    "source",
    default="outside",
    show_default=True,
    metavar="outside|pod/NAME|node/NAME",
    help="Where the client stands.",
)
@click.option("--node", default="", metavar="NAME", help="Through this node's NodePort.")
@click.option("--timeout", type=float, default=5.0, show_default=True, metavar="S")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--namespace", default="default", show_default=True, metavar="NS")
def trace(target: str, source: str, node: str, timeout: float, output: str, namespace: str) -> None:
    """Make one call to TARGET and tell its connection hop by hop, with both addresses of each.

    Hops are joined by the addresses and ports that each recorded. A failed call ends at the last
    hop that saw it.
    """
    with session(namespace) as cluster, cluster.client(source) as client:
        dialled = client.resolve(target, node=node).words()
        call = client.attempt(target, timeout_s=timeout, node=node)
        pod = _pod_at(cluster, _unreached(call))
    if output == "json":
        click.echo(json.dumps(to_json(call, dialled), indent=2))
    else:
        click.echo(text(call, dialled, source, pod))
    if not call.ok:
        click.get_current_context().exit(1)


def _unreached(call: Call) -> str:
    """`IP:port` of the endpoint that a failed call's last hop chose and did not reach, or empty."""
    last = call.hops[-1] if call.hops and not call.ok else None
    return "" if last is None or last.is_connected else last.endpoint


def _pod_at(cluster: Session, endpoint: str) -> str:
    """`NAMESPACE/NAME on NODE` of the pod with this address; empty where nobody can tell."""
    ip = endpoint.rpartition(":")[0]
    if not ip:
        return ""
    with contextlib.suppress(EmuclusterError):  # without a control plane the records must do
        for pod in cluster.get("pods", namespace="*"):
            if isinstance(pod, Pod) and pod.status.pod_ip == ip:
                return f"{pod.metadata.namespace}/{pod.metadata.name} on {pod.spec.node_name}"
    return ""


def text(call: Call, dialled: str, source: str, pod: str = "") -> str:
    """The path as an aligned table, with what it began and ended with.

    `pod` is who has the address of the endpoint that a failed call did not reach.
    """
    rows = [["HOP", "AT", "FROM", "TO", "ONWARDS FROM", "ONWARDS TO", "SERVICE", "CLUSTER-IP"]]
    rows += [_row(hop) for hop in call.hops]
    if UNKNOWN in call.path:
        gap = 1 if call.path[0] == UNKNOWN else len(rows)
        rows.insert(gap, [UNKNOWN, "no record tells", "", "", "", "", "", ""])
    if call.ok:
        end = f"{call.pod} on {call.node} (pid {call.pid}) saw {call.client}"
        end += f", answered in {call.latency_s * 1000:.1f} ms"
    else:
        end = f"{call.status} after {call.latency_s * 1000:.1f} ms: {call.error}"
    if pod:
        end = f"{_unreached(call)} is {pod}\n{end}"
    return f"client {source} dials {dialled}\n{align(_without_empty(rows))}\n{end}"


def _without_empty(rows: list[list[str]]) -> list[list[str]]:
    """The table without columns that tell nothing, which a failed call may have many of."""
    kept = [i for i in range(len(rows[0])) if any(row[i] not in ("", "-") for row in rows[1:])]
    return [[row[i] for i in kept] for row in rows] if len(rows) > 1 else rows


def _onwards(hop: Hop) -> str:
    """Where the hop connected to, or the endpoint that it chose and what became of it."""
    if hop.out_peer is not None:
        return _words(hop.out_peer)
    if not hop.endpoint:
        return hop.how
    outcome = {"open": "no answer", "timeout": "no answer"}.get(hop.how, hop.how)
    return f"{hop.endpoint} ({outcome})"


def _row(hop: Hop) -> list[str]:
    onwards = _onwards(hop)
    return [
        hop.kind,
        hop.host,
        _words(hop.in_peer),
        _words(hop.in_local),
        _words(hop.out_local),
        onwards or "-",
        hop.service,
        hop.cluster_ip or "-",
    ]


def _words(address: Address | None) -> str:
    return "-" if address is None else f"{address[0]}:{address[1]}"


def to_json(call: Call, dialled: str) -> dict[str, Any]:
    """The call, and each hop with its addresses as `IP:PORT` or null."""
    hops = [
        {
            "hop": hop.kind,
            "host": hop.host,
            "service": hop.service,
            "endpoint": hop.endpoint,
            "cluster_ip": hop.cluster_ip or None,
            **{
                name: None if end is None else _words(end)
                for name, end in (
                    ("in_peer", hop.in_peer),
                    ("in_local", hop.in_local),
                    ("out_local", hop.out_local),
                    ("out_peer", hop.out_peer),
                )
            },
            "start_s": hop.start_s,
            "end_s": hop.end_s,
            "how": hop.how,
            "closed_by": hop.closed_by,
            "reason": hop.reason,
        }
        for hop in call.hops
    ]
    return {**call.to_json(), "dialled": dialled, "client": call.client or None, "hops": hops}
