"""The demo. `python -m examples.demo --help`; it leaves demo.json and nothing else."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # refused connections are the story, not a fault

import emucluster as emu
from emucluster.client.options import CLOUDS

from . import calling, document, table
from .failing import LEASE_PATH_S, Failure
from .setting import OUTSIDE_NAME, Setting, look, manifest, server_outside, without_cloud
from .story import Story
from .traffic import Traffic

ZONES = 2
NODES = 3


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--cloud", choices=CLOUDS, default="aws-nlb")
    parser.add_argument("--replicas", type=int, default=3, help="web pods (default 3)")
    parser.add_argument("--speed", type=float, default=10.0, help="divides configured durations")
    parser.add_argument("--json", type=Path, default=Path("demo.json"), metavar="FILE")
    args = parser.parse_args(given)
    if not 1 <= args.replicas <= 30:
        parser.error(f"--replicas: 1 to 30, got {args.replicas}")
    return args


def main(args: argparse.Namespace) -> None:
    """Start a cluster, tell the story, write demo.json, and remove everything."""
    story = Story(args.speed)
    story.say(
        f"emucluster demo: {NODES} nodes, {ZONES} zones, --cloud {args.cloud}"
        f" --speed {args.speed:g}"
    )
    if args.speed != 1:
        story.say(
            f"Leases, health checks and probes run {args.speed:g} times as fast as configured: "
            f'"x {args.speed:g}" is the time without --speed.'
        )
    with server_outside() as address:
        outside = {OUTSIDE_NAME: address}
        cluster = emu.Cluster(NODES, ZONES, args.cloud, speed=args.speed, outside=outside)
        story.chapter("A cluster")
        story.now("starting a private Ray on this machine, the control plane and the nodes")
        try:
            cluster.start()
            data = tell(story, cluster, args)
        finally:
            undisturbed()
            story.say()
            story.now("taking the cluster down")
            cluster.stop()
    document.write(args.json, data)
    conclude(story, data, args)


def tell(story: Story, cluster: emu.Cluster, args: argparse.Namespace) -> dict[str, Any]:
    """The chapters; returns what demo.json holds."""
    setting = set_up(story, cluster, args)
    traffic = Traffic(cluster)
    story.chapter("Calls to each address, each call on a new connection")
    calls = calling.reach(story, traffic, setting)
    calls += calling.spread(traffic, setting)
    calls += calling.sharing(story, cluster)
    calling.outside_name(story, traffic)
    calls += calling.without_cloud(traffic, setting)
    wait_s = LEASE_PATH_S / args.speed
    node = setting.victim
    story.chapter(f"{node} loses power while clients call (about {wait_s + 12:.0f} s)")
    story.line("A silent node sends no FIN and no RST: only time-outs tell. Clients wait 1 s each.")
    story.event_heading()
    failure = Failure(story, traffic, setting, args.cloud).run()
    return {
        "cluster": {
            "cloud": args.cloud,
            "speed": args.speed,
            "replicas": args.replicas,
            "nodes": {name: {"zone": z, "address": a} for name, (z, a) in setting.nodes.items()},
            "client_node": setting.client_node,
            "silence": cluster.status().failure_mode,
        },
        "fault": failure["fault"],
        "events": failure["events"],
        "calls": calls + failure["calls"],
    }


def set_up(story: Story, cluster: emu.Cluster, args: argparse.Namespace) -> Setting:
    status = cluster.status()
    silence = (
        "imitated" if status.failure_mode == "imitated" else f"made by a {status.failure_mode}"
    )
    story.now(f'cluster "{cluster.name}" is up (silence of a dead node: {silence})')
    cluster.apply(manifest(args.replicas))
    story.now("applied examples/web.yaml: a Deployment, a Service of each kind, a pod to call from")
    cluster.wait_ready()
    cluster.apply(without_cloud())
    setting = look(cluster)
    story.now("ready:")
    rows = []
    for name, (zone, address) in setting.nodes.items():
        pods = [f"web {table.short(pod)}" for pod in setting.pods_on(name)]
        pods += ["client"] if name == setting.client_node else []
        rows.append([f"        {name}", zone, address, ", ".join(pods)])
    story.columns(rows)
    return setting


def conclude(story: Story, data: dict[str, Any], args: argparse.Namespace) -> None:
    """The table, and why calls were lost."""
    story.chapter(f"What was measured ({len(data['calls'])} calls, in {args.json})")
    story.say()
    story.say(table.render(table.table(data)))
    story.say()
    for line in table.explain_causes(data):
        story.say(line)
    story.say(f"\nDone in {time.monotonic() - story.started_s:.0f} s; nothing is left running.")


def undisturbed() -> None:
    """From here on nothing interrupts: what was started is taken down."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        main(arguments())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; nothing is left running")
    except emu.EmuclusterError as error:
        sys.exit(f"\n{error}")
