"""Who of a plan may have a target deleted."""

from __future__ import annotations

import pytest

from emucluster.experiment.deletions import may_delete
from emucluster.experiment.plan import PlanEntry

from .build import entry

POD = "pod/default/web-5d-x1"


@pytest.mark.parametrize(
    ("by", "so"),
    [
        (entry("rolling-update", "deployment/default/web", operation=True), True),
        (entry("rolling-update", "deployment/default/other", operation=True), False),
        (entry("scale", "deployment/shop/web", operation=True), False),
        (entry("wrong-selector", "service/default/web", operation=True), False),
        (entry("apply", "manifest", operation=True), True),
        (entry("drain", "node/node-1", operation=True), True),
        (entry("node-removal", "node/node-2", operation=True), False),
        (entry("power-off", "node/node-1"), True),
        (entry("freeze", "node/node-2"), False),
        (entry("partition", "control-plane", "node/node-2"), True),
        (entry("latency", "node/node-2", "node/node-1"), True),
        (entry("zombie", POD), True),
        (entry("zombie", "pod/default/web-5d-x2"), False),
        (entry("gray", POD), False),
    ],
)
def test_of_a_pod(by: PlanEntry, so: bool) -> None:
    assert may_delete(by, POD, node="node-1") is so


def test_a_pod_of_which_nobody_knows_the_node_may_be_on_any() -> None:
    assert may_delete(entry("power-off", "node/node-2"), POD, node="")


def test_nothing_but_a_document_takes_a_load_balancer_away() -> None:
    assert may_delete(entry("apply", "manifest", operation=True), "lb/default/web", node="")
    assert not may_delete(entry("power-off", "node/node-2"), "lb/default/web", node="")
