"""What the keeper knows: the cluster and its machines as processes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emucluster.live.keeper.machines import Kind, Machine, State


class KeeperCollector(Collector):
    """Machines by kind and state; `stopped` are those whose process somebody stopped."""

    def __init__(
        self,
        machines: Callable[[], Iterable[Machine]],
        outside_clients: Callable[[], int],
        about: dict[str, str],
        speed: float,
    ) -> None:
        self._machines = machines
        self._outside_clients = outside_clients
        self._about = about
        self._speed = speed

    def collect(self) -> Iterator[Metric]:
        about = GaugeMetricFamily(
            "emucluster_cluster_info", "Which cluster this is.", labels=list(self._about)
        )
        about.add_metric(list(self._about.values()), 1)
        yield about
        yield GaugeMetricFamily(
            "emucluster_cluster_speed",
            "What configured durations are divided by.",
            value=self._speed,
        )
        counted = Counter(
            (machine.kind, "stopped" if machine.stopped else machine.state)
            for machine in self._machines()
        )
        machines = GaugeMetricFamily(
            "emucluster_machines",
            "Machines by the state of their process.",
            labels=["kind", "state"],
        )
        for kind in get_args(Kind):
            for state in (*get_args(State), "stopped"):
                machines.add_metric([kind, state], counted[kind, state])
        yield machines
        yield GaugeMetricFamily(
            "emucluster_outside_clients",
            "Clients outside that have an address now.",
            value=self._outside_clients(),
        )
