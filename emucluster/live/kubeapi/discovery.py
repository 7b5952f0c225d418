"""What there is: the documents by which clients learn groups, versions and resources.

Two forms: one list of everything (`apidiscovery.k8s.io`, v2 and v2beta1), and the legacy documents
for each group and version. Types: k8s.io/api/apidiscovery/v2, metav1.APIResourceList. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from emucluster.core.schemas.openapi import Documented

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_PART_VERBS: Mapping[str, tuple[str, ...]] = {
    "attach": ("create", "get"),
    "binding": ("create",),
    "eviction": ("create",),
    "exec": ("create", "get"),
    "finalize": ("update",),
    "log": ("get",),
    "portforward": ("create", "get"),
}
_CHANGED = ("get", "patch", "update")
_PART_KINDS: Mapping[str, tuple[str, str, str]] = {
    "attach": ("", "v1", "PodAttachOptions"),
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "exec": ("", "v1", "PodExecOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
    "scale": ("autoscaling", "v1", "Scale"),
}
"""Group, version and kind of what a subresource takes and gives, where that is not the object."""


class Listed(Documented, Protocol):
    """What is told of a resource; `emucluster.core.objects.registry.Resource` has it all."""

    @property
    def singular(self) -> str: ...
    @property
    def short_names(self) -> Sequence[str]: ...
    @property
    def categories(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its entity tag."""

    body: bytes
    etag: str


def verbs_of(row: Listed, subresource: str = "") -> tuple[str, ...]:
    """What may be done with a resource or a part of it."""
    if subresource:
        return _PART_VERBS.get(subresource, _CHANGED)
    if (own := getattr(row, "verbs", None)) is not None:
        return tuple(own)
    if row.group == "" and row.plural == "namespaces":
        return tuple(verb for verb in VERBS if verb != "deletecollection")
    return VERBS


class Documents:
    """All documents for one set of resources, each made when it is first asked for.

    `rows`: groups in the order of their first row; a group's preferred version comes first.
    """

    def __init__(self, rows: Iterable[Listed], *, address: str) -> None:
        self._groups: dict[str, dict[str, list[Listed]]] = {}
        for row in rows:
            self._groups.setdefault(row.group, {}).setdefault(row.version, []).append(row)
        self._address = address
        self._made: dict[tuple[str, ...], Document] = {}

    def aggregated(self, *, core: bool, version: str) -> Document:
        """`/api` (core) or `/apis` as an APIGroupDiscoveryList; `version`: v2 or v2beta1."""

        def make() -> Any:
            wanted = [""] if core else [group for group in self._groups if group]
            return {
                "kind": "APIGroupDiscoveryList",
                "apiVersion": f"apidiscovery.k8s.io/{version}",
                "metadata": {},
                "items": [self._discovered(group) for group in wanted if group in self._groups],
            }

        return self._document(make, "aggregated", str(core), version)

    def api_versions(self) -> Document:
        """`/api` in the legacy form."""

        def make() -> Any:
            server = {"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}
            versions = list(self._groups.get("", {}))
            return {
                "kind": "APIVersions",
                "versions": versions,
                "serverAddressByClientCIDRs": [server],
            }

        return self._document(make, "api")

    def groups(self) -> Document:
        """`/apis` in the legacy form."""

        def make() -> Any:
            groups = [self._group(group) for group in self._groups if group]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

        return self._document(make, "groups")

    def group(self, group: str) -> Document | None:
        """`/apis/GROUP`; None where there is no such group."""
        if not group or group not in self._groups:
            return None
        head = {"kind": "APIGroup", "apiVersion": "v1"}
        return self._document(lambda: head | self._group(group), "group", group)

    def resources(self, group: str, version: str) -> Document | None:
        """`/apis/GROUP/VERSION` or `/api/v1`; None where there is nothing."""
        rows = self._groups.get(group, {}).get(version)
        if rows is None:
            return None

        def make() -> Any:
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": _group_version(group, version),
                "resources": [each for row in rows for each in _resources(row)],
            }

        return self._document(make, "resources", group, version)

    def group_versions(self) -> list[tuple[str, str]]:
        """Every (group, version), in order."""
        return [
            (group, version) for group, versions in self._groups.items() for version in versions
        ]

    def _document(self, make: Any, *key: str) -> Document:
        document = self._made.get(key)
        if document is None:
            body = msgspec.json.encode(make())
            etag = hashlib.sha256(body).hexdigest().upper()
            document = self._made[key] = Document(body, f'"{etag}"')
        return document

    def _group(self, group: str) -> dict[str, Any]:
        versions = [
            {"groupVersion": _group_version(group, version), "version": version}
            for version in self._groups[group]
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _discovered(self, group: str) -> dict[str, Any]:
        versions = [
            {
                "version": version,
                "resources": [_discovered(row) for row in rows],
                "freshness": "Current",
            }
            for version, rows in self._groups[group].items()
        ]
        metadata = {"name": group} if group else {}
        return {"metadata": metadata | {"creationTimestamp": None}, "versions": versions}


def _group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def kind_of_part(row: Listed, subresource: str) -> tuple[str, str, str]:
    """Group, version and kind of what a subresource takes and gives."""
    return _PART_KINDS.get(subresource, (row.group, row.version, row.kind))


def _discovered(row: Listed) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resource": row.plural,
        "responseKind": _kind((row.group, row.version, row.kind)),
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": list(verbs_of(row)),
    }
    if row.short_names:
        found["shortNames"] = list(row.short_names)
    if row.categories:
        found["categories"] = list(row.categories)
    if row.subresources:
        found["subresources"] = [
            {
                "subresource": name,
                "responseKind": _kind(kind_of_part(row, name)),
                "verbs": list(verbs_of(row, name)),
            }
            for name in sorted(row.subresources)
        ]
    return found


def _kind(parts: tuple[str, str, str]) -> dict[str, str]:
    group, version, kind = parts
    return {"group": group, "version": version, "kind": kind}


def _resources(row: Listed) -> list[dict[str, Any]]:
    own: dict[str, Any] = {
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": list(verbs_of(row)),
    }
    if row.short_names:
        own["shortNames"] = list(row.short_names)
    if row.categories:
        own["categories"] = list(row.categories)
    parts = []
    for name in sorted(row.subresources):
        group, version, kind = kind_of_part(row, name)
        part: dict[str, Any] = {
            "name": f"{row.plural}/{name}",
            "singularName": "",
            "namespaced": row.namespaced,
        }
        if (group, version) != (row.group, row.version):
            part |= {"group": group, "version": version}
        parts.append(part | {"kind": kind, "verbs": list(verbs_of(row, name))})
    return [own, *parts]
