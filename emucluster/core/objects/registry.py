"""The kinds that the API serves, under every name that kubectl accepts for them."""

from __future__ import annotations

from dataclasses import dataclass

from emucluster.core.errors import NotFound

from .generated.exports import (
    ConfigMap,
    Deployment,
    EndpointSlice,
    Event,
    Lease,
    Namespace,
    Node,
    Pod,
    ReplicaSet,
    Service,
)
from .root import Object


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object. `plural` is the resource's name in the API and in messages."""

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    group: str
    version: str
    namespaced: bool
    cls: type[Object]

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified_plural(self) -> str:
        """`deployments.apps`, `pods`: as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Deployment.apps`, `Pod`: as messages of validation name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


def _row(
    cls: type[Object], plural: str, *short: str, group: str = "", namespaced: bool = True
) -> Resource:
    kind = cls.kind
    return Resource(kind, plural, kind.lower(), short, group, "v1", namespaced, cls)


RESOURCES: tuple[Resource, ...] = (
    _row(Namespace, "namespaces", "ns", namespaced=False),
    _row(Node, "nodes", "no", namespaced=False),
    _row(Pod, "pods", "po"),
    _row(Deployment, "deployments", "deploy", group="apps"),
    _row(ReplicaSet, "replicasets", "rs", group="apps"),
    _row(Service, "services", "svc"),
    _row(EndpointSlice, "endpointslices", group="discovery.k8s.io"),
    _row(ConfigMap, "configmaps", "cm"),
    _row(Lease, "leases", group="coordination.k8s.io"),
    _row(Event, "events", "ev"),
)

BY_KIND: dict[str, Resource] = {row.kind: row for row in RESOURCES}


def _names(row: Resource) -> set[str]:
    plain = {row.singular, row.plural, *row.short_names}
    suffixes = {f".{row.group}", f".{row.version}.{row.group}"} if row.group else set()
    return plain | {name + suffix for name in plain for suffix in suffixes}


_BY_NAME = {name: row for row in RESOURCES for name in _names(row)}


def resource(name: str) -> Resource:
    """The resource that kubectl would take `name` for: `po`, `Pod`, `deployment.apps`, ...

    Case does not matter. Raises NotFound with kubectl's message for anything else.
    """
    if (row := _BY_NAME.get(name.lower())) is None:
        raise NotFound(f'the server doesn\'t have a resource type "{name}"')
    return row


def resource_of(obj: Object) -> Resource:
    """The resource to which an object belongs."""
    return BY_KIND[obj.kind]
