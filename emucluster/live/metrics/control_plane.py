"""What the control plane holds and how much it is asked."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emucluster.core.store import Store
from emucluster.live.control.watch import Broadcaster


class ApiCollector(Collector):
    """The store, its watchers, and the calls of each method of the API.

    `apiserver_storage_objects` is Kubernetes' own (apiserver/pkg/storage/etcd3/metrics). Requests
    over HTTPS are told by `live.kubeapi.requests_seen`, under upstream's names; these speak gRPC.
    """

    def __init__(self, store: Store, broadcaster: Broadcaster, requests: Mapping[str, int]) -> None:
        self._store = store
        self._broadcaster = broadcaster
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        objects = GaugeMetricFamily(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check split by kind.",
            labels=["resource"],
        )
        for row in self._store.kinds.stored():
            objects.add_metric([row.qualified_plural], self._store.count(row.kind_key))
        yield objects
        yield GaugeMetricFamily(
            "emucluster_store_version",
            "The latest resourceVersion.",
            value=self._store.version,
        )
        yield GaugeMetricFamily(
            "emucluster_store_durable_version",
            "The latest resourceVersion that is on disk, and may be seen.",
            value=self._broadcaster.durable_version,
        )
        yield GaugeMetricFamily(
            "emucluster_watchers", "Watches that are open.", value=self._broadcaster.watchers
        )
        requests = CounterMetricFamily(
            "emucluster_api_requests", "Calls of the API, by method.", labels=["method"]
        )
        for method, count in self._requests.items():
            requests.add_metric([method.rpartition("/")[2]], count)
        yield requests
