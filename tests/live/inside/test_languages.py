"""Unmodified clients of many languages, inside by their environment alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import emucluster as emu
from emucluster.core.objects import Node, Pod, Service
from tests.live.inside.clients import PROGRAMS, Client, python, replies

pytestmark = [pytest.mark.live, pytest.mark.slow]

FINISH_S = 30.0
HEADLESS = "web-headless.default.svc.cluster.local:50051"


def pod_ips(cluster: emu.Cluster) -> dict[str, str]:
    """Name -> address of the pods behind the Services."""
    pods = cluster.get("pods", labels="app=web")
    return {pod.metadata.name: pod.status.pod_ip for pod in pods if isinstance(pod, Pod)}


def address_of(cluster: emu.Cluster, pod: str) -> str:
    found = cluster.get("pod", pod)
    assert isinstance(found, Pod)
    assert found.status.pod_ip
    return found.status.pod_ip


@pytest.mark.parametrize("name", ["web:80", "web.default.svc.cluster.local:80"])
def test_a_services_name_leads_to_its_pods(cluster: emu.Cluster, client: Client, name: str) -> None:
    answers = client.call(name, 2, cluster.env("pod/client"))
    assert len(answers) == 2
    assert {answer.pod for answer in answers} <= set(pod_ips(cluster))


def test_the_server_sees_the_pod_where_the_client_is(cluster: emu.Cluster, client: Client) -> None:
    (answer,) = client.call("web:80", 1, cluster.env("pod/client"))
    assert answer.client.partition(":")[0] == address_of(cluster, "client")


def test_a_cluster_ip_leads_to_the_services_pods(cluster: emu.Cluster, client: Client) -> None:
    service = cluster.get("service", "web")
    assert isinstance(service, Service)
    (answer,) = client.call(f"{service.spec.cluster_ip}:80", 1, cluster.env("pod/client"))
    assert answer.pod in pod_ips(cluster)


def test_a_pods_address_or_its_name_in_dns_leads_to_that_pod(
    cluster: emu.Cluster, client: Client
) -> None:
    env = cluster.env("pod/client")
    for pod, ip in pod_ips(cluster).items():
        name = f"{ip.replace('.', '-')}.default.pod.cluster.local"
        assert [answer.pod for answer in client.call(f"{name}:50051", 1, env)] == [pod]
        ended = client.run(f"{ip}:50051", 1, env)
        if client.proxies_loopback:
            assert [answer.pod for answer in replies(ended.stdout)] == [pod], ended.stderr
        else:
            assert "connection refused" in ended.stderr, "it proxies loopback: change the README"


def test_a_headless_name_leads_each_connection_to_one_pod(
    cluster: emu.Cluster, client: Client
) -> None:
    answers = client.call(HEADLESS, 6, cluster.env("pod/client"))
    assert len(answers) == 6
    assert len({answer.pod for answer in answers}) == 1
    assert answers[0].pod in pod_ips(cluster)


def test_a_client_that_resolves_a_headless_name_itself_balances_over_all_pods(
    cluster: emu.Cluster, tmp_path: Path
) -> None:
    env = cluster.env("pod/client")
    target = f"dns://{env['EMUCLUSTER_DNS']}/{HEADLESS}"
    answers = python(tmp_path).call(target, 9, env, "balance")
    pods = set(pod_ips(cluster))
    # The first calls go to whichever is connected first; all are in the end.
    assert {answer.pod for answer in answers} == pods
    assert {answer.client.partition(":")[0] for answer in answers} == {
        address_of(cluster, "client")
    }


def test_what_the_command_line_prints_wins_over_the_users_own_proxies(
    cluster: emu.Cluster, tmp_path: Path
) -> None:
    emucluster = f"{sys.executable} -m emucluster --cluster {cluster.name}"
    calls = f"{sys.executable} {PROGRAMS / 'client.py'} web:80 1"
    script = f'eval "$({emucluster} env pod/client)" && {calls}'
    users = {
        "no_grpc_proxy": "web",
        "no_proxy": "*",
        "NO_PROXY": "*",
        "grpc_proxy": "http://0.0.0.0:1",
    }
    ended = subprocess.run(
        ["/bin/sh", "-c", script],
        env={**os.environ, **users},
        capture_output=True,
        text=True,
        timeout=FINISH_S,
    )
    assert [answer.node[:5] for answer in replies(ended.stdout)] == ["node-"], ended.stderr


def test_a_containers_own_environment_puts_it_inside(cluster: emu.Cluster, tmp_path: Path) -> None:
    name, written = "caller", tmp_path / "replies"
    calls = f"{sys.executable} {PROGRAMS / 'client.py'} web.default:80 2 > {written} 2>&1"
    container = {"name": "main", "image": "command:/bin/sh", "args": ["-c", calls]}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
    )
    try:
        phase, ip = wait_for_end(cluster, name)
        assert phase == "Succeeded", written.read_text()
        assert [answer.client.partition(":")[0] for answer in replies(written.read_text())] == [
            ip,
            ip,
        ]
    finally:
        cluster.delete("pod", name, grace_period_s=0)


def wait_for_end(cluster: emu.Cluster, pod: str) -> tuple[str, str | None]:
    """The phase in which a pod ended, and its address."""
    deadline_s = time.monotonic() + FINISH_S
    while time.monotonic() < deadline_s:
        found: Any = cluster.get("pod", pod)
        if found.status.phase in ("Succeeded", "Failed"):
            return found.status.phase, found.status.pod_ip
        time.sleep(0.05)
    raise AssertionError(f"pod {pod} has not ended")


def test_h2load_outside_loads_a_node_port(cluster: emu.Cluster, tmp_path: Path) -> None:
    h2load = shutil.which("h2load")
    if h2load is None:
        pytest.skip("h2load is not installed (nghttp2-client)")
    node = cluster.get("node", "node-1")
    assert isinstance(node, Node)
    empty_message = tmp_path / "message"
    empty_message.write_bytes(bytes(5))  # not compressed, of length 0
    ended = subprocess.run(
        [
            h2load,
            *("-n", "40", "-c", "4", "-d", str(empty_message)),
            *("-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://{node.status.addresses[0].address}:30080/emucluster.v1.Echo/Call",
        ],
        capture_output=True,
        text=True,
        timeout=FINISH_S,
    )
    outcome = Counter(
        {word: int(n) for n, word in re.findall(r"(\d+) (succeeded|failed|errored)", ended.stdout)}
    )
    assert outcome == {"succeeded": 40, "failed": 0, "errored": 0}, ended.stdout
