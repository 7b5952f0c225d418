"""Without a health check that notices, dead nodes get their share of all new connections."""

from __future__ import annotations

from pathlib import Path

import pytest

import emucluster as emu
from emucluster.experiment.stats import binomial_range
from tests.lab.setting import calls_between, carry_out, in_force, outside, pods_on, service

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.measured]

NODES = 3
DEADLINE_S = 0.5
CONFIDENCE = 0.999
RATE_PER_S = 120
DEAD_S = 4.5
STRAY = 0.01
"""Of calls without any failure: what a machine that pauses may lose."""


@pytest.mark.parametrize("dead", [1, 2])
def test_the_share_of_failed_new_connections_is_that_of_dead_nodes(
    quick: emu.Cluster, tmp_path: Path, dead: int
) -> None:
    """All pods are on node-1, which lives: only the first hop, from the load balancer, can fail."""
    dead_nodes = [f"node-{number}" for number in range(NODES - dead + 1, NODES + 1)]
    fields = {
        "name": f"dead-{dead}-of-{NODES}",
        "cluster": {"nodes": 3, "zones": 3, "packing": "node", "cloud": "aws-nlb", "speed": 10},
        "manifests": [
            *pods_on("node-1"),
            service("unchecked", interval_s=3600),  # checked when it is made, and then in an hour
        ],
        "workload": [outside("unchecked", RATE_PER_S, DEADLINE_S)],
        "faults": [
            {"name": node, "kind": "power-off", "target": f"node/{node}"} for node in dead_nodes
        ],
        "phases": {"baseline": 0.5, "inject": DEAD_S, "recover": 1.5, "verify": 0.5},
        "limits": {"nodes": "100%", "pods": "100%", "zones": 3},
        "hypotheses": [{"kind": "no-fault-left"}],
    }
    _, (history,) = carry_out(fields, cluster=quick.name, out=tmp_path)

    from_s, to_s = in_force(history, *dead_nodes)
    calls = calls_between(history, from_s, to_s - DEADLINE_S)
    failed = sum(not call.ok for call in calls)
    fewest, most = binomial_range(len(calls), dead / NODES, CONFIDENCE)
    assert len(calls) > 0.8 * RATE_PER_S * (DEAD_S - DEADLINE_S)
    assert fewest <= failed <= most, (
        f"{failed} of {len(calls)} failed; with a chance of {CONFIDENCE:.1%} it is from {fewest} "
        f"to {most} where {dead} of {NODES} nodes are dead"
    )
    whole = history.calls_in(["baseline", "verify"])
    lost = sum(not call.ok for call in whole)
    assert lost <= STRAY * len(whole), f"{lost} of {len(whole)} lost though no node was dead"
