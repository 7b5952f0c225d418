"""Run by another user: the core of the demo, which prints what it saw as one JSON object."""

from __future__ import annotations

import json
import os
import sys
import time

import emucluster as emu
from tests.live.watching import Load, entries, is_ready, pod, pod_on, restarts, statuses, until


def main(manifest: str) -> None:
    with emu.Cluster(nodes=2, packing="node", speed=10, name="unprivileged") as cluster:
        cluster.apply(manifest)
        cluster.wait_ready(90)
        seen = outage(cluster)
        seen["uid"] = os.getuid()
        seen["failure_mode"] = cluster.status().failure_mode
    print(json.dumps(seen))


def outage(cluster: emu.Cluster) -> dict[str, object]:
    struck = pod_on(cluster, "node-2").metadata.name
    counted = restarts(cluster, struck)
    with (
        cluster.client() as named,
        cluster.client() as balanced,
        Load(named, "service/web-nodeport", node="node-2") as hits,
        Load(balanced, "service/web-lb", concurrency=4) as load,
    ):
        hits.streak(6)
        load.streak(6)
        mechanism = cluster.inject("power-off", "node/node-2").mechanism
        began_s = time.time()
        late = load.streak(30)
        hits.more(1)
        silent = hits.begun_since(began_s)
        cluster.clear_faults()
        until(lambda: restarts(cluster, struck) == counted + 1, "its pod restarted")
        until(lambda: is_ready(pod(cluster, struck)), "its pod is ready")
        hits.streak(6)
    return {
        "mechanism": mechanism,
        "silent": sorted(statuses(silent)),
        "late_entries": sorted(entries(late)),
    }


if __name__ == "__main__":
    main(sys.argv[1])
