"""A drain asks budgets, and asks again where they refuse."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest

from emucluster.client.experiments import operations
from emucluster.client.experiments.operations import Operations
from emucluster.client.experiments.undo import UndoLog
from emucluster.core.errors import NotFound, TooManyRequests
from emucluster.core.objects import Node, Object, replace
from emucluster.experiment.ledger import Ask, Clear
from tests.client.experiments.build import obj, plan

LIMIT_S = 20.0


class Api:
    """A node with three pods; the budget refuses `web-2` until it is told otherwise."""

    def __init__(self) -> None:
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1"}
        daemon = {**owner, "kind": "DaemonSet"}
        self.node: Node = obj("Node", "node-1", metadata={"namespace": ""})
        self.pods = {
            name: obj("Pod", name, metadata={"ownerReferences": [{**by, "controller": True}]})
            for name, by in (("web-1", owner), ("web-2", owner), ("agent", daemon))
        }
        self.refusals = 0
        self.refuses = threading.Event()
        self.refuses.set()

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        return self.node

    find = get

    def update(self, changed: Node) -> Node:
        self.node = changed
        return changed

    def list(self, kind: str, fields: str = "") -> list[Object]:
        assert (kind, fields) == ("Pod", "spec.nodeName=node-1")
        return list(self.pods.values())

    def evict(self, name: str, namespace: str, *, uid: str) -> None:
        assert uid == self.pods[name].metadata.uid
        if name == "web-2" and self.refuses.is_set():
            self.refusals += 1
            raise TooManyRequests("Cannot evict pod as it would violate the budget.")
        if self.pods.pop(name, None) is None:
            raise NotFound.of("pods", name)


def eventually(true: Any) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_what_a_budget_refuses_is_asked_for_again_until_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "EVICT_AGAIN_S", 0.02)
    api, log = Api(), UndoLog(tmp_path / "undo")
    some = cast(Any, api)
    hands = Operations(some, some, cast(Any, None), log, run="run", clock=time.monotonic)
    (entry,) = plan({"kind": "drain", "target": "node/node-1", "for": 60}, seconds=61).entries
    hands.ask(Ask(entry, attempt=1, for_s=60, until_s=time.monotonic() + 60))
    assert api.node.spec.unschedulable
    assert hands.witness(entry) is None
    eventually(lambda: api.refusals >= 3)
    assert set(api.pods) == {"web-2", "agent"}
    api.refuses.clear()
    eventually(lambda: set(api.pods) == {"agent"})
    seen = hands.witness(entry)
    assert seen is not None
    assert "its pods are gone" in seen.what
    hands.clear(Clear(entry.id, entry.target))
    assert not api.node.spec.unschedulable
    hands.close()
    log.close()


def test_a_drain_that_is_over_asks_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "EVICT_AGAIN_S", 0.02)
    api, log = Api(), UndoLog(tmp_path / "undo")
    some = cast(Any, api)
    hands = Operations(some, some, cast(Any, None), log, run="run", clock=time.monotonic)
    (entry,) = plan({"kind": "drain", "target": "node/node-1", "for": 60}, seconds=61).entries
    hands.ask(Ask(entry, attempt=1, for_s=60, until_s=time.monotonic() + 60))
    eventually(lambda: api.refusals >= 2)
    hands.clear(Clear(entry.id, entry.target))
    eventually(lambda: not any(isinstance(t, threading.Timer) for t in threading.enumerate()))
    assert "web-2" in api.pods
    assert replace(api.node.spec, unschedulable=None) == api.node.spec
    hands.close()
    log.close()
