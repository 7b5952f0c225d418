"""What a running cluster tells Prometheus, page by page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import emucluster as emu
from emucluster.client.metrics import Page, pages
from emucluster.core.errors import Unreachable
from tests.live.metrics.scrape import Series, parse, value
from tests.live.watching import pod_on, until

pytestmark = pytest.mark.live

EMUCLUSTER = Path(sys.executable).with_name("emucluster")


def page(cluster: emu.Cluster, machine: str, component: str = "emucluster", path: str = "") -> Page:
    found = [
        p for p in pages(cluster.machines()) if (p.machine, p.component) == (machine, component)
    ]
    return next(p for p in found if p.path.endswith(path))


def told(
    cluster: emu.Cluster, machine: str, component: str = "emucluster", path: str = ""
) -> Series:
    return parse(page(cluster, machine, component, path).read())


def test_every_machine_has_a_valid_page_and_nodes_have_kubernetes_own(web: emu.Cluster) -> None:
    found = {(p.machine, p.component): parse(p.read()) for p in pages(web.machines())}
    assert {component for machine, component in found if machine == "node-2"} == {
        "emucluster",
        "kube-proxy",
        "kubelet",
    }
    for machine in web.machines():
        series = found[machine.name, "emucluster"]
        assert value(series, "emucluster_machine_info", machine=machine.name) == 1
        assert value(series, "process_cpu_seconds_total") > 0
        if machine.kind != "control-plane":
            assert value(series, "emucluster_event_loop_lag_seconds", quantile="1") >= 0
    assert value(found["keeper", "emucluster"], "emucluster_machines", kind="node") == 3
    plane = found["control-plane", "emucluster"]
    assert value(plane, "apiserver_storage_objects", resource="nodes") == 3
    assert value(plane, "apiserver_current_inflight_requests", request_kind="mutating") == 0
    assert value(plane, "emucluster_watchers") >= 3


def test_counters_move_with_the_traffic(web: emu.Cluster, outside: emu.Client) -> None:
    def flows() -> dict[str, float]:
        return {
            name: value(told(web, name), "emucluster_flows_opened_total")
            for name in ("keeper", "lb/default/web-lb", "node-1", "node-2", "node-3")
        }

    def executed() -> float:
        series = [told(web, f"node-{number}") for number in (1, 2, 3)]
        return sum(
            value(each, "emucluster_echo_calls_total", namespace="default") for each in series
        )

    before, executed_before = flows(), executed()
    calls = list(outside.run("service/web-lb", emu.Plan(count=20)))
    after = flows()
    moved = {name: after[name] - before[name] for name in after}
    assert all(call.ok for call in calls)
    assert moved["keeper"] == moved["lb/default/web-lb"] == 20
    assert executed() - executed_before == 20
    assert sum(moved[f"node-{n}"] for n in (1, 2, 3)) >= 20
    until(
        lambda: value(
            told(web, "node-1", "kubelet", "/probes"), "prober_probe_total", result="successful"
        ),
        "kubelet of node-1 has counted a probe",
    )


def test_a_node_without_power_tells_nothing_and_the_machine_room_tells_that(
    web: emu.Cluster,
) -> None:
    kubelet = page(web, "node-3", "kubelet")
    web.inject("power-off", "node/node-3", for_s=60)
    with pytest.raises(Unreachable, match=r"node-3: kubelet at http://127\..*timed out"):
        kubelet.read(timeout_s=0.5)
    series = told(web, "node-3")
    assert value(series, "emucluster_machine_state", state="silent") == 1
    assert value(series, "emucluster_faults_in_force", kind="power-off", target="node/node-3") == 1
    web.clear_faults()
    booted = parse(until(kubelet.read, "kubelet of node-3 answers again"))
    assert value(booted, "kubelet_node_name", node="node-3") == 1


def test_a_kube_proxy_that_is_stopped_tells_nothing_and_the_kubelet_goes_on(
    web: emu.Cluster,
) -> None:
    proxy = page(web, "node-1", "kube-proxy")
    assert "kubeproxy_sync" in proxy.read()
    web.inject("stop", "kube-proxy/node-1", for_s=60)
    with pytest.raises(Unreachable, match="node-1: kube-proxy"):
        proxy.read(timeout_s=0.5)
    assert value(told(web, "node-1", "kubelet", "/metrics"), "kubelet_node_name") == 1
    web.clear_faults()
    assert "kubeproxy_sync" in until(proxy.read, "kube-proxy of node-1 answers again")


def test_a_frozen_pod_is_told_as_such_without_its_calls(web: emu.Cluster) -> None:
    frozen = pod_on(web, "node-2")
    labels = {"pod": frozen.metadata.name, "namespace": "default"}
    assert value(told(web, "node-2"), "emucluster_echo_calls_total", **labels) >= 0
    web.inject("freeze", f"pod/{frozen.metadata.name}", for_s=60)
    series = told(web, "node-2")
    assert value(series, "emucluster_pod_state", state="frozen", **labels) == 1
    name = ("emucluster_echo_calls_total", frozenset({*labels.items(), ("container", "echo")}))
    assert name not in series


def test_the_command_line_lists_prints_and_configures(web: emu.Cluster) -> None:
    def run(*arguments: str) -> str:
        command = [EMUCLUSTER, "--cluster", web.name, "metrics", *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=30
        ).stdout

    listed = json.loads(run("-o", "json"))
    config = yaml.safe_load(run("--scrape-config"))
    targets = {
        (job["job_name"], target)
        for job in config["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert {job for job, _ in targets} == {
        "emucluster",
        "kube-proxy",
        "kubelet",
        "kubelet-probes",
    }
    assert len(targets) == len(listed)
    assert (
        value(
            parse(run("node-1", "--component", "kube-proxy")),
            "kubeproxy_sync_proxy_rules_duration_seconds_count",
        )
        > 0
    )
