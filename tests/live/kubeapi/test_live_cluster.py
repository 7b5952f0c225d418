"""The Kubernetes API of a whole cluster: through restarts, under faults, and from inside."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import emucluster as emu
from emucluster.core.addresses import CONTROL_PLANES, Slice
from tests.live.kubeapi.https import Client
from tests.live.watching import pid_of, pods, until

pytestmark = pytest.mark.live

MAPS = "/api/v1/namespaces/default/configmaps"
SLOW_S = 1.0


@pytest.fixture
def client(web: emu.Cluster) -> Iterator[Client]:
    client = Client(web.kubeconfig())
    yield client
    client.close()


@pytest.fixture(autouse=True)
def no_faults(web: emu.Cluster) -> Iterator[None]:
    yield
    web.clear_faults()


def test_the_command_line_prints_where_the_file_is(web: emu.Cluster) -> None:
    for options, path in (([], web.kubeconfig()), (["--user", "view"], web.kubeconfig("view"))):
        command = [sys.executable, "-m", "emucluster", "kubeconfig", web.name, *options]
        printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        assert Path(printed.strip()) == path
        assert path.parent == Path(web.record.directory)
        assert path.stat().st_mode & 0o777 == 0o600


def test_its_address_is_the_clusters_own_wherever_it_is_told(
    web: emu.Cluster, client: Client
) -> None:
    host, _, port = web.record.kubernetes.rpartition(":")
    assert (client.server, port) == (f"{host}:{port}", "6443")
    assert {web.record.api, web.record.dns} == {f"{host}:7444", f"{host}:1053"}
    planes = {Slice(web.record.slice).control_plane(number) for number in range(CONTROL_PLANES)}
    assert host in planes
    where = "/namespaces/default/"
    slice_ = client.get(f"/apis/discovery.k8s.io/v1{where}endpointslices/kubernetes")
    assert slice_["endpoints"][0]["addresses"] == [host]
    assert client.get(f"/api/v1{where}endpoints/kubernetes")["subsets"][0]["addresses"] == [
        {"ip": host}
    ]
    certificate = x509.load_pem_x509_certificate(
        ssl.get_server_certificate((host, int(port))).encode()
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ip_address(host) in names.get_values_for_type(x509.IPAddress)


def test_both_doors_lead_to_one_store(web: emu.Cluster, client: Client) -> None:
    nodes = client.get("/api/v1/nodes")["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["node-1", "node-2", "node-3"][
        : len(nodes)
    ]
    names = {pod.metadata.name for pod in pods(web)}
    listed = client.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb")["items"]
    assert {pod["metadata"]["name"] for pod in listed} == names
    ready = [pod for pod in listed for c in pod["status"]["conditions"] if c["type"] == "Ready"]
    assert len(ready) == len(names)


def test_a_crash_keeps_address_authority_and_tokens_and_loses_nothing(
    web: emu.Cluster, client: Client
) -> None:
    version = client.get(MAPS)["metadata"]["resourceVersion"]
    kubeconfig = web.kubeconfig().read_bytes()
    before = pid_of(web, "control-plane")
    events = client.watch(f"{MAPS}?watch=1&resourceVersion={version}")
    written = [client.post(MAPS, {"metadata": {"generateName": "a-"}}) for _ in range(20)]
    seen = next(events)["object"]["metadata"]
    web.inject("crash", "control-plane")
    until(lambda: pid_of(web, "control-plane") not in (0, before), "there is another process")
    client.close()
    until(lambda: _answers(client), "it answers again")
    assert web.kubeconfig().read_bytes() == kubeconfig
    names = {each["metadata"]["name"] for each in client.get(MAPS)["items"]}
    assert {each["metadata"]["name"] for each in written} <= names
    resumed = client.watch(f"{MAPS}?watch=1&resourceVersion={seen['resourceVersion']}")
    first = next(resumed)
    # Events are not kept over a restart: either the watch goes on from the very version, or 410.
    assert first["type"] == "ERROR"
    assert first["object"]["code"] == 410


def _answers(client: Client) -> bool:
    try:
        return bool(client.get("/readyz?verbose") is None)
    except json.JSONDecodeError:
        return True
    except (OSError, ssl.SSLError, AssertionError):
        client.close()
        return False


def test_a_frozen_control_plane_is_silent_and_goes_on_after_it(
    web: emu.Cluster, client: Client
) -> None:
    assert client.get("/version")["minor"] == "32"
    fault = web.inject("freeze", "control-plane", 60)
    host, _, port = client.server.partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        plain.settimeout(1.0)
        with pytest.raises(TimeoutError):
            client.context.wrap_socket(plain, server_hostname=host)
    web.clear_faults(fault.id)
    client.close()
    assert client.get("/version")["minor"] == "32"


def test_a_slow_control_plane_is_slow_here_too(web: emu.Cluster, client: Client) -> None:
    events = client.watch(f"{MAPS}?watch=1")
    web.inject("slow", "control-plane", 60, params={"delay": f"{SLOW_S}s"})
    started_s = time.monotonic()
    made = client.post(MAPS, {"metadata": {"generateName": "slow-"}})
    assert time.monotonic() - started_s >= SLOW_S
    name = made["metadata"]["name"]
    assert any(event["object"]["metadata"]["name"] == name for event in events)
    assert time.monotonic() - started_s >= 2 * SLOW_S


def test_a_partition_from_a_node_cuts_off_whoever_is_there(
    web: emu.Cluster, client: Client
) -> None:
    node = next(machine for machine in web.machines() if machine.name == "node-1").address
    assert _is_reached(client, node)
    web.inject("partition", "control-plane", 60, peers=["node/node-1"])
    assert not _is_reached(client, node)
    assert _is_reached(client, "127.0.0.1")
    web.clear_faults()
    assert _is_reached(client, node)


def _is_reached(client: Client, source: str) -> bool:
    """Whether TLS can be begun from an address."""
    host, _, port = client.server.partition(":")
    try:
        with socket.create_connection((host, int(port)), 2.0, (source, 0)) as plain:
            client.context.wrap_socket(plain, server_hostname=host).close()
    except TimeoutError:
        return False
    return True


PROGRAM = """
import json, os, socket, ssl, sys
host, _, port = os.environ["http_proxy"].removeprefix("http://").partition(":")
authority, token, target = sys.argv[1:]
with socket.create_connection((host, int(port)), timeout=20) as plain:
    plain.sendall(f"CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\n".encode())
    head = plain.recv(4096)
    assert head.startswith(b"HTTP/1.1 200"), head
    context = ssl.create_default_context(cadata=authority)
    name = target.rpartition(":")[0]
    with context.wrap_socket(plain, server_hostname=name) as tls:
        request = f"GET /version HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n"
        tls.sendall(f"{request}Authorization: Bearer {token}\\r\\n\\r\\n".encode())
        answer = b""
        while chunk := tls.recv(4096):
            answer += chunk
print(answer.partition(b"\\r\\n\\r\\n")[2].decode())
"""


@pytest.mark.parametrize("target", ["kubernetes.default.svc:443", "10.96.0.1:443"])
def test_pods_reach_it_through_the_service_kubernetes(
    web: emu.Cluster, client: Client, target: str
) -> None:
    inside = web.env(f"pod/{pods(web)[0].metadata.name}")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, client.authority, client.token, target],
        env=dict(inside),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["major"] == "1"


def test_the_api_is_an_endpoint_of_its_service(client: Client) -> None:
    address = client.server.partition(":")[0]
    slices = client.get(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        "?labelSelector=kubernetes.io/service-name%3Dkubernetes"
    )["items"]
    found: list[Any] = [each["endpoints"][0]["addresses"] for each in slices]
    assert found == [[address]]
    endpoints = client.get("/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints["subsets"][0]["addresses"] == [{"ip": address}]
