"""`call`: real gRPC echo calls, and what they came to."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence

import click

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # failures are told here, once

from emucluster.cli.objects import session
from emucluster.cli.parameters import Seconds
from emucluster.client.calls import Call
from emucluster.client.load import Plan, Summary, summarize
from emucluster.core.errors import UsageError
from emucluster.core.routing.targets import parse_target

TARGET_HELP = "service/NAME[:PORT]|pod/NAME[:PORT]|HOST:PORT"


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
@click.option("-n", "--count", type=int, default=1, show_default=True, metavar="COUNT")
@click.option(
    "--rate",
    type=float,
    metavar="R",
    help="Begin R calls a second whatever becomes of them; latency counts from when each was due.",
)
@click.option(
    "--concurrency",
    type=int,
    metavar="C",
    help="Calls in flight at most; 1 unless --rate is given, then 64.",
)
@click.option(
    "--connection",
    type=click.Choice(["per-call", "shared"]),
    default="per-call",
    show_default=True,
    help="A Service chooses a pod once for each connection: a shared one stays with its pod.",
)
@click.option(
    "--timeout", type=Seconds(), default=5.0, show_default=True, metavar="S", help="Of each call."
)
@click.option("--message", default="", metavar="TEXT", help="Is echoed.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option("--namespace", default="default", show_default=True, metavar="NS")
def call(
    target: str,
    source: str,
    node: str,
    count: int,
    rate: float | None,
    concurrency: int | None,
    connection: str,
    timeout: float,
    message: str,
    output: str,
    namespace: str,
) -> None:
    """Call emucluster/echo pods behind TARGET, and show who answered, by which path, how soon.

    Exit code 1 when a call failed.
    """
    check_host(target)
    plan = Plan(
        count=count,
        rate_per_s=rate,
        concurrency=concurrency,
        shared=connection == "shared",
        timeout_s=timeout,
        message=message,
    )
    made: list[Call] = []
    interrupted = False
    with session(namespace) as cluster, cluster.client(source) as client:
        calls = client.run(target, plan, node=node)
        with contextlib.closing(calls):
            try:
                for one in calls:
                    made.append(one)
                    click.echo(json.dumps(one.to_json()) if output == "json" else line(one))
            except KeyboardInterrupt:
                interrupted = True
    if output == "text" and (count > 1 or interrupted):
        click.echo("\n" + summary_text(summarize(made), interrupted=interrupted))
    if interrupted:
        click.get_current_context().exit(130)
    if not all(one.ok for one in made):
        click.get_current_context().exit(1)


_HOST = re.compile(r"[A-Za-z0-9_]([-.A-Za-z0-9_]*[A-Za-z0-9_])?\.?")


def check_host(text: str) -> None:
    """Raises UsageError for a HOST:PORT whose host is neither an IPv4 address nor a DNS name."""
    target = parse_target(text)
    if target.kind == "host" and not _HOST.fullmatch(target.name):
        raise UsageError(
            f'a target\'s HOST is an IPv4 address or a DNS name, not "{target.name}" (in "{text}")'
        )


LISTED_MAX = 8


def line(call: Call) -> str:
    """One call in one line."""
    latency = f"{call.latency_s * 1000:.1f} ms"
    path = " > ".join(call.path)
    if call.ok:
        return f"{call.pod} on {call.node}  {latency}  {path} > {call.pod}"
    return f"{call.status}  {latency}  {path}  {call.error}"


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    """Names with their counts, the many in short: `a 5, b 4, ... and 98 more with 2 to 3 each`."""
    shown, rest = counts[:LISTED_MAX], [n for _, n in counts[LISTED_MAX:]]
    text = ", ".join(f"{name} {n}" for name, n in shown)
    if not rest:
        return text
    each = f"{min(rest)}" if min(rest) == max(rest) else f"{min(rest)} to {max(rest)}"
    return f"{text}, ... and {len(rest)} more with {each} each"


def summary_text(summary: Summary, *, interrupted: bool = False) -> str:
    """The summary in a few lines."""
    good = summary.count - summary.failed
    head = f"{summary.count} calls, {good} answered, {summary.failed} failed"
    lines = [head + (" (interrupted)" if interrupted else "")]
    for title, counts in (("pods", summary.by_pod), ("nodes", summary.by_node)):
        if counts:
            lines.append(f"  {title:9}" + _listed(counts))
    if summary.by_failure:
        lines.append("  failures " + _listed(summary.by_failure))
    if summary.p50_s is not None and summary.p99_s is not None:
        p50, p99 = summary.p50_s * 1000, summary.p99_s * 1000
        lines.append(f"  latency  p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    return "\n".join(lines)
