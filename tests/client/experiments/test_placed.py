"""An experiment's objects are gone, with all that came of them, before it says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emucluster.client.experiments import place
from emucluster.client.experiments.place import Placed
from emucluster.client.experiments.undo import UndoLog
from emucluster.core.errors import NotFound

from .build import obj

UNTIL_GONE = 4
"""So often the pod is still listed after its owners are gone: it has its grace period."""


def owned(kind: str, name: str, by: Any, api_version: str = "v1") -> Any:
    owner = {"apiVersion": by.api_version, "kind": by.kind, "name": by.metadata.name}
    reference = {**owner, "uid": by.metadata.uid, "controller": True}
    return obj(kind, name, api_version, metadata={"uid": name, "ownerReferences": [reference]})


class Api:
    """Deletes a Deployment and its ReplicaSet at once, and their pod in its own time."""

    def __init__(self) -> None:
        self.deployment = obj("Deployment", "web", "apps/v1", metadata={"uid": "deployment"})
        replica_set = owned("ReplicaSet", "web-1", self.deployment, "apps/v1")
        self.objects = [self.deployment, replica_set, owned("Pod", "web-1-a", replica_set)]
        self._lists_left: int | None = None

    def apply(self, objects: Any, *, dry_run: bool = False) -> Any:
        return [SimpleNamespace(outcome="created", object=self.deployment)]

    def find(self, *_: str) -> None:
        return None

    def delete(self, kind: str, name: str, namespace: str) -> None:
        if self._lists_left is not None:
            raise NotFound(name)
        self.objects, self._lists_left = self.objects[2:], UNTIL_GONE

    def list(self, kind: str) -> list[Any]:
        if kind == "Pod" and self._lists_left is not None:
            self._lists_left -= 1
            if self._lists_left <= 0:
                self.objects = []
        return [each for each in self.objects if each.kind == kind]


def test_a_pod_that_outlives_its_owners_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "GONE_S", 10.0)
    api, log = Api(), UndoLog(tmp_path / "undo")
    session: Any = SimpleNamespace(api=api, lab=None, gone="")
    with Placed(session, [api.deployment], log, lambda _: None):
        pass
    log.close()
    assert api.objects == []
