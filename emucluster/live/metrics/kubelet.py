"""The kubelet's own metrics, under their names in Kubernetes.

Source: kubernetes/kubernetes pkg/kubelet/metrics/metrics.go and pkg/kubelet/prober/
prober_manager.go; those of probes are at /metrics/probes there as well.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from emucluster.core.kubelet.commands import (
    Command,
    PodIdentity,
    SendProbe,
    StartContainer,
    StopPod,
    WritePodStatus,
)
from emucluster.core.kubelet.events import KubeletEvent, ProbeFinished
from emucluster.core.objects import Pod
from emucluster.live.metrics.distribution import Distribution

PROBES_PATH = "/metrics/probes"
POD_START_BOUNDS_S = (
    *(0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900),
    *(1200, 1800, 2700, 3600),
)
RESULTS = {"success": "successful", "failure": "failed", "error": "unknown"}


class Probed(NamedTuple):
    """What is probed, as Kubernetes labels it."""

    probe_type: str
    container: str
    pod: str
    namespace: str
    pod_uid: str


class KubeletCounts:
    """What the kubelet did since it started, from the commands and events that pass its driver."""

    def __init__(self) -> None:
        self.restarted()

    def restarted(self) -> None:
        """The process began anew, and with it its counters."""
        self.pods_started = 0
        self.containers_started: Counter[str] = Counter()
        self.pod_start_s = Distribution(POD_START_BOUNDS_S)
        self.probes: dict[Probed, Counter[str]] = {}
        self.probe_s: dict[Probed, Distribution] = {}
        self._identities: dict[str, PodIdentity] = {}
        self._first_seen_s: dict[str, float] = {}
        self._under_way: dict[int, tuple[Probed, float]] = {}

    def seen(self, pod: Pod, now_s: float) -> None:
        """The API server told of a pod of this node."""
        if pod.status.phase == "Pending":
            self._first_seen_s.setdefault(pod.metadata.uid, now_s)

    def asked(self, command: Command, now_s: float) -> None:
        """The kubelet asked for something."""
        match command:
            case StartContainer(pod=pod, spec=spec):
                self.pods_started += pod.uid not in self._identities
                self._identities[pod.uid] = pod
                kind = "init_container" if spec.runs_to_completion else "container"
                self.containers_started[kind] += 1
            case StopPod(pod_uid=uid):
                self._forget(uid)
            case SendProbe():
                self._begin(command, now_s)
            case WritePodStatus(uid=uid, status=status) if status.phase == "Running":
                first_s = self._first_seen_s.pop(uid, None)
                if first_s is not None:
                    self.pod_start_s.observe(now_s - first_s)

    def heard(self, event: KubeletEvent, now_s: float) -> None:
        """Something happened; only a probe's end is counted."""
        if not isinstance(event, ProbeFinished):
            return
        probed, began_s = self._under_way.pop(event.probe_id, (None, 0.0))
        if probed is None or probed.pod_uid not in self._identities:
            return
        self.probes.setdefault(probed, Counter())[RESULTS[event.result]] += 1
        if event.result == "success":
            self.probe_s.setdefault(probed, Distribution()).observe(now_s - began_s)

    def _begin(self, command: SendProbe, now_s: float) -> None:
        pod = self._identities.get(command.pod_uid)
        if pod is not None:
            kind = command.kind.capitalize()
            probed = Probed(kind, command.container, pod.name, pod.namespace, pod.uid)
            self._under_way[command.probe_id] = (probed, now_s)

    def _forget(self, uid: str) -> None:
        """A pod is over, and with it the series about it, as there."""
        self._identities.pop(uid, None)
        self._first_seen_s.pop(uid, None)
        for counted in (self.probes, self.probe_s):
            for probed in [each for each in counted if each.pod_uid == uid]:
                del counted[probed]
        self._under_way = {n: each for n, each in self._under_way.items() if each[0].pod_uid != uid}


class KubeletCollector(Collector):
    """The page /metrics. `pods` describes the pods as the container runtime has them."""

    def __init__(
        self, node_name: str, counts: KubeletCounts, pods: Callable[[], Sequence[dict[str, Any]]]
    ) -> None:
        self._node_name = node_name
        self._counts = counts
        self._pods = pods

    def collect(self) -> Iterator[Metric]:
        name = GaugeMetricFamily(
            "kubelet_node_name", "The node's name. The count is always 1.", labels=["node"]
        )
        name.add_metric([self._node_name], 1)
        yield name
        running = [
            sum(container["pid"] != 0 for container in pod["containers"].values())
            for pod in self._pods()
        ]
        yield GaugeMetricFamily(
            "kubelet_running_pods",
            "Number of pods that have a running pod sandbox",
            value=sum(count > 0 for count in running),
        )
        containers = GaugeMetricFamily(
            "kubelet_running_containers",
            "Number of containers currently running",
            labels=["container_state"],
        )
        containers.add_metric(["running"], sum(running))
        yield containers
        yield from self._started()

    def _started(self) -> Iterator[Metric]:
        counts = self._counts
        yield CounterMetricFamily(
            "kubelet_started_pods", "Cumulative number of pods started", value=counts.pods_started
        )
        containers = CounterMetricFamily(
            "kubelet_started_containers",
            "Cumulative number of containers started",
            labels=["container_type"],
        )
        for kind, count in counts.containers_started.items():
            containers.add_metric([kind], count)
        yield containers
        yield HistogramMetricFamily(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting "
            "to run",
            buckets=counts.pod_start_s.buckets,
            sum_value=counts.pod_start_s.sum,
        )


class ProbeCollector(Collector):
    """The page /metrics/probes."""

    def __init__(self, counts: KubeletCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "prober_probe",
            "Cumulative number of a liveness, readiness or startup probe for a container by "
            "result.",
            labels=[*Probed._fields, "result"],
        )
        for probed, results in self._counts.probes.items():
            for result, count in results.items():
                total.add_metric([*probed, result], count)
        yield total
        durations = HistogramMetricFamily(
            "prober_probe_duration_seconds",
            "Duration in seconds for a probe response.",
            labels=Probed._fields[:-1],
        )
        for probed, took in self._counts.probe_s.items():
            durations.add_metric(probed[:-1], buckets=took.buckets, sum_value=took.sum)
        yield durations
