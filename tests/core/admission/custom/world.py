"""A store with admission and what follows from deletions, stepped until nothing happens."""

from __future__ import annotations

import random
from typing import Any, TypeVar

from emucluster.core.admission import Admission
from emucluster.core.admission.custom.definition_lifecycle import DefinitionLifecycle
from emucluster.core.admission.lifecycle import GarbageCollector, NamespaceLifecycle
from emucluster.core.objects import CustomObject, CustomResourceDefinition, Object
from emucluster.core.objects.codec import decode_tree
from emucluster.core.store import Store

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:01:00Z"
T = TypeVar("T", bound=Object)


class World:
    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store(ids=random.Random(1))
        self.admission = Admission(self.store, rng=random.Random(2))
        self.machines = (
            NamespaceLifecycle(self.admission),
            DefinitionLifecycle(self.admission),
            GarbageCollector(self.admission),
        )
        self._seen = self.store.version
        self.admission.bootstrap(NOW)
        self.settle()

    def settle(self, stamp: str = NOW) -> None:
        while self._seen < self.store.version:
            events = self.store.events_since(self._seen)
            self._seen = self.store.version
            for machine in self.machines:
                for event in events:
                    machine.handle(event, now_s=0.0)
                machine.flush(now_s=0.0, stamp=stamp)

    def define(self, tree: dict[str, Any] | None = None, **options: Any) -> Any:
        return self.admission.create(
            decoded(tree or definition(), self.store), stamp=NOW, **options
        )

    def create(self, tree: dict[str, Any], **options: Any) -> CustomObject:
        made = self.admission.create(decoded(tree, self.store), stamp=NOW, **options)
        assert isinstance(made, CustomObject)
        return made

    def crd(self, name: str = "widgets.example.com") -> CustomResourceDefinition | None:
        return self.store.get(CustomResourceDefinition, "", name)


def decoded(tree: dict[str, Any], store: Store) -> Object:
    return decode_tree(tree, kinds=store.kinds)


def version(name: str = "v1", *, storage: bool = True, **more: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 0},
                    "mode": {"type": "string", "default": "fast"},
                },
            },
            "status": {"type": "object", "properties": {"size": {"type": "integer"}}},
        },
    }
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
        },
        **more,
    }


def definition(
    *versions: dict[str, Any],
    kind: str = "Widget",
    group: str = "example.com",
    scope: str = "Namespaced",
    **names: Any,
) -> dict[str, Any]:
    plural = names.pop("plural", f"{kind.lower()}s")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind, **names},
            "versions": list(versions or [version()]),
        },
    }


def widget(name: str = "w", *, version: str = "v1", **content: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"example.com/{version}",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": "default"},
        **(content or {"spec": {"size": 1}}),
    }
