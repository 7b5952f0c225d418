"""kubelet's and kube-proxy's metrics: what is counted, and when it is forgotten."""

from __future__ import annotations

import random

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.core.kubelet.image import Image
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.objects import ObjectMeta, Pod, PodStatus
from emucluster.live.metrics.distribution import Distribution
from emucluster.live.metrics.kube_proxy import ProxyCollector, ProxyCounts
from emucluster.live.metrics.kubelet import KubeletCollector, KubeletCounts, ProbeCollector
from tests.core.kubeproxy import objects as k
from tests.live.metrics.scrape import collected, value

WEB = c.PodIdentity("uid-1", "default", "web", "node-1", "zone-a", "127.32.1.2")
IMAGE = Image("echo", "emucluster/echo")
CHECK = c.GrpcCheck(50051)


def start(counts: KubeletCounts, *, init: bool = False) -> None:
    spec = c.ContainerSpec("init" if init else "echo", IMAGE, runs_to_completion=init)
    counts.asked(c.StartContainer(WEB, "id-1", spec), 0.0)


def probe(
    counts: KubeletCounts, result: e.ProbeResult, *, number: int, took_s: float = 0.1
) -> None:
    sent = c.SendProbe(number, "readiness", WEB.uid, "echo", "id-1", CHECK, 1.0)
    counts.asked(sent, 10.0)
    counts.heard(e.ProbeFinished(number, WEB.uid, result), 10.0 + took_s)


def test_probes_are_counted_by_type_and_result_and_forgotten_with_their_pod() -> None:
    counts = KubeletCounts()
    start(counts)
    results: tuple[e.ProbeResult, ...] = ("success", "success", "failure", "error")
    for number, result in enumerate(results):
        probe(counts, result, number=number)

    told = collected(ProbeCollector(counts))
    labels = {"probe_type": "Readiness", "pod": "web", "namespace": "default", "pod_uid": WEB.uid}
    assert value(told, "prober_probe_total", result="successful", **labels) == 2
    assert value(told, "prober_probe_total", result="failed", **labels) == 1
    assert value(told, "prober_probe_total", result="unknown", **labels) == 1
    assert value(told, "prober_probe_duration_seconds_count", pod="web", container="echo") == 2

    counts.asked(c.StopPod(WEB.uid), 20.0)
    assert collected(ProbeCollector(counts)) == {}


def test_a_pod_counts_once_and_its_start_takes_from_first_sight_to_running() -> None:
    counts = KubeletCounts()
    pending = Pod(metadata=ObjectMeta(name="web", uid=WEB.uid), status=PodStatus(phase="Pending"))
    counts.seen(pending, 100.0)
    counts.seen(pending, 101.0)
    start(counts, init=True)
    start(counts)
    for now_s in (102.5, 110.0):
        running = PodStatus(phase="Running")
        counts.asked(c.WritePodStatus("default", "web", WEB.uid, running), now_s)

    pods = [{"containers": {"echo": {"pid": 7}, "side": {"pid": 0}}}, {"containers": {}}]
    told = collected(KubeletCollector("node-1", counts, lambda: pods))
    assert value(told, "kubelet_node_name", node="node-1") == 1
    assert value(told, "kubelet_running_pods") == 1
    assert value(told, "kubelet_running_containers", container_state="running") == 1
    assert value(told, "kubelet_started_pods_total") == 1
    assert value(told, "kubelet_started_containers_total", container_type="init_container") == 1
    assert value(told, "kubelet_pod_start_duration_seconds_count") == 1
    assert value(told, "kubelet_pod_start_duration_seconds_sum") == 2.5
    assert value(told, "kubelet_pod_start_duration_seconds_bucket", le="2") == 0
    assert value(told, "kubelet_pod_start_duration_seconds_bucket", le="3") == 1


def test_a_reboot_begins_all_counters_anew() -> None:
    kubelet, proxy = KubeletCounts(), ProxyCounts()
    start(kubelet)
    proxy.synced(k.service(), 0.01)
    kubelet.restarted()
    proxy.restarted()
    told = collected(KubeletCollector("node-1", kubelet, list))
    told |= collected(ProxyCollector(proxy, NodeProxy("node-1", RouteTable(), rng=random.Random())))
    assert value(told, "kubelet_started_pods_total") == 0
    assert value(told, "kubeproxy_sync_proxy_rules_duration_seconds_count") == 0


def test_a_local_policy_without_local_endpoints_is_told_by_policy() -> None:
    table, counts = RouteTable(), ProxyCounts()
    service = k.service(external_traffic_policy="Local")
    elsewhere = k.slice_of(k.endpoint("127.32.2.2", "node-2"))
    for changed in (service, elsewhere):
        table.handle("ADDED", changed)
        counts.synced(changed, 0.0015)

    lacking = collected(ProxyCollector(counts, NodeProxy("node-1", table, rng=random.Random())))
    having = collected(ProxyCollector(counts, NodeProxy("node-2", table, rng=random.Random())))
    name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
    assert value(lacking, name, traffic_policy="external") == 1
    assert value(lacking, name, traffic_policy="internal") == 0
    assert value(having, name) == 0
    assert value(having, "kubeproxy_sync_proxy_rules_service_changes_total") == 1
    assert value(having, "kubeproxy_sync_proxy_rules_endpoint_changes_total") == 1
    assert value(having, "kubeproxy_sync_proxy_rules_duration_seconds_bucket", le="0.001") == 0
    assert value(having, "kubeproxy_sync_proxy_rules_duration_seconds_bucket", le="0.002") == 2
    assert value(having, "kubeproxy_sync_proxy_rules_last_timestamp_seconds") > 1e9


def test_a_value_on_a_bound_belongs_to_its_bucket() -> None:
    one_by_one, at_once = Distribution((1, 2)), Distribution((1, 2))
    for observed in (7, 1, 1.5, 2):
        one_by_one.observe(observed)
    at_once.observe_all((7, 1, 1.5, 2))
    for seen in (one_by_one, at_once):
        assert seen.buckets == [("1", 1), ("2", 3), ("+Inf", 4)]
        assert seen.sum == 11.5
