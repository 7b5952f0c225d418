"""What is loaded and what is waited for; and errors where nothing can be reached."""

from pathlib import Path
from typing import Any

import pytest

from emucluster.client.api import ApiClient
from emucluster.client.cluster import Cluster, Session, _kind_and_name
from emucluster.client.manifests import SOURCE_DIR, load, load_files
from emucluster.client.ready import (
    NotReady,
    balancer_lag,
    node_lag,
    objects_missing,
    wait_until,
)
from emucluster.core.errors import BadRequest, NotFound, NotRunning, Unreachable, UsageError
from emucluster.core.objects import Deployment, Object, Pod
from emucluster.core.objects.codec import decode_tree

EXAMPLES = Path(__file__).parents[2] / "examples"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "emucluster/echo"}]},
}


def deployment(**status: Any) -> Object:
    return decode_tree(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": 3, "selector": {}, "template": {}},
            "status": {"observedGeneration": 2, **status},
        }
    )


def test_the_example_has_a_service_of_each_kind() -> None:
    loaded = load(EXAMPLES / "web.yaml")
    assert [f"{o.kind}/{o.metadata.name}" for o in loaded] == [
        *("Deployment/web", "Service/web", "Service/web-nodeport", "Service/web-lb"),
        *("Service/web-headless", "Service/legacy", "Pod/client"),
    ]


def test_a_source_is_a_path_text_a_dict_an_object_or_a_list_of_these(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n")
    (tmp_path / "notes.txt").write_text("not a manifest")
    text = file.read_text()
    for source in (file, str(file), tmp_path, text, POD, [POD], {"kind": "List", "items": [POD]}):
        assert [o.metadata.name for o in load(source)] == ["p"]
    assert len(load([load(POD)[0], text, file])) == 3


@pytest.mark.parametrize(
    "container",
    [{"image": "python://app:serve"}, {"image": "command:bin/server"}, {"command": ["./server"]}],
)
def test_pods_that_run_code_from_beside_the_manifest_are_told_where_it_stands(
    tmp_path: Path, container: dict[str, Any]
) -> None:
    import json

    tree = {**POD, "spec": {"containers": [{"name": "c", **container}]}}
    template = {"spec": tree["spec"]}
    kind = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    file = tmp_path / "a.json"
    file.write_text(json.dumps({**kind, "spec": {"selector": {}, "template": template}}))
    [pod] = load(tree)
    [made] = load(file)
    assert isinstance(pod, Pod)
    assert isinstance(made, Deployment)
    assert pod.metadata.annotations == {SOURCE_DIR: str(Path.cwd())}
    assert made.spec.template.metadata.annotations == {SOURCE_DIR: str(tmp_path)}
    assert load(POD)[0].metadata.annotations is None


def test_nothing_is_loaded_of_files_of_which_one_is_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.yaml", tmp_path / "b.yaml"
    good.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n")
    bad.write_text("apiVersion: v1\nkind: Pod\nmetadata: {nam: p}\n")
    with pytest.raises(BadRequest, match=r'b\.yaml.*unknown field "metadata\.nam"'):
        load_files([str(good), str(bad)])
    with pytest.raises(UsageError, match="does not exist"):
        load_files([str(good), str(tmp_path / "none.yaml")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no objects"):
        load_files([str(tmp_path / "empty")])


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        (
            {"availableReplicas": 2, "updatedReplicas": 3},
            ["deployment/web: 2 of 3 replicas available"],
        ),
        ({"availableReplicas": 3, "updatedReplicas": 3, "replicas": 3}, []),
        (
            {"availableReplicas": 3, "updatedReplicas": 3, "replicas": 4},
            ["deployment/web: old replicas are still there"],
        ),
        ({"observedGeneration": 1}, ["deployment/web: not observed yet"]),
    ],
)
def test_a_deployment_is_ready_when_all_its_new_pods_are_available(
    status: dict[str, int], missing: list[str]
) -> None:
    assert objects_missing([deployment(**status)], with_cloud=True) == missing


@pytest.mark.parametrize(
    ("kind", "status", "missing"),
    [
        ("StatefulSet", {"availableReplicas": 1}, "1 of 2 replicas available"),
        ("StatefulSet", {"availableReplicas": 2}, "old replicas are still there"),
        ("StatefulSet", {"availableReplicas": 2, "updatedReplicas": 2}, ""),
        ("StatefulSet", {"observedGeneration": 1}, "not observed yet"),
        ("DaemonSet", {"desiredNumberScheduled": 2, "numberAvailable": 1}, "1 of 2 pods available"),
        (
            "DaemonSet",
            {"desiredNumberScheduled": 2, "numberAvailable": 2},
            "old pods are still there",
        ),
        (
            "DaemonSet",
            {"desiredNumberScheduled": 2, "numberAvailable": 2, "updatedNumberScheduled": 2},
            "",
        ),
    ],
)
def test_other_workloads_are_waited_for_as_kubectl_does(
    kind: str, status: dict[str, int], missing: str
) -> None:
    made = decode_tree(
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "w", "generation": 2},
            "spec": {"replicas": 2} if kind == "StatefulSet" else {},
            "status": {"observedGeneration": 2, **status},
        }
    )
    expected = [f"{kind.lower()}/w: {missing}"] if missing else []
    assert objects_missing([made], with_cloud=False) == expected


def test_a_load_balancer_is_waited_for_only_where_there_is_a_cloud() -> None:
    made = decode_tree(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "lb", "namespace": "shop"},
            "spec": {"type": "LoadBalancer"},
        }
    )
    assert objects_missing([made], with_cloud=True) == [
        "service/lb in shop: no address from the cloud yet"
    ]
    assert objects_missing([made], with_cloud=False) == []


def test_a_pod_that_cannot_start_is_named_with_its_reason() -> None:
    waiting = {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    stuck = decode_tree({**POD, "status": {"phase": "Pending", "containerStatuses": [waiting]}})
    assert objects_missing([stuck], with_cloud=True) == ["pod/p: not Ready (ImagePullBackOff)"]


def test_pods_that_end_or_are_being_deleted_are_not_waited_for() -> None:
    done = decode_tree({**POD, "status": {"phase": "Succeeded"}})
    dying = {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert objects_missing([done, decode_tree({**POD, "metadata": dying})], with_cloud=True) == []


def test_waiting_ends_with_what_was_missing_last() -> None:
    with pytest.raises(NotReady, match="not ready after 0 s: pod/p: not Ready"):
        wait_until(lambda: ["pod/p: not Ready"], timeout_s=0)
    answers = [["not yet"], []]
    wait_until(lambda: answers.pop(0), timeout_s=60)
    assert answers == []


def test_a_proxy_is_behind_until_it_saw_the_version() -> None:
    assert node_lag({"version": 10}, 10) == ""
    assert "at version 9, not yet 10" in node_lag({"version": 9}, 10)
    assert "has not heard" in node_lag({}, 10)


def test_a_load_balancer_serves_once_all_targets_are_checked_and_one_is_healthy() -> None:
    def target(state: str) -> dict[str, str]:
        return {"node": f"node-{state}", "state": state}

    assert balancer_lag({"targets": [target("healthy"), target("unhealthy")]}) == ""
    assert "node-initial" in balancer_lag({"targets": [target("healthy"), target("initial")]})
    assert "no target is healthy" in balancer_lag({"targets": [target("unhealthy")]})
    assert "no targets" in balancer_lag({})


def test_a_cluster_that_is_not_started_says_so() -> None:
    with pytest.raises(NotRunning, match="not started"):
        _ = Cluster().api
    with pytest.raises(NotRunning):
        Session(None).apply(POD)


def test_a_control_plane_that_is_not_there_is_one_clear_error() -> None:
    client = ApiClient("127.0.0.1:1", "token")
    with pytest.raises(Unreachable, match=r"the control plane at 127\.0\.0\.1:1 does not answer"):
        client.get("pod", "p")
    client.close()


def test_kind_and_name_are_given_once() -> None:
    assert _kind_and_name("deploy/web", None) == ("Deployment", "web")
    assert _kind_and_name("po", "web") == ("Pod", "web")
    assert _kind_and_name("pods", None) == ("Pod", None)
    with pytest.raises(UsageError):
        _kind_and_name("pod/a", "b")
    with pytest.raises(NotFound):
        _kind_and_name("gateway/x", None)
