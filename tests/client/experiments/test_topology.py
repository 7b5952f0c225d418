"""The topology that plans are made for, from the objects of the API."""

from __future__ import annotations

from typing import Any

from emucluster.client.experiments.topology import members_of, topology_of

from .build import obj, status


def owned(kind: str, name: str, by: str, by_kind: str, **fields: Any) -> Any:
    owner = {"apiVersion": "apps/v1", "kind": by_kind, "name": by, "uid": "1", "controller": True}
    return obj(kind, name, fields.pop("api", "v1"), metadata={"ownerReferences": [owner]}, **fields)


SPEC = {"selector": {"matchLabels": {"app": "web"}}}
POD = owned("Pod", "web-5f-abc", "web-5f", "ReplicaSet", spec={"nodeName": "node-1"})


def test_a_pod_of_a_deployment_is_known_by_the_deployment() -> None:
    replica_set = owned("ReplicaSet", "web-5f", "web", "Deployment", api="apps/v1", spec=SPEC)
    topology = topology_of([POD, replica_set], [])

    assert topology.pods[0].owner == "deployment/web"
    assert topology.identities() == {"pod/default/web-5f-abc": "pod/default/deployment/web[0]"}


def test_a_pod_of_a_lone_replica_set_is_known_by_it() -> None:
    assert topology_of([POD], []).pods[0].owner == "replicaset/web-5f"


def test_a_pod_that_is_being_deleted_is_no_target() -> None:
    going = obj("Pod", "old", metadata={"deletionTimestamp": "2026-01-31T12:00:00Z"})

    assert topology_of([going], []).pods == ()


def test_nodes_have_their_zone_and_the_host_of_their_process() -> None:
    labels = {"topology.kubernetes.io/zone": "zone-b"}
    node = obj("Node", "node-2", metadata={"labels": labels, "namespace": ""})
    (found,) = topology_of([node], status().machines).nodes

    assert (found.name, found.zone, found.labels) == ("node-2", "zone-b", labels)


def test_the_api_servers_own_service_is_nobodys_target() -> None:
    services = [obj("Service", "kubernetes"), obj("Service", "web", spec={"selector": {"a": "b"}})]

    assert [found.name for found in topology_of(services, []).services] == ["web"]


def test_members_are_those_behind_each_service() -> None:
    pod = obj("Pod", "web-1", metadata={"labels": {"app": "web"}}, spec={"nodeName": "node-1"})
    service = obj("Service", "web", spec={"selector": {"app": "web"}})

    assert members_of(topology_of([pod, service], [])).pods == {"default/web": ("default/web-1",)}
