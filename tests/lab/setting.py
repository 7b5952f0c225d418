"""What the lab's proofs run on: pods that no fault hits, Services, and what a run recorded."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import emucluster as emu
from emucluster.experiment.history import CallRecord, History
from emucluster.experiment.result import RunResult
from emucluster.experiment.stats import Interval
from emucluster.report import read

LABELS = {"app": "web"}
OURS = "service.beta.emucluster.dev/"


def own_name(of: str) -> str:
    """Nobody else's: tests run beside clusters that people use."""
    return f"lab-{of}-{os.getpid()}"


def pods_on(*nodes: str) -> list[dict[str, Any]]:
    """A Deployment of one echo pod for each of these nodes, which stays there."""
    return [_deployment(node) for node in nodes]


def _deployment(node: str) -> dict[str, Any]:
    labels = {**LABELS, "on": node}
    container = {
        "name": "echo",
        "image": "emucluster/echo",
        "ports": [{"name": "grpc", "containerPort": 50051}],
        "readinessProbe": {"grpc": {"port": 50051}, "periodSeconds": 5},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"web-on-{node}"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {"kubernetes.io/hostname": node},
                    "containers": [container],
                },
            },
        },
    }


def service(name: str, type_: str = "LoadBalancer", **settings: object) -> dict[str, Any]:
    """A Service of these pods; `settings` are those of its load balancer, `preset` among them."""
    annotations = {f"{OURS}{key.replace('_', '-')}": str(value) for key, value in settings.items()}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "type": type_,
            "selector": LABELS,
            "ports": [{"name": "grpc", "port": 80, "targetPort": "grpc"}],
        },
    }


def outside(target: str, rate: float, deadline_s: float) -> dict[str, Any]:
    """Clients outside who connect anew for each call."""
    return {
        "name": target,
        "target": f"service/{target}",
        "clients": 4,
        "arrival": {"kind": "constant", "rate": rate},
        "connection": "per-call",
        "deadline": deadline_s,
    }


# --- what a run recorded -------------------------------------------------------------------------


def carry_out(
    fields: Mapping[str, Any], *, cluster: str, out: Path, trials: int = 1
) -> tuple[RunResult, list[History]]:
    """Run an experiment in a running cluster until it has so many trials that are worth something.

    Trials whose limit was this machine prove nothing either way; others take their place, twice at
    the most.
    """
    found: list[History] = []
    invalid: list[str] = []
    for attempt in range(3):
        directory = out / f"{fields['name']}-{attempt}"
        experiment = emu.Experiment(**{**fields, "seed": attempt + 1})
        result = experiment.run(trials=trials - len(found), cluster=cluster, out=directory)
        histories = [recording.history for recording in read(directory).recordings()]
        for trial, history in zip(result.trials, histories, strict=True):
            if trial.invalid_reasons:
                invalid += trial.invalid_reasons
            else:
                found.append(history)
        if len(found) == trials:
            return result, found
    raise AssertionError(f"only {len(found)} of {trials} trials prove anything: {invalid}")


def in_force(history: History, *names: str) -> tuple[float, float]:
    """From when to when all these faults were in force, on everybody they hit."""
    records = [each for each in history.faults if each.fault in names]
    assert {each.fault for each in records} == set(names)
    begun = [each.acknowledged_s for each in records]
    ended = [each.ended_s for each in records]
    return max(s for s in begun if s is not None), min(s for s in ended if s is not None)


def calls_between(
    history: History, start_s: float, end_s: float, *, group: str = ""
) -> list[CallRecord]:
    """Those that were due then."""
    return [
        call
        for call in history.calls
        if start_s <= call.intended_s < end_s and group in ("", call.group)
    ]


def median_s(calls: Iterable[CallRecord]) -> float:
    """The median latency of calls, all of which must have been answered; at least 30."""
    made = list(calls)
    lost = [call.error for call in made if not call.ok]
    assert len(made) >= 30
    assert not lost, lost[:3]
    return statistics.median(call.latency_s or 0.0 for call in made)


def lateness_s(result: RunResult) -> float:
    """How late a timer of the emulator may have been in this run: the worst event loop's p99."""
    return max(result.environment.loop_lag_p99_s.values(), default=0.0)


def noise_floor_s(result: RunResult) -> float:
    """The median latency's own scatter, measured before the run."""
    floor_s = result.environment.noise_floor_s
    assert floor_s is not None
    return floor_s


def in_ms(value: float | Interval | Sequence[float]) -> str:
    """Seconds as milliseconds, for messages."""
    if isinstance(value, Interval):
        return f"[{value.low * 1000:.0f}, {value.high * 1000:.0f}] ms"
    if isinstance(value, float | int):
        return f"{value * 1000:.1f} ms"
    return ", ".join(in_ms(each) for each in value)
