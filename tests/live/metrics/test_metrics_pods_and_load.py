"""What is told of pods and of load generators: asked of others, or counted batch by batch."""

from __future__ import annotations

import asyncio
from typing import Any

from emucluster.live.load.counts import LoadCounts
from emucluster.live.load.outcome import Outcome
from emucluster.live.metrics.load import LoadCollector
from emucluster.live.metrics.pods import PodCollector
from emucluster.live.rpc.pb import load_pb2
from tests.live.metrics.scrape import collected, value


class Runtime:
    """Three pods as a container runtime describes them; only one that runs can be asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def describe(self) -> list[dict[str, Any]]:
        return [
            self._pod("web-1", containers={"echo": {}}),
            self._pod("web-2", containers={"echo": {}}, frozen=True),
            self._pod("web-3", containers={}),
        ]

    def _pod(self, name: str, *, containers: dict[str, Any], frozen: bool = False) -> Any:
        identity = {"uid": f"uid-{name}", "namespace": "default", "name": name}
        return {**identity, "frozen": frozen, "containers": containers}

    async def echo_calls(self, uid: str) -> dict[str, int]:
        self.asked.append(uid)
        return {"echo": 7}


def test_only_pods_that_can_answer_are_asked_and_all_are_told() -> None:
    runtime: Any = Runtime()
    pods = PodCollector(runtime)
    asyncio.run(pods.ask())
    told = collected(pods)
    assert runtime.asked == ["uid-web-1"]
    assert value(told, "emucluster_echo_calls_total", pod="web-1", container="echo") == 7
    assert value(told, "emucluster_echo_calls_total") == 7
    for pod, state in (("web-1", "running"), ("web-2", "frozen"), ("web-3", "stopped")):
        assert value(told, "emucluster_pod_state", pod=pod, state=state) == 1
        assert value(told, "emucluster_pod_state", pod=pod) == 1


def test_calls_of_all_batches_are_counted_by_group_and_outcome() -> None:
    counts = LoadCounts()
    for _ in range(2):
        batch = load_pb2.LoadBatch(groups=["old", "new"])
        batch.calls.group.extend([0, 0, 1, 1])
        batch.calls.outcome.extend([Outcome.OK, Outcome.UNKNOWN, Outcome.OK, Outcome.NOT_STARTED])
        batch.calls.intended_s.extend([100.0, 100.0, 100.0, 100.0])
        batch.calls.ended_s.extend([100.02, 101.5, 100.004, 160.0])
        batch.health.late = 2
        counts.took(batch)
    counts.took(load_pb2.LoadBatch(groups=["old", "new"], last=True))

    told = collected(LoadCollector(counts, lambda: 3))
    calls = "emucluster_load_calls_total"
    assert value(told, calls, group="old", outcome="ok") == 2
    assert value(told, calls, group="old", outcome="unknown") == 2
    assert value(told, calls, group="new", outcome="not-started") == 2
    latency = "emucluster_load_latency_seconds"
    assert value(told, f"{latency}_count", group="old") == 4
    assert value(told, f"{latency}_count", group="new") == 2
    assert value(told, f"{latency}_bucket", group="new", le="0.005") == 2
    assert value(told, f"{latency}_bucket", group="old", le="1") == 2
    assert value(told, "emucluster_load_calls_in_flight") == 3
    assert value(told, "emucluster_load_calls_late_total") == 4
