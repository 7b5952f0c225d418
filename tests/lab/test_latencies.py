"""A delay of 200 ms moves the median latency by 200 ms for each way that it hits."""

from __future__ import annotations

from pathlib import Path

import pytest

import emucluster as emu
from emucluster.experiment.history import CallRecord, History
from tests.lab.setting import (
    calls_between,
    carry_out,
    in_force,
    in_ms,
    lateness_s,
    median_s,
    noise_floor_s,
    pods_on,
    service,
)

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.measured]

DELAY_S = 0.2
WAYS = {"to": 1, "both": 2, "slow": 2}
FAULT_S, GAP_S = 2.5, 1.0
AROUND_S = 0.1
"""A call that was under way when the fault began or ended was hit in part."""

CLUSTER = {"nodes": 3, "zones": 3, "packing": "node", "cloud": "aws-nlb", "speed": 10}


def test_the_median_moves_by_the_delay_of_each_way(quick: emu.Cluster, tmp_path: Path) -> None:
    """From node-1 to a pod on node-2: `latency` of that link one way, then both, then `slow`."""
    link = {"kind": "link", "from": "node/node-1", "to": "node/node-2"}
    faults = {
        "to": {"kind": "latency", "target": link, "params": {"delay": DELAY_S}},
        "both": {
            "kind": "latency",
            "target": link,
            "params": {"delay": DELAY_S, "direction": "both"},
        },
        "slow": {"kind": "slow", "target": "node/node-2", "params": {"delay": DELAY_S}},
    }
    fields = {
        "name": "delays",
        "cluster": CLUSTER,
        "manifests": [*pods_on("node-2"), service("web", "ClusterIP")],
        "workload": [
            {
                "name": "web",
                "target": "service/web",
                "source": "node/node-1",
                "clients": 4,
                "arrival": {"kind": "constant", "rate": 40},
                "connection": "shared",
                "deadline": 5,
            }
        ],
        "faults": [
            {"name": name, "at": turn * (FAULT_S + GAP_S), "for": FAULT_S, **faults[name]}
            for turn, name in enumerate(WAYS)
        ],
        "phases": {
            "baseline": 2,
            "inject": len(WAYS) * (FAULT_S + GAP_S),
            "recover": 0.5,
            "verify": 2,
        },
        "hypotheses": [{"kind": "no-fault-left"}],
    }
    result, (history,) = carry_out(fields, cluster=quick.name, out=tmp_path)

    before_s = median_s(history.calls_in(["baseline"]))
    floor_s, late_s = noise_floor_s(result), lateness_s(result)
    for name, ways in WAYS.items():
        moved_s = median_s(during(history, name)) - before_s
        slack_s = floor_s + ways * late_s
        assert moved_s == pytest.approx(ways * DELAY_S, abs=slack_s), (
            f"{name}: moved by {in_ms(moved_s)}, {ways} x {in_ms(DELAY_S)} were asked for; slack "
            f"{in_ms(slack_s)}: noise floor {in_ms(floor_s)}, {ways} timers late by {in_ms(late_s)}"
        )
    after_s = median_s(history.calls_in(["verify"]))
    assert after_s == pytest.approx(before_s, abs=floor_s + late_s)


def during(history: History, name: str) -> list[CallRecord]:
    """Calls that had the fault from their beginning to their end."""
    from_s, to_s = in_force(history, name)
    return calls_between(history, from_s + AROUND_S, to_s - 2 * DELAY_S - AROUND_S)
