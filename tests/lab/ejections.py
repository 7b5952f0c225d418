"""A dead node in a running cluster: when load balancers give it up, and when it was last chosen."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import emucluster as emu
from emucluster.core.cloudlb.settings import resolve
from emucluster.core.durations import TIMEOUT_FLOOR_S, Speed
from emucluster.experiment.history import History
from emucluster.experiment.stats import Interval
from emucluster.experiment.tolerance import LAG_MAX_S
from tests.lab.setting import (
    calls_between,
    carry_out,
    in_force,
    in_ms,
    lateness_s,
    noise_floor_s,
    outside,
    pods_on,
    service,
)
from tests.lab.windows import ejection, timers

TRIALS = 5
RATE_PER_S = 50
DEADLINE_S = 0.5
DEAD = "node-3"
SEEN_WITHIN_S = 0.5
"""A third of 50 calls/s goes to the dead node: where hashes decide, none for so long has a chance
of 1 in 25,000."""


def held_to_their_windows(cluster: emu.Cluster, presets: list[str], out: Path) -> None:
    """Each preset gives the node up in its window in every trial, as its clients tell too."""
    speed = Speed(cluster.status().speed)
    checks = {preset: resolve(preset, speed=speed).health_check for preset in presets}
    slowest_s = max(ejection(check).high for check in checks.values())
    result, trials = carry_out(
        experiment(cluster, presets, slowest_s), cluster=cluster.name, out=out, trials=TRIALS
    )
    for preset, check in checks.items():
        assert check.timeout_s > TIMEOUT_FLOOR_S
        # One of the timers may be as late as a machine may be whose runs count at all.
        slack_s = noise_floor_s(result) + timers(check) * lateness_s(result) + LAG_MAX_S
        window = ejection(check)
        allowed = Interval(window.low - slack_s, window.high + slack_s)
        why = (
            f"{preset}: window {in_ms(window)}; slack {in_ms(slack_s)}: noise floor "
            f"{in_ms(noise_floor_s(result))}, {timers(check)} timers each late by "
            f"{in_ms(lateness_s(result))}, one by {in_ms(LAG_MAX_S)}"
        )
        noticed_s = [given_up_after_s(history, preset) for history in trials]
        assert all(each in allowed for each in noticed_s), f"noticed {in_ms(noticed_s)}; {why}"
        # Its clients tell the same: it is chosen until then, and no longer.
        chosen_s = [last_chosen_s(history, preset) for history in trials]
        late_s = [last - out for last, out in zip(chosen_s, noticed_s, strict=True)]
        assert max(late_s) < slack_s, f"chosen {in_ms(late_s)} after it was noticed; {why}"
        assert min(chosen_s) > allowed.low - SEEN_WITHIN_S, f"chosen {in_ms(chosen_s)}; {why}"


def experiment(cluster: emu.Cluster, presets: list[str], slowest_s: float) -> dict[str, Any]:
    """Node-3 has no pod, so that whoever does not choose it is answered. It dies at any moment."""
    status = cluster.status()
    quick_settings = {"envoy": {"no_traffic_interval_s": 1}}  # else its first minute has one check
    return {
        "name": "ejection",
        "cluster": {
            "nodes": 3,
            "zones": 3,
            "packing": "node",
            "cloud": status.cloud,
            "speed": status.speed,
        },
        "manifests": [
            *pods_on("node-1", "node-2"),
            *(service(each, preset=each, **quick_settings.get(each, {})) for each in presets),
        ],
        "workload": [outside(each, RATE_PER_S, DEADLINE_S) for each in presets],
        "faults": [{"kind": "power-off", "target": f"node/{DEAD}", "within": 1}],
        "phases": {"baseline": 0.5, "inject": slowest_s + 1.5, "recover": 0.5, "verify": 0.5},
        "hypotheses": [{"kind": "no-fault-left"}],
    }


def off_s(history: History) -> float:
    """When the node fell silent, as its own machine noted it."""
    return next(
        truth.at_s
        for truth in history.truths
        if truth.subject == f"node/{DEAD}" and truth.state == "down"
    )


def given_up_after_s(history: History, preset: str) -> float:
    """From silence until the load balancer holds the node to be out."""
    out_s = [
        belief.at_s
        for belief in history.beliefs
        if belief.observer == "load-balancer"
        and (belief.where, belief.subject) == (f"default/{preset}", f"node/{DEAD}")
        and belief.state == "out"
        and belief.at_s >= off_s(history)
    ]
    return min(out_s) - off_s(history)


def last_chosen_s(history: History, preset: str) -> float:
    """From silence until the last lost call was due, which the dead node was chosen for."""
    down_s = off_s(history)
    _, end_s = in_force(history, "power-off")
    calls = calls_between(history, down_s, end_s, group=preset)
    lost = sorted(call.intended_s - down_s for call in calls if not call.ok)
    assert lost, f"{preset}: no call was lost"
    # What is lost after so long without a loss has another cause than that the node was chosen.
    streaks = itertools.pairwise(lost)
    return next((last for last, after in streaks if after - last > SEEN_WITHIN_S), lost[-1])
