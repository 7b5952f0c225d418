"""What a load balancer does and believes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emucluster.core.cloudlb.commands import TargetState


class BalancerCollector(Collector):
    """Targets as `describe` tells them, and health checks by node and result."""

    def __init__(
        self,
        describe: Callable[[], dict[str, Any]],
        checks: Callable[[], Mapping[tuple[str, str], int]],
    ) -> None:
        self._describe = describe
        self._checks = checks

    def collect(self) -> Iterator[Metric]:
        told = self._describe().get("targets", [])
        counted = Counter((str(each["port"]), each["state"]) for each in told)
        targets = GaugeMetricFamily(
            "emucluster_lb_targets",
            "Targets of each port, by the state that the load balancer believes.",
            labels=["port", "state"],
        )
        for port in dict.fromkeys(port for port, _ in counted):
            for state in get_args(TargetState):
                targets.add_metric([port, state], counted[port, state])
        yield targets
        checks = CounterMetricFamily(
            "emucluster_lb_health_checks",
            "Health checks that ended, by node and result.",
            labels=["node", "result"],
        )
        for labels, count in self._checks().items():
            checks.add_metric(labels, count)
        yield checks
