"""What follows from the end of a definition. Has the shape of a controller.

Sources: k8s.io/apiextensions-apiserver pkg/controller/finalizer and pkg/controller/status.
"""

from __future__ import annotations

from typing import ClassVar

from emucluster.core.admission.admission import Admission
from emucluster.core.admission.lifecycle import EVERY_KIND
from emucluster.core.objects import (
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    replace,
)
from emucluster.core.objects.kinds import is_established
from emucluster.core.store import StoreEvent, key_of

from .definitions import CLEANUP, accepted, others_in_group, with_condition


class DefinitionLifecycle:
    """Deletes the objects of a definition that goes, lets it go when they are gone, and gives the
    names that it had to those who asked for them in vain."""

    kinds: ClassVar[frozenset[str]] = EVERY_KIND

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._store = admission.store
        self._ending: dict[str, str] = {}
        """Names of definitions that go, by the key of their kind."""
        self._dirty: dict[str, None] = {}
        self._freed: list[CustomResourceDefinition] = []

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        """Marks a definition that ends or ended, and one of whose objects one is gone."""
        del now_s
        obj = event.object
        if not isinstance(obj, CustomResourceDefinition):
            if event.type == "DELETED" and event.kind in self._ending:
                self._dirty[self._ending[event.kind]] = None
            return
        if event.type == "DELETED":
            self._ending.pop(_kind_key(obj), None)
            self._freed.append(obj)
            return
        if obj.metadata.deletion_timestamp is not None:
            self._ending[_kind_key(obj)] = obj.metadata.name
            self._dirty[obj.metadata.name] = None
        old = event.old
        names = obj.status.accepted_names
        if isinstance(old, CustomResourceDefinition) and old.status.accepted_names != names:
            self._freed.append(obj)

    def flush(self, *, now_s: float, stamp: str) -> None:
        """Deletes objects; their finalizers take their time."""
        del now_s
        dirty, self._dirty = self._dirty, {}
        for name in dirty:
            definition = self._store.get(CustomResourceDefinition, "", name)
            if definition is not None and definition.metadata.deletion_timestamp is not None:
                self._end(definition, stamp)
        freed, self._freed = self._freed, []
        for gone in freed:
            for other in tuple(others_in_group(gone, self._store)):
                self._store.update(accepted(other, self._store, stamp), subresource="status")

    def next_wake_s(self) -> None:
        """Never by itself: only events make work."""
        return

    def _end(self, definition: CustomResourceDefinition, stamp: str) -> None:
        if CLEANUP not in definition.metadata.finalizers:
            return
        kind = _kind_key(definition)
        if is_established(definition) and self._store.kinds.get(kind) is not None:
            objects = tuple(self._store.list(kind))
            if objects:
                waiting = CustomResourceDefinitionCondition(
                    type="Terminating",
                    status="True",
                    reason="InstanceDeletionInProgress",
                    message="CustomResource deletion is in progress",
                )
                told = with_condition(definition, waiting, stamp)
                self._store.update(told, subresource="status")
            for obj in objects:
                if obj.metadata.deletion_timestamp is None:
                    self._admission.delete(*key_of(obj), stamp=stamp, uid=obj.metadata.uid)
            if any(True for _ in self._store.list(kind)):
                return
        current = self._store.get(CustomResourceDefinition, "", definition.metadata.name)
        if current is not None:
            finalizers = tuple(f for f in current.metadata.finalizers if f != CLEANUP)
            metadata = replace(current.metadata, finalizers=finalizers)
            self._store.update(replace(current, metadata=metadata))


def _kind_key(definition: CustomResourceDefinition) -> str:
    return f"{definition.status.accepted_names.kind}.{definition.spec.group}"
