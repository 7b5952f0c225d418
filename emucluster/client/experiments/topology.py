"""From what the API and the machine room have to the topology that plans are made for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emucluster.client.cluster import Session
from emucluster.client.lab import Machine
from emucluster.core.objects import (
    Deployment,
    LabelSelector,
    Node,
    Object,
    Pod,
    ReplicaSet,
    Service,
)
from emucluster.experiment.history import Members
from emucluster.experiment.topology import (
    DeploymentInfo,
    NodeInfo,
    PodInfo,
    ServiceInfo,
    Topology,
)

ZONE_LABEL = "topology.kubernetes.io/zone"
KINDS = ("Node", "Pod", "ReplicaSet", "Service", "Deployment")
_API_SERVER = ("default", "kubernetes")
"""The Service that every cluster has: nobody's load, and no target."""


def read_topology(session: Session) -> Topology:
    """The cluster as it is now, pods that are being deleted left out. Raises Unreachable."""
    objects = [obj for kind in KINDS for obj in session.api.list(kind)]
    return topology_of(objects, session.machines())


def topology_of(objects: Sequence[Object], machines: Sequence[Machine]) -> Topology:
    """The topology of these objects; machines tell on which host each node's process is."""
    hosts = {machine.name: machine.host for machine in machines if machine.kind == "node"}
    owners = dict(_owners(objects))
    return Topology(
        nodes=tuple(
            NodeInfo(
                name=node.metadata.name,
                zone=(node.metadata.labels or {}).get(ZONE_LABEL, ""),
                host=hosts.get(node.metadata.name, ""),
                labels=dict(node.metadata.labels or {}),
            )
            for node in objects
            if isinstance(node, Node)
        ),
        pods=tuple(
            PodInfo(
                name=pod.metadata.name,
                namespace=pod.metadata.namespace,
                node=pod.spec.node_name or "",
                owner=_owner(pod, owners),
                labels=dict(pod.metadata.labels or {}),
            )
            for pod in objects
            if isinstance(pod, Pod) and not pod.metadata.deletion_timestamp
        ),
        services=tuple(
            ServiceInfo(
                name=service.metadata.name,
                namespace=service.metadata.namespace,
                type=service.spec.type or "ClusterIP",
                selector=dict(service.spec.selector or {}),
            )
            for service in objects
            if isinstance(service, Service)
            and (service.metadata.namespace, service.metadata.name) != _API_SERVER
        ),
        deployments=tuple(
            DeploymentInfo(
                name=found.metadata.name,
                namespace=found.metadata.namespace,
                selector=dict((found.spec.selector or LabelSelector()).match_labels or {}),
            )
            for found in objects
            if isinstance(found, Deployment)
        ),
    )


def members_of(topology: Topology) -> Members:
    """Who there is to answer, for spreads that count those who answered nothing."""
    return Members(
        nodes=tuple(node.name for node in topology.sorted_nodes),
        zones=tuple(topology.zones),
        pods={
            f"{service.namespace}/{service.name}": tuple(
                f"{pod.namespace}/{pod.name}"
                for pod in topology.pods_with(service.namespace, service.selector)
            )
            for service in topology.services
        },
    )


def _owners(objects: Iterable[Object]) -> Iterable[tuple[tuple[str, str], str]]:
    """ReplicaSets of Deployments, whose names are made up too, to their Deployments."""
    for obj in objects:
        if isinstance(obj, ReplicaSet):
            for owner in obj.metadata.owner_references:
                if owner.controller:
                    key = obj.metadata.namespace, obj.metadata.name
                    yield key, f"{owner.kind.lower()}/{owner.name}"


def _owner(pod: Pod, owners: dict[tuple[str, str], str]) -> str:
    for owner in pod.metadata.owner_references:
        if owner.controller:
            own = f"{owner.kind.lower()}/{owner.name}"
            return owners.get((pod.metadata.namespace, owner.name), own)
    return ""
