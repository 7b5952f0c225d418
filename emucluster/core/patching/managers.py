"""metadata.managedFields: which manager owns which fields of an object.

Source: k8s.io/apimachinery/pkg/util/managedfields/internal, managedfields.go and capmanagers.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .fieldset import EMPTY, FieldSet, difference, parse, union
from .trees import Tree

APPLY, UPDATE = "Apply", "Update"
MAX_UPDATERS = 10
ANCIENT = "ancient-changes"
"""Owns what the oldest updaters owned when there are more than `MAX_UPDATERS`."""


class Manager(NamedTuple):
    """Who owns fields. An applier is one whatever version it applies, so that has none here."""

    name: str
    operation: str
    api_version: str
    subresource: str

    def __str__(self) -> str:
        quoted = f'"{self.name}"'
        if self.subresource:
            quoted += f' with subresource "{self.subresource}"'
        return f"{quoted} using {self.api_version}" if self.operation == UPDATE else quoted


def applier(name: str, subresource: str) -> Manager:
    return Manager(name, APPLY, "", subresource)


def updater(name: str, api_version: str, subresource: str) -> Manager:
    return Manager(name or "unknown", UPDATE, api_version, subresource)


@dataclass(slots=True)
class Owned:
    """Fields of one manager; `version` and `time` as the entry tells them."""

    fields: FieldSet
    version: str
    time: str | None


@dataclass(slots=True)
class Managers:
    """All managers of an object. Changed in place by those below; made anew for each request."""

    owned: dict[Manager, Owned] = field(default_factory=dict)

    @classmethod
    def decode(cls, entries: Any) -> Managers:
        """From metadata.managedFields. Raises ValueError for what is no such list."""
        result = cls()
        if not isinstance(entries, list | tuple):
            raise ValueError("managedFields is not a list")
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise ValueError(f"managedFields entry {number} is not an object")
            operation, version = entry.get("operation"), entry.get("apiVersion")
            if operation not in (APPLY, UPDATE):
                raise ValueError("operation must be `Apply` or `Update`")
            if not version:
                raise ValueError("apiVersion must not be empty")
            if entry.get("fieldsType") != "FieldsV1":
                kind = entry.get("fieldsType")
                text = f'invalid fieldsType "{kind}"' if kind else "missing fieldsType"
                raise ValueError(f"{text} in managed fields entry {number}")
            manager = Manager(
                str(entry.get("manager") or ""),
                operation,
                str(version) if operation == UPDATE else "",
                str(entry.get("subresource") or ""),
            )
            fields = parse(entry.get("fieldsV1") or {})
            result.owned[manager] = Owned(fields, str(version), entry.get("time"))
        return result

    @classmethod
    def read(cls, entries: Any) -> Managers:
        """As `decode`; none at all where the entries cannot be read."""
        try:
            return cls.decode(entries or [])
        except ValueError:
            return cls()

    def encode(self) -> list[Tree]:
        """As metadata.managedFields, in the order in which API servers write it."""
        entries = []
        for manager, owned in self.owned.items():
            entry: Tree = {
                "manager": manager.name,
                "operation": manager.operation,
                "apiVersion": owned.version,
                "time": owned.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": owned.fields,
                "subresource": manager.subresource,
            }
            entries.append({k: v for k, v in entry.items() if v or k == "fieldsV1"})
        entries.sort(key=_entry_order)
        return entries

    def take(self, fields: FieldSet, *, keep: Manager) -> None:
        """Nobody but one manager owns these fields any more."""
        for manager, owned in list(self.owned.items()):
            if manager != keep:
                self.give(manager, difference(owned.fields, fields), owned.version)

    def give(
        self, manager: Manager, fields: FieldSet, version: str, time: str | None = None
    ) -> None:
        """A manager owns these fields and no others; without any it is gone."""
        if not fields:
            self.owned.pop(manager, None)
            return
        old = self.owned.get(manager)
        time = time or (old.time if old else None)
        self.owned[manager] = Owned(fields, version, time)

    def fields(self, manager: Manager) -> FieldSet:
        """What a manager owns."""
        owned = self.owned.get(manager)
        return EMPTY if owned is None else owned.fields

    def cap(self) -> None:
        """Merges the oldest updaters of a version until there are `MAX_UPDATERS` at most."""
        updaters = [m for m in self.owned if m.operation == UPDATE]
        excess = len(updaters) - MAX_UPDATERS
        if excess <= 0:
            return
        updaters.sort(key=lambda m: (self.owned[m].time or "", m))
        first: dict[str, Manager] = {}
        for manager in updaters:
            if excess <= 0:
                break
            version = self.owned[manager].version
            bucket = updater(ANCIENT, version, "")
            if version not in first:
                first[version] = manager
                continue
            if bucket not in self.owned:
                self.owned[bucket] = self.owned.pop(first[version])
            merged = self.owned.pop(manager)
            both = union(merged.fields, self.owned[bucket].fields)
            self.owned[bucket] = Owned(both, version, merged.time)
            excess -= 1


def _entry_order(entry: Tree) -> tuple[str, ...]:
    keys = ("operation", "time", "manager", "apiVersion", "subresource")
    return tuple(str(entry.get(key, "")) for key in keys)
