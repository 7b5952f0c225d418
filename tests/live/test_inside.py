"""A process with the environment that `env` prints is inside, with grpc as it comes from PyPI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

import emucluster as emu
from tests.live.watching import cluster_ip, pods

pytestmark = pytest.mark.live

PROGRAM = """
import json, sys, grpc
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
answers = {}
for target in sys.argv[1:]:
    with grpc.insecure_channel(target) as channel:
        try:
            reply = echo_pb2_grpc.EchoStub(channel).Call(echo_pb2.EchoRequest(), timeout=10)
            answers[target] = reply.pod
        except grpc.RpcError as error:
            answers[target] = error.code().name
print(json.dumps(answers))
"""


def run(targets: list[str], environment: dict[str, str]) -> dict[str, str]:
    """Which pod an unmodified client reaches at each target, or the status that it gets."""
    proxies = ("grpc_proxy", "http_proxy", "https_proxy", "no_proxy", "no_grpc_proxy")
    clean = {name: value for name, value in os.environ.items() if name.lower() not in proxies}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *targets],
        env={**clean, **environment},
        capture_output=True,
        check=True,
        timeout=60,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def ask(cluster: emu.Cluster, name: str, kind: str, *, tcp: bool = False) -> Any:
    host, _, port = cluster.status().dns.rpartition(":")
    query = dns.message.make_query(name, kind)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, host, port=int(port), timeout=10)


def test_an_unmodified_client_reaches_cluster_ips_pods_and_names(web: emu.Cluster) -> None:
    printed = subprocess.run(
        [
            *(sys.executable, "-m", "emucluster", "--cluster", web.name),
            *("env", "pod/client", "-o", "json"),
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )
    chosen = pods(web)[0]
    pod_address = f"{chosen.status.pod_ip}:50051"
    names = ["web.default.svc.cluster.local:80", "web.default:80", "web:80"]
    targets = [cluster_ip(web, "web"), pod_address, *names]
    found = run([*targets, "127.0.0.1:9"], json.loads(printed.stdout))
    assert found[pod_address] == chosen.metadata.name
    behind = {p.metadata.name for p in pods(web)}
    assert {target: found[target] in behind for target in targets} == dict.fromkeys(targets, True)
    assert found["127.0.0.1:9"] == "UNAVAILABLE", "nothing but the cluster is reached this way"


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_the_dns_address_answers_what_dig_would_ask(web: emu.Cluster, tcp: bool) -> None:
    ip = cluster_ip(web, "web").partition(":")[0]
    name = "web.default.svc.cluster.local"
    [records] = ask(web, name, "A", tcp=tcp).answer
    assert [record.address for record in records] == [ip]
    [records] = ask(web, f"_grpc._tcp.{name}", "SRV", tcp=tcp).answer
    assert [(record.port, record.target.to_text()) for record in records] == [(80, f"{name}.")]
    missing = ask(web, "no-such.default.svc.cluster.local", "A", tcp=tcp)
    assert (missing.rcode(), missing.answer) == (dns.rcode.NXDOMAIN, [])
