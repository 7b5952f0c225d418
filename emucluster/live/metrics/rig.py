"""How late a process's event loop was: what to look at first when figures look odd."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emucluster.live.clock import wall_s
from emucluster.live.rig.meter import RigMeter

WINDOW_S = 60.0


class RigCollector(Collector):
    """The lag of the last minute, by quantile; `1` is the longest."""

    def __init__(self, meter: RigMeter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        rig = self._meter.report(wall_s() - WINDOW_S)
        lag = GaugeMetricFamily(
            "emucluster_event_loop_lag_seconds",
            "How late the event loop was in the last minute.",
            labels=["quantile"],
        )
        lag.add_metric(["0.5"], rig.lag_p50_s)
        lag.add_metric(["0.99"], rig.lag_p99_s)
        lag.add_metric(["1"], rig.lag_max_s)
        yield lag
