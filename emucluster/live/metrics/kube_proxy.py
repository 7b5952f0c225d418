"""kube-proxy's own metrics, under their names in Kubernetes.

Source: kubernetes/kubernetes pkg/proxy/metrics/metrics.go. Left out is what has no counterpart
here: iptables' and conntrack's, and the network programming duration, whose annotation our
EndpointSlices do not carry.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.objects import EndpointSlice, Object, Service
from emucluster.live.clock import wall_s
from emucluster.live.metrics.distribution import Distribution

SYNC_BOUNDS_S = tuple(0.001 * 2**power for power in range(15))


class ProxyCounts:
    """What kube-proxy did since it started; here every change is a sync of its own."""

    def __init__(self) -> None:
        self.restarted()

    def restarted(self) -> None:
        """The process began anew, and with it its counters."""
        self.sync_s = Distribution(SYNC_BOUNDS_S)
        self.last_sync_wall_s = 0.0
        self.changes: Counter[str] = Counter()

    def synced(self, changed: Object, took_s: float) -> None:
        """`changed` is in the routes, `took_s` after it arrived."""
        self.sync_s.observe(took_s)
        self.last_sync_wall_s = wall_s()
        if isinstance(changed, EndpointSlice | Service):
            self.changes[changed.kind] += 1


class ProxyCollector(Collector):
    """The page of one node's kube-proxy."""

    def __init__(self, counts: ProxyCounts, proxy: NodeProxy) -> None:
        self._counts = counts
        self._proxy = proxy

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        yield HistogramMetricFamily(
            "kubeproxy_sync_proxy_rules_duration_seconds",
            "SyncProxyRules latency in seconds",
            buckets=counts.sync_s.buckets,
            sum_value=counts.sync_s.sum,
        )
        yield GaugeMetricFamily(
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
            "The last time proxy rules were successfully synced",
            value=counts.last_sync_wall_s,
        )
        yield CounterMetricFamily(
            "kubeproxy_sync_proxy_rules_endpoint_changes",
            "Cumulative proxy rules Endpoint changes",
            value=counts.changes["EndpointSlice"],
        )
        yield CounterMetricFamily(
            "kubeproxy_sync_proxy_rules_service_changes",
            "Cumulative proxy rules Service changes",
            value=counts.changes["Service"],
        )
        yield self._no_local_endpoints()

    def _no_local_endpoints(self) -> Metric:
        """Per Service port, and a gauge in spite of its name, as there."""
        family = GaugeMetricFamily(
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
            "Number of services with a Local traffic policy and no endpoints",
            labels=["traffic_policy"],
        )
        lacking: Counter[str] = Counter()
        table = self._proxy.table
        for port in table.ports.values():
            endpoints = table.endpoints(port.name)
            if endpoints.has_any and not endpoints.usable_locally(self._proxy.node_name):
                lacking["internal"] += port.internal_local
                lacking["external"] += port.external_local
        for policy in ("internal", "external"):
            family.add_metric([policy], lacking[policy])
        return family
