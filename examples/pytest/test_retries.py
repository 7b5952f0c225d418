"""A gRPC author's own client, tested under the loss of a node.

    .venv/bin/python -m pytest examples/pytest

The fixture `emucluster` is a cluster with a namespace for each test. When a test is over its faults
are, too. In your own project, `pip install emucluster` is all that it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

GREETER = Path(__file__).parents[1] / "own_servicer" / "greeter.yaml"
RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class GreeterClient:
    """The client under test. A retry dials anew: a dead peer's connection only looks alive."""

    def __init__(self, dial: Callable[[], grpc.Channel], *, attempts: int) -> None:
        self._dial = dial
        self._attempts = attempts
        self._channel = dial()

    def greet(self, name: str, *, attempt_timeout_s: float = 1.0) -> str:
        for attempt in range(1, self._attempts + 1):
            hello = self._channel.unary_unary("/greeter.Greeter/Hello")
            try:
                return bytes(hello(name.encode(), timeout=attempt_timeout_s)).decode()
            except grpc.RpcError as error:
                if attempt == self._attempts or error.code() not in RETRIED:
                    raise
                self._channel.close()
                self._channel = self._dial()
        raise AssertionError("at least one attempt")


@pytest.fixture
def dial(emucluster) -> Callable[[], grpc.Channel]:
    """How an outsider connects to the greeter, which stands behind a load balancer."""
    emucluster.apply(GREETER)
    emucluster.wait_ready()
    outside = emucluster.client()
    return lambda: outside.channel("service/greeter")


def node_of(answer: str) -> str:
    """`hello Ada, this is greeter-... on node-2`"""
    return answer.rpartition(" on ")[2]


def test_without_retries_the_loss_of_a_node_is_felt(emucluster, dial) -> None:
    client = GreeterClient(dial, attempts=1)
    node = node_of(client.greet("Ada"))

    emucluster.inject("power-off", f"node/{node}")

    with pytest.raises(grpc.RpcError) as caught:
        client.greet("Grace")
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # silence: no reset came


def test_retries_hide_a_node_loss(emucluster, dial) -> None:
    client = GreeterClient(dial, attempts=20)
    node = node_of(client.greet("Ada"))

    emucluster.inject("power-off", f"node/{node}")

    answers = [client.greet(f"caller {number}") for number in range(20)]
    assert {node_of(answer) for answer in answers} - {node}, "nobody else answered"
    assert node not in {node_of(answer) for answer in answers}
