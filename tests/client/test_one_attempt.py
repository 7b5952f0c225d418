"""A channel that serves one call dials each address once, so that its path is the call's own."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest

from emucluster.client.calls import call_once
from emucluster.client.dial import dial
from emucluster.client.path import Address
from emucluster.client.targets import Destination
from emucluster.live.load.channels import arguments
from emucluster.live.load.settings import read_settings
from emucluster.live.rpc.pb import load_pb2
from tests.live.load.lab import group

pytestmark = pytest.mark.live

HELD_S = 1.3
"""Longer than grpc's first backoff, 1 s give or take a fifth."""
LOOKED_S = 0.5


class SlowRefusal:
    """Resets each connection, the first one late."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.231.0.79", 0))
        self.address: Address = self._listener.getsockname()
        self.accepted = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.accepted < 0:
                return
            self.accepted += 1
            if self.accepted == 1:
                time.sleep(HELD_S)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    def close(self) -> int:
        """End it; how many came."""
        came, self.accepted = self.accepted, -1
        socket.create_connection(self.address).close()
        self._thread.join(10)
        self._listener.close()
        return came


@pytest.fixture
def gateway() -> Iterator[SlowRefusal]:
    made = SlowRefusal()
    yield made
    if made.accepted >= 0:
        made.close()


def of_a_client(gateway: Address) -> grpc.Channel:
    destination = Destination("service/web", (("10.96.0.1", 80),))
    return dial(destination, gateway, number=1, flow_id="a" * 32)


def of_a_client_by_name(gateway: Address) -> grpc.Channel:
    return dial(Destination("web", (), name="web:80"), gateway, number=1, flow_id="a" * 32)


def of_a_load(gateway: Address) -> grpc.Channel:
    via = f"{gateway[0]}:{gateway[1]}"
    load = load_pb2.LoadSpec(groups=[group("10.96.0.1:80", connection="per-call")])
    options = arguments(read_settings(load).groups[0], via, "a" * 32)
    return grpc.insecure_channel("ipv4:10.96.0.1:80", options=options)


@pytest.mark.parametrize("opened", [of_a_client, of_a_client_by_name, of_a_load])
def test_no_second_attempt_follows_the_one_that_failed(
    gateway: SlowRefusal, opened: Callable[[Address], grpc.Channel]
) -> None:
    with opened(gateway.address) as channel:
        call = call_once(channel, timeout_s=30)
        assert call.status == "UNAVAILABLE"
        assert call.latency_s > HELD_S * 0.9
        time.sleep(LOOKED_S)
    assert gateway.close() == 1
