"""What a node tells of its pods, as they are.

A pod's process talks to nobody but its node, so it is asked over their own line, at each scrape; a
pod that does not answer (it is stopped) is told without its calls.
"""

import asyncio
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emucluster.live.pods.runtime import PodRuntime

STATES = ("running", "frozen", "stopped")


class PodCollector(Collector):
    """`ask` is to be awaited before each scrape."""

    def __init__(self, runtime: PodRuntime) -> None:
        self._runtime = runtime
        self._calls: dict[str, Mapping[str, int]] = {}

    async def ask(self) -> None:
        """Have each pod that can answer tell its calls."""
        able = [pod["uid"] for pod in self._runtime.describe() if _state(pod) == "running"]
        counted = await asyncio.gather(*(self._runtime.echo_calls(uid) for uid in able))
        self._calls = dict(zip(able, counted, strict=True))

    def collect(self) -> Iterator[Metric]:
        labels = ["namespace", "pod"]
        states = GaugeMetricFamily(
            "emucluster_pod_state",
            "1 for the state that the pod is really in.",
            labels=[*labels, "state"],
        )
        calls = CounterMetricFamily(
            "emucluster_echo_calls",
            "Calls that an echo container has executed since it started.",
            labels=[*labels, "container"],
        )
        for pod in self._runtime.describe():
            named = [pod["namespace"], pod["name"]]
            for state in STATES:
                states.add_metric([*named, state], state == _state(pod))
            for container, count in self._calls.get(pod["uid"], {}).items():
                calls.add_metric([*named, container], count)
        yield states
        yield calls


def _state(pod: Mapping[str, object]) -> str:
    if not pod["containers"]:
        return "stopped"
    return "frozen" if pod["frozen"] else "running"
