"""What the kubelet holds of readiness is told when it changes, with the reason."""

from __future__ import annotations

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from tests.core.kubelet.test_probes import Health, grown_node, probe
from tests.core.kubelet.virtual_node import VirtualNode, pod


def told(node: VirtualNode) -> list[tuple[bool, str]]:
    return [(b.ready, b.reason) for _, b in node.log if isinstance(b, c.ReadinessBecame)]


def test_a_pod_becomes_ready_by_its_probe_and_unready_when_the_probe_has_failed_often_enough() -> (
    None
):
    node = grown_node()
    health = Health(node)
    node.create(pod(readiness_probe=probe(period_seconds=10, failure_threshold=2)))
    assert told(node)[-1] == (True, "readiness probe: no answer")  # what the virtual node answers
    before = len(told(node))
    health.answers["readiness"] = "failure"
    node.run_until(1012)
    assert len(told(node)) == before
    node.run_until(1023)
    assert told(node)[before:] == [(False, "readiness probe: no answer")]


def test_without_a_probe_it_is_ready_once_started_and_unready_when_it_exits() -> None:
    node = grown_node()
    node.create(pod())
    assert told(node)[-1] == (True, "started; has no readiness probe")
    node.exits(3)
    assert (False, "container main exited with code 3") in told(node)


def test_nothing_is_told_while_nothing_changes() -> None:
    node = grown_node()
    Health(node)
    node.create(pod(readiness_probe=probe(period_seconds=1)))
    before = len(told(node))
    node.run_until(1060)
    assert len(told(node)) == before


def test_after_a_reboot_it_is_told_anew() -> None:
    node = grown_node()
    results: list[e.ProbeResult | None] = ["success"]
    node.probe = lambda _: results[0]
    node.create(pod(readiness_probe=probe()))
    assert told(node)[-1][0]
    results[0] = None
    node.reboot()
    assert told(node)[-1] == (False, "not probed yet")
