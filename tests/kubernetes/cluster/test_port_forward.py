"""`kubectl port-forward`: real bytes to pods, through their nodes."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

import emucluster as emu
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.kubernetes.kubectl import Kubectl, needed
from tests.kubernetes.workshop import PORT

pytestmark = [pytest.mark.live, needed]

DEADLINE_S = 30.0


@contextmanager
def forwarded(kubectl: Kubectl, target: str, *ports: int) -> Iterator[list[int]]:
    """The local ports, as kubectl chose them."""
    with kubectl.start("port-forward", target, *(f":{port}" for port in ports)) as process:
        assert process.stdout is not None
        local: dict[int, int] = {}
        while len(local) < len(ports):
            line = process.stdout.readline()
            assert line, "kubectl has ended"
            if found := re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line):
                local[int(found[2])] = int(found[1])
        yield list(local.values())


def pong(channel: grpc.Channel, message: bytes) -> bytes:
    answer: bytes = channel.unary_unary("/any/Method")(message, timeout=DEADLINE_S)
    return answer


def test_calls_reach_a_pod_and_a_service(workshop: Kubectl) -> None:
    for target, port in (("pod/own", PORT), ("service/own", 80)):
        with (
            forwarded(workshop, target, port) as local,
            grpc.insecure_channel(f"127.0.0.1:{local[0]}") as channel,
        ):
            assert pong(channel, b"a") == b"pong a"
            large = b"x" * 2_000_000
            assert pong(channel, large) == b"pong " + large


def test_several_connections_go_on_beside_each_other(workshop: Kubectl) -> None:
    with forwarded(workshop, "pod/two", 50051, 50052) as local:
        channels = [grpc.insecure_channel(f"127.0.0.1:{port}") for port in (*local, *local)]
        stubs = [echo_pb2_grpc.EchoStub(channel) for channel in channels]
        calls = [
            stub.Call.future(echo_pb2.EchoRequest(id="a", delay_s=0.2), timeout=DEADLINE_S)
            for stub in stubs
        ]
        answers = [call.result() for call in calls]
        for channel in channels:
            channel.close()
    node = workshop("get", "pod", "two", "-o", "jsonpath={.status.hostIP}")
    assert {answer.pod for answer in answers} == {"two"}
    assert {answer.client.rpartition(":")[0] for answer in answers} == {node}


def test_a_port_where_nobody_listens_is_named(workshop: Kubectl) -> None:
    said = refused_port(workshop, "pod/echo", 6666)
    address = workshop("get", "pod", "echo", "-o", "jsonpath={.status.podIP}")
    assert "an error occurred forwarding" in said
    assert f"dial tcp {address}:6666: connect: connection refused" in said


def test_a_pod_that_does_not_run_cannot_be_forwarded_to(workshop: Kubectl) -> None:
    done = workshop.run("port-forward", "pod/nowhere", ":80")
    assert done.returncode == 1
    assert "pod is not running. Current status=Pending" in done.stderr


@pytest.mark.slow
def test_a_node_that_is_stopped_answers_nobody(workshop: Kubectl, cluster: emu.Cluster) -> None:
    node = workshop("get", "pod", "own", "-o", "jsonpath={.spec.nodeName}")
    address = workshop("get", "pod", "own", "-o", "jsonpath={.status.hostIP}")
    cluster.inject("freeze", f"node/{node}", 60)
    try:
        with ThreadPoolExecutor() as threads:
            logs = threads.submit(workshop.run, "logs", "own")
            executed = threads.submit(workshop.run, "exec", "own", "--", "true")
            forwarding = threads.submit(refused_port, workshop, "pod/own", PORT)
        dial = rf"dial tcp {re.escape(address)}:10250: i/o timeout"
        path = f"containerLogs/{workshop.namespace}/own/main"
        assert logs.result().stderr == (
            f'Error from server: Get "https://{address}:10250/{path}": '
            f"dial tcp {address}:10250: i/o timeout\n"
        )
        assert re.search(rf"error dialing backend: {dial}", executed.result().stderr)
        assert re.search(dial, forwarding.result())
        assert (logs.result().returncode, executed.result().returncode) == (1, 1)
    finally:
        cluster.clear_faults()
    workshop("wait", "--for=condition=Ready", "pod/own", "--timeout=90s")
    assert "serving" in workshop("logs", "own")


def refused_port(kubectl: Kubectl, target: str, port: int) -> str:
    """What is said of a connection to a port that comes to nothing."""
    with kubectl.start("port-forward", target, f":{port}") as process:
        assert process.stdout is not None
        local = int(re.findall(r"127\.0\.0\.1:(\d+)", process.stdout.readline())[0])
        with socket.create_connection(("127.0.0.1", local), timeout=DEADLINE_S) as sock:
            assert sock.recv(1) == b""
        return process.stdout.read()
