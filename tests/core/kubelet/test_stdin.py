"""Whose standard input the runtime is to hold open."""

from __future__ import annotations

import pytest

from emucluster.core.kubelet.environment import PodFacts
from emucluster.core.kubelet.image import parse_image
from emucluster.core.kubelet.pod_spec import container_spec
from emucluster.core.objects import Container
from tests.core.kubelet.virtual_node import pod


@pytest.mark.parametrize(
    ("asked", "held", "once"),
    [
        ({}, False, False),
        ({"stdin": True}, True, False),
        ({"stdin": True, "stdin_once": True}, True, True),
        ({"stdin": True, "stdin_once": True, "tty": True}, False, True),
    ],
)
def test_it_is_held_open_where_there_is_no_terminal(
    asked: dict[str, bool], held: bool, once: bool
) -> None:
    container = Container(name="main", image="command:/bin/cat", **asked)
    spec = container_spec(
        container,
        parse_image("command:/bin/cat"),
        PodFacts(pod(), "127.32.1.2", "127.16.0.1", {"cpu": "4", "memory": "8Gi"}),
        sources=lambda kind, namespace, name: None,
        services=[],
        is_init=False,
    )
    assert (spec.stdin, spec.stdin_once) == (held, once)
