"""Streams by client libraries for Python: the official one, and kr8s."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import emucluster as emu
from tests.kubernetes.kubectl import Kubectl, needed
from tests.kubernetes.workshop import PORT

pytestmark = [pytest.mark.live, needed]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""With which a client of HTTP/2 begins; a server answers with its SETTINGS."""


@pytest.fixture
def core(cluster: emu.Cluster) -> Iterator[Any]:
    """The official client's door to core v1."""
    kubernetes = pytest.importorskip("kubernetes")
    client = kubernetes.config.new_client_from_config(str(cluster.kubeconfig()))
    yield kubernetes.client.CoreV1Api(client)
    client.close()


def test_the_official_client_reads_logs(workshop: Kubectl, core: Any) -> None:
    said = core.read_namespaced_pod_log("own", workshop.namespace, limit_bytes=8)
    assert said == "serving\n"
    followed = core.read_namespaced_pod_log(
        "own", workshop.namespace, follow=True, tail_lines=1, _preload_content=False
    )
    assert next(iter(followed)).startswith(b"tick ")
    followed.close()


def test_the_official_client_runs_commands(workshop: Kubectl, core: Any) -> None:
    from kubernetes.stream import stream

    script = "read x; echo got $x; echo oops >&2; exit 3"
    running = stream(
        core.connect_get_namespaced_pod_exec,
        "own",
        workshop.namespace,
        command=["sh", "-c", script],
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    running.write_stdin("this\n")
    running.run_forever(timeout=60)
    assert running.read_stdout() == "got this\n"
    assert running.read_stderr() == "oops\n"
    assert running.returncode == 3
    running.close()


def test_the_official_client_forwards_ports(workshop: Kubectl, core: Any) -> None:
    from kubernetes.stream import portforward

    forwarding = portforward(
        core.connect_get_namespaced_pod_portforward, "own", workshop.namespace, ports=str(PORT)
    )
    sock = forwarding.socket(PORT)
    sock.settimeout(60)
    sock.sendall(PREFACE)
    assert sock.recv(9)[3] == 4  # a frame of type SETTINGS
    assert forwarding.error(PORT) is None
    sock.shutdown(socket.SHUT_RDWR)
    while sock.recv(4096):
        pass
    sock.close()


def test_kr8s_runs_commands_and_forwards_ports(workshop: Kubectl, cluster: emu.Cluster) -> None:
    kr8s = pytest.importorskip("kr8s")

    async def scenario() -> None:
        api = await kr8s.asyncio.api(kubeconfig=str(cluster.kubeconfig()))
        pod = await kr8s.asyncio.objects.Pod.get("own", namespace=workshop.namespace, api=api)
        done = await pod.exec(["sh", "-c", "echo $GREETING"])
        assert (done.returncode, done.stdout) == (0, b"hi\n")
        lines = [line async for line in pod.logs(tail_lines=2)]
        assert all(line.startswith("tick ") for line in lines)
        async with pod.portforward(PORT) as local:
            answer = await asyncio.to_thread(settings, local)
        assert answer[3] == 4

    asyncio.run(scenario())


def settings(port: int) -> bytes:
    """How a server of HTTP/2 at a local port begins."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(PREFACE)
        return sock.recv(9)
