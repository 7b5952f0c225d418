"""Whatever happens to a cluster: once it is left alone, everything is as it was asked for."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Deployment, Pod
from emucluster.sim.runtime import SimRuntime
from tests.contract.observe import (
    NODES,
    calls,
    healthy,
    is_ready,
    node_is_ready,
    pods,
    ready_addresses,
    results,
    spread,
)
from tests.sim.cluster import web_cluster

STEPS = 15


def troubled(seed: int) -> tuple[SimRuntime, int]:
    """A cluster to which things have happened, and the replicas that it was last asked for."""
    rng = random.Random(seed)
    preset = rng.choice(["aws-nlb", "gcp", "haproxy"])
    runtime = web_cluster(seed=seed, cloud=preset, speed=rng.choice([1.0, 10.0]))
    replicas = 3
    for _ in range(STEPS):
        try:
            replicas = _trouble(runtime, rng, replicas)
        except EmuclusterError:
            pass  # such as a second fault for a target, or a control plane that is away
        runtime.sleep(rng.choice([0.0, 0.05, 1.0, 20.0, 70.0, 400.0]) / runtime.speed)
    return runtime, replicas


def _trouble(runtime: SimRuntime, rng: random.Random, replicas: int) -> int:
    what = rng.choice(["node", "node", "pod", "delete", "scale", "lb", "control-plane", "calls"])
    for_s = rng.choice([0.5, 5.0, 30.0, 120.0, 900.0]) / runtime.speed
    some = [pod.metadata.name for pod in runtime.list("pod") if pod.metadata.name != "client"]
    if what == "node":
        kind = rng.choice(["power-off", "crash", "freeze"])
        runtime.inject(kind, f"node/{rng.choice(NODES)}", for_s)
    elif what == "pod" and some:
        kind = rng.choice(["crash", "freeze"])
        runtime.inject(kind, f"pod/{rng.choice(some)}", for_s if kind == "freeze" else None)
    elif what == "lb":
        runtime.inject(rng.choice(["crash", "freeze"]), "lb/web-lb", for_s)
    elif what == "control-plane":
        kind = rng.choice(["crash", "freeze"])
        runtime.inject(kind, "control-plane", min(for_s, 30.0) if kind == "freeze" else None)
    elif what == "delete" and some:
        runtime.delete("pod", rng.choice(some), grace_period_s=rng.choice([None, 0, 1]))
    elif what == "scale":
        asked = rng.randint(1, 9)
        runtime.scale("deployment", "web", asked)
        return asked
    elif what == "calls":
        load = runtime.load("service/web-lb", rate_per_s=2.0, timeout_s=1.0)
        runtime.loop.call_later(20.0, load.stop)
    return replicas


def quiet(runtime: SimRuntime, replicas: int) -> list[str]:
    """What is not as it should be."""
    found = [f"{name} is not ready" for name in NODES if not node_is_ready(runtime, name)]
    web = runtime.get("deployment", "web")
    assert isinstance(web, Deployment)
    there = [pod for pod in runtime.list("pod") if isinstance(pod, Pod)]
    found += [f"{pod.metadata.name} is not ready" for pod in there if not is_ready(pod)]
    found += [f"{p.metadata.name} still goes" for p in there if p.metadata.deletion_timestamp]
    if len(pods(runtime)) != replicas or web.status.ready_replicas != replicas:
        found.append(
            f"{len(pods(runtime))} pods, {web.status.ready_replicas} ready, for {replicas}"
        )
    addresses = {pod.status.pod_ip for pod in pods(runtime)}
    if ready_addresses(runtime) != addresses:
        found.append(f"endpoints {ready_addresses(runtime)} are not the pods' {addresses}")
    if healthy(runtime) != set(NODES):
        found.append(f"targets {dict(runtime.lb_targets('web-lb'))}")
    return found


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(n, marks=[pytest.mark.slow, pytest.mark.rare] if n > 2 else [])
        for n in range(8)
    ],
)
def test_left_alone_everything_is_as_it_was_asked_for_and_nothing_was_given_out_twice(
    seed: int,
) -> None:
    runtime, replicas = troubled(seed)
    _nothing_twice(runtime)
    runtime.sleep(max(700.0, 2000.0 / runtime.speed))  # back-off of restarts is not divided
    assert quiet(runtime, replicas) == []
    for node in NODES:
        found = calls(runtime, "service/web-nodeport", 2 * replicas, node=node)
        assert results(found) == {"ok": 2 * replicas}
        assert set(spread(found).values()) == {2}
    assert results(calls(runtime, "service/web-lb", 8)) == {"ok": 8}


def _nothing_twice(runtime: SimRuntime) -> None:
    told = [what.split() for _, what in runtime.history if what[0].isdigit()]
    versions = [int(words[0]) for words in told]
    assert versions == sorted(set(versions))
    uids = Counter(words[4] for words in told if words[1] == "ADDED")
    assert uids.most_common(1)[0][1] == 1
    addresses = [p.status.pod_ip for p in pods(runtime) if p.status.pod_ip and is_ready(p)]
    assert len(addresses) == len(set(addresses))
