"""What of objects is users' doing, and what the cluster does by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from emucluster.client.experiments.bystander import namespaces_of, operated_by, view_of
from emucluster.client.experiments.changes import RESTARTED_AT
from emucluster.experiment.disturbance import foreign_changes, foreign_deletions
from emucluster.experiment.reading import from_tree

from .build import obj, plan, status

KEY = "deployment/default/web"


def deployment(generation: int = 1, replicas: int = 2, **annotations: str) -> Any:
    meta = {"annotations": annotations} if annotations else {}
    return obj(
        "Deployment",
        "web",
        "apps/v1",
        metadata={"generation": generation, "uid": "u", "resourceVersion": str(generation * 9)},
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, **meta},
                "spec": {"containers": [{"name": "c", "image": "emucluster/echo"}]},
            },
        },
    )


def service(kind: str = "ClusterIP", version: str = "5") -> Any:
    meta = {"uid": "u", "resourceVersion": version}
    return obj("Service", "web", metadata=meta, spec={"type": kind, "ports": [{"port": 80}]})


def pod(name: str, owned: bool) -> Any:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r"}
    meta = {"ownerReferences": [{**owner, "controller": True}]} if owned else {}
    return obj("Pod", name, metadata=meta, spec={"containers": [{"name": "c", "image": "i"}]})


class Cluster:
    """Lists these objects."""

    def __init__(self, *objects: Any) -> None:
        self._objects = objects
        self.api = SimpleNamespace(list=self._list)

    def machines(self) -> Any:
        return status().machines

    def _list(self, kind: str, namespace: str | None = None) -> list[Any]:
        return [each for each in self._objects if each.kind == kind]


def changes(before: list[Any], after: list[Any], *operated: str) -> list[str]:
    views = [view_of(Cluster(*objects), ["default"]) for objects in (before, after)]  # type: ignore[arg-type]
    return foreign_changes(*views, operated=operated)


def test_a_status_is_the_clusters_own_and_a_spec_its_users() -> None:
    told = deployment()
    assert changes([told], [told]) == []
    assert changes([told], [deployment(generation=2, replicas=3)])
    assert changes([told], [deployment(generation=3)]), "changed and changed back"
    assert changes([service()], [service(version="6")])
    assert changes([service("LoadBalancer")], [service("LoadBalancer", version="6")]) == []


def test_what_the_plan_does_itself_is_no_change_once_it_is_undone() -> None:
    restarted = deployment(generation=2, **{RESTARTED_AT: "2026-01-01T00:00:00Z"})
    assert changes([deployment()], [restarted], KEY) == []
    assert changes([deployment()], [deployment(generation=3)], KEY) == []
    assert changes([deployment()], [deployment(generation=2, replicas=9)], KEY)


def test_pods_of_controllers_come_and_go_and_others_are_somebodys() -> None:
    assert changes([pod("a", owned=True)], [pod("b", owned=True)]) == []
    assert changes([pod("a", owned=False)], []) == []
    assert changes([], [pod("b", owned=False)])


def test_a_cordoned_node_is_told_but_for_one_that_the_plan_drains() -> None:
    node, cordoned = obj("Node", "node-1"), obj("Node", "node-1", spec={"unschedulable": True})
    (reason,) = changes([node], [cordoned])
    assert "node//node-1" not in reason
    assert "node/node-1" in reason
    planned = plan({"kind": "drain", "target": "node/node-1", "for": 0.1})
    assert "node/node-1" in operated_by(planned)


def node(since: str, uid: str = "n") -> Any:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    return obj("Node", "node-1", metadata={"uid": uid}, status={"conditions": [ready]})


def test_a_node_that_was_deleted_is_another_one_when_it_is_back() -> None:
    since = "2026-01-01T00:00:00Z"
    assert changes([node(since)], [node(since)]) == []
    told = "somebody else replaced node/node-1 during the run"
    assert changes([node(since)], [node(since, uid="other")]) == [told]
    assert changes([node(since)], [node(since, uid="other")], "node/node-1") == []


def test_who_deleted_a_pod_is_known_where_its_node_was_ready_throughout() -> None:
    def deletions(since: str, left: int) -> list[str]:
        here = {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}
        mine = [obj("Pod", name, metadata={"uid": name}, spec=here) for name in ("a", "b")]
        before = view_of(Cluster(node("2026-01-01T00:00:00Z"), *mine), ["default"])  # type: ignore[arg-type]
        after = view_of(Cluster(node(since), *mine[:left]), ["default"])  # type: ignore[arg-type]
        return foreign_deletions(before, after, entries=())

    assert deletions("2026-01-01T00:00:00Z", 2) == []
    told = "somebody else deleted pod/default/b during the run"
    assert deletions("2026-01-01T00:00:00Z", 1) == [told]
    assert deletions("2026-01-01T00:00:09Z", 1) == []


def test_the_namespaces_of_a_run_are_those_that_it_fills_calls_and_breaks() -> None:
    tree = {
        "name": "n",
        "workload": [{"name": "u", "target": "service/web", "namespace": "called"}],
    }
    faults = plan({"kind": "freeze", "target": "pod/default/web-1", "for": 0.1})
    made = [obj("Service", "web", metadata={"namespace": "filled"}), obj("Node", "n")]
    assert namespaces_of(from_tree(tree), made, faults) == ["called", "default", "filled"]
