"""The Python client and the command line on a running cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

import emucluster as emu
from emucluster.cli import run
from emucluster.core.errors import ConnectionRefused, Invalid, NoRoute, NotFound
from emucluster.core.objects import Deployment, Pod, Service
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

pytestmark = pytest.mark.live

WEB = Path(__file__).parents[2] / "examples" / "web.yaml"


@pytest.fixture
def cluster(web: emu.Cluster) -> emu.Cluster:
    """Three nodes in two zones, with everything of examples/web.yaml."""
    return web


def command(cluster: emu.Cluster, line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and standard output of a command line."""
    capsys.readouterr()
    try:
        code = run(["--cluster", cluster.name, *line.split()])
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "target", "kinds"),
    [
        ("outside", "service/web-lb", ["edge", "load-balancer", "node-port"]),
        ("outside", "service/web-nodeport", ["edge", "node-port"]),
        ("pod/client", "service/web", ["cluster-ip"]),
        ("pod/client", "service/web-headless", ["pod-ip"]),
        ("node/node-1", "service/web", ["cluster-ip"]),
    ],
)
def test_calls_are_answered_over_the_hops_of_their_kind_of_service(
    cluster: emu.Cluster, source: str, target: str, kinds: list[str]
) -> None:
    with cluster.client(source) as client:
        calls = list(client.run(target, emu.Plan(count=9)))
    assert [call.status for call in calls] == ["OK"] * 9
    for call in calls:
        assert [hop.kind for hop in call.hops if hop.kind != "tunnel"] == kinds
        assert "?" not in call.path
    assert len({call.pod for call in calls}) == 3


def test_a_new_connection_to_a_cluster_ip_goes_to_the_next_pod(cluster: emu.Cluster) -> None:
    with cluster.client("pod/client") as client:
        calls = list(client.run("service/web", emu.Plan(count=30)))
    counts = Counter(call.pod for call in calls)
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_shared_connection_stays_with_its_pod(cluster: emu.Cluster) -> None:
    with cluster.client("pod/client") as client:
        calls = list(client.run("service/web", emu.Plan(count=10, shared=True)))
    assert len({call.pod for call in calls}) == 1


def test_a_headless_channel_balances_its_calls_over_the_pods(cluster: emu.Cluster) -> None:
    with cluster.client("pod/client") as client:
        channel = client.channel("service/web-headless")
        stub = echo_pb2_grpc.EchoStub(channel)
        pods = Counter()
        while len(pods) < 3:  # the others' connections come up while the first serves
            pods[stub.Call(echo_pb2.EchoRequest(id="x"), timeout=10).pod] += 1
        channel.close()


def test_a_cluster_ip_is_refused_outside_before_anything_is_dialled(cluster: emu.Cluster) -> None:
    with cluster.client() as client, pytest.raises(NoRoute, match="--from pod/NAME"):
        client.call("service/web")


def test_a_service_without_pods_refuses_and_the_error_says_that_nothing_ran(
    cluster: emu.Cluster,
) -> None:
    cluster.apply(
        "apiVersion: v1\nkind: Service\nmetadata: {name: none}\n"
        "spec:\n  selector: {app: none}\n  ports: [{port: 80}]\n"
    )
    cluster.wait_ready()
    with cluster.client("pod/client") as client, pytest.raises(ConnectionRefused) as caught:
        client.call("service/none")
    assert caught.value.definite
    cluster.delete("service/none")


def test_apply_tells_what_it_did_and_scale_and_delete_wait(cluster: emu.Cluster) -> None:
    cluster.apply(WEB)  # others have the cluster before
    assert {applied.outcome for applied in cluster.apply(WEB)} == {"unchanged"}
    cluster.scale("deployment/web", 4)
    cluster.wait_ready()
    web = cluster.get("deployment", "web")
    assert isinstance(web, Deployment)
    assert web.status.available_replicas == 4
    cluster.scale("deploy/web", 3)
    cluster.wait_ready()
    with pytest.raises(NotFound, match='pods "none" not found'):
        cluster.delete("pod/none")


def test_a_deleted_pod_is_replaced_at_another_address(cluster: emu.Cluster) -> None:
    before = [pod for pod in cluster.get("pods", labels="app=web") if isinstance(pod, Pod)]
    cluster.delete("pod", before[0].metadata.name, grace_period_s=1)
    cluster.wait_ready()
    after = [pod for pod in cluster.get("pods", labels="app=web") if isinstance(pod, Pod)]
    assert len(after) == 3
    new = {pod.status.pod_ip for pod in after} - {pod.status.pod_ip for pod in before}
    assert len(new) == 1


def test_a_session_connects_to_what_runs_and_leaves_it_running(cluster: emu.Cluster) -> None:
    with emu.connect(cluster.name) as session:
        assert session.status().name == cluster.name
        assert isinstance(session.get("service", "web"), Service)
    assert {machine.state for machine in cluster.machines()} == {"running"}


def test_an_invalid_manifest_changes_nothing(cluster: emu.Cluster) -> None:
    good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n"
    bad = "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 0}]}\n"
    with pytest.raises(Invalid, match=r"spec\.ports\[0\]\.port: Invalid value: 0"):
        cluster.apply(f"{good}---\n{bad}")
    assert cluster.api.find("ConfigMap", "good") is None


def test_a_fault_lasts_until_it_is_cleared(cluster: emu.Cluster) -> None:
    fault = cluster.inject("freeze", "pod/client", for_s=60)
    assert [found.id for found in cluster.faults()] == [fault.id]
    assert [found.id for found in cluster.clear_faults(fault.id)] == [fault.id]
    assert cluster.faults() == []
    with pytest.raises(NotFound):
        cluster.clear_faults("none")
    cluster.wait_ready()


def test_a_process_with_the_environment_of_a_pod_is_inside(cluster: emu.Cluster) -> None:
    script = (
        "import grpc, sys\n"
        "from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc\n"
        "channel = grpc.insecure_channel(sys.argv[1])\n"
        "request = echo_pb2.EchoRequest(id='x')\n"
        "print(echo_pb2_grpc.EchoStub(channel).Call(request, timeout=10).node)\n"
    )
    service = cluster.get("service", "web")
    assert isinstance(service, Service)
    for target in ("web.default.svc.cluster.local:80", "web:80", f"{service.spec.cluster_ip}:80"):
        ended = subprocess.run(
            [sys.executable, "-c", script, target],
            env={**os.environ, **cluster.env("pod/client")},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert ended.stdout.startswith("node-"), ended.stderr


def test_the_command_line_gets_calls_and_traces(
    cluster: emu.Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = command(cluster, "get svc -o name", capsys)
    assert (code, "service/web-lb" in out.split()) == (0, True)
    code, out = command(cluster, "call service/web-lb -n 6 -o json", capsys)
    calls = [json.loads(line) for line in out.splitlines()]
    assert (code, len(calls)) == (0, 6)
    assert set(calls[0]) >= {
        "id",
        "ok",
        "pod",
        "node",
        "pid",
        "path",
        "latency_s",
        "status",
        "error",
    }
    code, out = command(cluster, "trace service/web --from pod/client -o json", capsys)
    hops = json.loads(out)["hops"]
    assert code == 0
    for hop, after in pairwise(hops):
        assert (hop["out_local"], hop["out_peer"]) == (after["in_peer"], after["in_local"])
    assert hops[-1]["out_local"] == json.loads(out)["client"].removeprefix("ipv4:")


def test_a_failed_call_exits_with_1(
    cluster: emu.Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = command(cluster, "trace 127.0.0.1:9 --from pod/client", capsys)
    assert code == 1
    assert "refused at" in out
