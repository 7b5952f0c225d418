"""Channels between our own processes, when the other side takes its time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from emucluster.live.rpc.channel import CONNECT_TIMEOUT_S, connect

LATE_S = 0.5
"""More than a turn of an event loop takes, and far less than what an attempt may take."""


@contextmanager
def busy_server() -> Iterator[str]:
    """Takes connections at once and says its first word `LATE_S` later; its ADDR:PORT."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_relay, args=(listener, port), daemon=True).start()
        yield "{}:{}".format(*listener.getsockname())
    server.stop(0).wait()


def _relay(listener: socket.socket, port: int) -> None:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=_pass_on, args=(client, server), daemon=True).start()
    time.sleep(LATE_S)
    _pass_on(server, client)


def _pass_on(source: socket.socket, destination: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            destination.sendall(chunk)
    except OSError:
        pass
    destination.close()


def test_a_server_that_is_busy_when_it_is_dialled_is_waited_for() -> None:
    with busy_server() as address, connect(address) as channel:
        ask = health_pb2_grpc.HealthStub(channel).Check
        reply = ask(health_pb2.HealthCheckRequest(), timeout=3 * CONNECT_TIMEOUT_S)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_nobody_listening_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
        with connect(address) as channel:
            ask = health_pb2_grpc.HealthStub(channel).Check
            with pytest.raises(grpc.RpcError) as refused:
                ask(health_pb2.HealthCheckRequest(), timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
