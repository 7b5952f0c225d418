"""What a load generator does: counted batch by batch, so that a call costs nothing more."""

from collections.abc import Callable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from emucluster.live.load.counts import LoadCounts
from emucluster.live.load.outcome import Outcome


class LoadCollector(Collector):
    """Calls by group and outcome, and their latency from the intended start."""

    def __init__(self, counts: LoadCounts, in_flight: Callable[[], int]) -> None:
        self._counts = counts
        self._in_flight = in_flight

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "emucluster_load_calls",
            "Calls that ended, by what may be concluded; not-started ones were never begun.",
            labels=["group", "outcome"],
        )
        for (group, outcome), count in self._counts.calls.items():
            calls.add_metric([group, Outcome(outcome).word], count)
        yield calls
        latency = HistogramMetricFamily(
            "emucluster_load_latency_seconds",
            "From when a call was to begin until it ended, of those that began.",
            labels=["group"],
        )
        for group, taken in self._counts.latency_s.items():
            latency.add_metric([group], buckets=taken.buckets, sum_value=taken.sum)
        yield latency
        yield GaugeMetricFamily(
            "emucluster_load_calls_in_flight",
            "Calls begun and not ended.",
            value=self._in_flight(),
        )
        yield CounterMetricFamily(
            "emucluster_load_calls_late",
            "Calls begun more than 20 ms after they were due, though nothing held them back.",
            value=self._counts.late,
        )
