"""From `up` to the first served call, Ray's start included: median and spread of several runs.

    .venv/bin/python benchmarks/startup.py [--runs 5]

Two shapes: 3 nodes and 6 pods with `packing: pod` (each pod a process), and 10 nodes and 100 pods
with `packing: node`. The first call goes from outside to a NodePort; `all` is the time until every
pod is Ready and every proxy knows it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import emucluster as emu

SHAPES = (("pod", 3, 6), ("node", 10, 100))
DEADLINE_S = 120.0


def manifests(replicas: int) -> list[dict[str, object]]:
    """A Deployment of `replicas` echo pods and a NodePort Service over them."""
    labels = {"app": "web"}
    container = {
        "name": "echo",
        "image": "emucluster/echo",
        "ports": [{"containerPort": 50051, "name": "grpc"}],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {
                "type": "NodePort",
                "selector": labels,
                "ports": [{"port": 80, "targetPort": "grpc"}],
            },
        },
    ]


def once(packing: str, nodes: int, pods: int) -> tuple[float, float]:
    """Seconds to the first served call, and until everything is ready."""
    begun_s = time.monotonic()
    with emu.Cluster(nodes=nodes, zones=2, packing=packing) as cluster:
        cluster.apply(manifests(pods))
        with cluster.client() as client:
            while not answered(client):
                if time.monotonic() - begun_s > DEADLINE_S:
                    raise SystemExit(f"no call was served within {DEADLINE_S:g} s")
                time.sleep(0.02)
        first_s = time.monotonic() - begun_s
        cluster.wait_ready(timeout_s=DEADLINE_S)
        return first_s, time.monotonic() - begun_s


def answered(client: emu.Client) -> bool:
    """Whether a call is served now."""
    try:
        return client.attempt("service/web", timeout_s=1.0).ok
    except emu.EmuclusterError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(f"{runs} runs each; median [least - most], seconds")
    for packing, nodes, pods in SHAPES:
        times = [once(packing, nodes, pods) for _ in range(runs)]
        first = spread([first_s for first_s, _ in times])
        every = spread([all_s for _, all_s in times])
        shape = f"{nodes:3d} nodes, {pods:3d} pods, packing {packing:4s}"
        print(f"{shape}: first call {first}, all {every}")


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} [{min(values):.1f} - {max(values):.1f}]"


if __name__ == "__main__":
    main()
