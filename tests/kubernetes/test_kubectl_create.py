"""kubectl makes and ends objects: create of all kinds, run, expose, scale, wait, delete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.kubectl import Kubectl, needed
from tests.live.kubeapi.plane import Plane, plane

pytestmark = [pytest.mark.live, needed]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with plane(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kubectl(running: Plane, home: Path) -> Kubectl:
    return Kubectl(running.kubeconfig, home)


@pytest.fixture(scope="module")
def viewer(running: Plane, home: Path) -> Kubectl:
    return Kubectl(running.directory / "kubeconfig-view", home)


def picked(obj: Any, path: str) -> Any:
    """What a JSON tree has at a path of names and numbers."""
    for step in path.split("."):
        obj = obj[int(step)] if isinstance(obj, list) else obj[step]
    return obj


CREATED: list[tuple[str, str, str, Any]] = [
    ("namespace made", "namespace/made", "status.phase", "Active"),
    ("configmap made --from-literal=a=1", "configmap/made", "data", {"a": "1"}),
    ("secret generic made --from-literal=a=1", "secret/made", "data", {"a": "MQ=="}),
    (
        "secret docker-registry pull --docker-server=s --docker-username=u --docker-password=p",
        "secret/pull",
        "type",
        "kubernetes.io/dockerconfigjson",
    ),
    ("serviceaccount made", "serviceaccount/made", "metadata.name", "made"),
    ("deployment made --image=echo:1 --replicas=0", "deployment.apps/made", "spec.replicas", 0),
    ("service clusterip ip --tcp=80:8080", "service/ip", "spec.ports.0.targetPort", 8080),
    ("service clusterip none --clusterip=None", "service/none", "spec.clusterIP", "None"),
    (
        "service nodeport np --tcp=80 --node-port=30090",
        "service/np",
        "spec.ports.0.nodePort",
        30090,
    ),
    ("service loadbalancer lb --tcp=80", "service/lb", "spec.type", "LoadBalancer"),
    ("service externalname en --external-name=a.b", "service/en", "spec.externalName", "a.b"),
    (
        "poddisruptionbudget made --selector=app=made --max-unavailable=50%",
        "poddisruptionbudget.policy/made",
        "spec.maxUnavailable",
        "50%",
    ),
]
STORED: list[tuple[str, str, str, Any]] = [
    ("job made --image=echo:1", "job.batch/made", "spec.completions", 1),
    (
        "cronjob made --image=echo:1 --schedule=@daily",
        "cronjob.batch/made",
        "spec.schedule",
        "@daily",
    ),
    (
        "role made --verb=get --resource=pods",
        "role.rbac.authorization.k8s.io/made",
        "rules.0.resources",
        ["pods"],
    ),
    (
        "rolebinding made --role=made --user=u",
        "rolebinding.rbac.authorization.k8s.io/made",
        "subjects.0.name",
        "u",
    ),
    (
        "clusterrole made --verb=get --resource=nodes",
        "clusterrole.rbac.authorization.k8s.io/made",
        "rules.0.verbs",
        ["get"],
    ),
    (
        "clusterrolebinding made --clusterrole=made --group=g",
        "clusterrolebinding.rbac.authorization.k8s.io/made",
        "subjects.0.kind",
        "Group",
    ),
    ("priorityclass high --value=1", "priorityclass.scheduling.k8s.io/high", "value", 1),
    ("quota made --hard=pods=3", "resourcequota/made", "spec.hard.pods", "3"),
    (
        "ingress made --rule=a.b/x=ip:80",
        "ingress.networking.k8s.io/made",
        "spec.rules.0.host",
        "a.b",
    ),
]


@pytest.mark.parametrize(("command", "name", "path", "value"), CREATED + STORED)
def test_create(kubectl: Kubectl, command: str, name: str, path: str, value: Any) -> None:
    done = kubectl.run("create", *command.split(), "-o", "json")
    assert done.returncode == 0, done.stderr
    warned = "but nothing in this cluster" in done.stderr
    assert warned == ((command, name, path, value) in STORED)
    assert picked(json.loads(done.stdout), path) == value
    stored = kubectl.json("get", name)
    assert picked(stored, path) == value
    again = kubectl.fails("create", *command.split())
    assert f'"{stored["metadata"]["name"]}" already exists' in again
    assert "(AlreadyExists)" in again or "failed to create" in again


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("create token default", "tokens of service accounts are not issued"),
        ("autoscale deployment none --max=2", 'deployments.apps "none" not found'),
        ("debug lonely --image=busybox", "ephemeral containers are disabled for this cluster"),
        ("certificate approve x", "doesn't have a resource type"),
        ("get --raw /api/v1/namespaces/default/pods/lonely/proxy/", "(MethodNotAllowed)"),
        ("get --raw /api/v1/namespaces/default/services/kubernetes/proxy/", "(MethodNotAllowed)"),
        ("get componentstatuses", "doesn't have a resource type"),
        ("exec lonely -- sh", "pod lonely does not have a host assigned"),
        ("attach lonely", "pod lonely does not have a host assigned"),
        ("cp lonely:/etc/hosts /dev/null", "pod lonely does not have a host assigned"),
        ("port-forward lonely :80", "pod is not running. Current status=Pending"),
        ("top nodes", "metrics not available yet"),
    ],
)
def test_what_is_not_offered_is_refused_at_once(
    kubectl: Kubectl, lonely: str, command: str, words: str
) -> None:
    refused = kubectl.fails(*command.split())
    assert words in refused
    assert "panic" not in refused


def test_autoscale_writes_the_older_version_of_what_is_read_in_the_newer(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "hot", "--image=echo:1", "--replicas=0")
    made = kubectl("autoscale", "deployment", "hot", "--min=1", "--max=3", "--cpu-percent=60")
    assert made == "horizontalpodautoscaler.autoscaling/hot autoscaled\n"
    newer = kubectl.json("get", "hpa", "hot")
    older = kubectl.json("get", "horizontalpodautoscalers.v1.autoscaling", "hot")
    assert newer["apiVersion"] == "autoscaling/v2"
    assert newer["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    assert older["apiVersion"] == "autoscaling/v1"
    assert older["spec"]["targetCPUUtilizationPercentage"] == 60


@pytest.fixture(scope="module")
def lonely(kubectl: Kubectl) -> str:
    """A pod that is on no node."""
    return kubectl("run", "lonely", "--image=echo:1", "--port=80", "--labels=app=lonely")


def test_expose(kubectl: Kubectl, lonely: str) -> None:
    exposed = kubectl("expose", "pod", "lonely", "--name=exposed", "--type=NodePort")
    assert exposed == "service/exposed exposed\n"
    spec = kubectl.json("get", "service", "exposed")["spec"]
    assert spec["selector"] == {"app": "lonely"}
    assert (spec["ports"][0]["port"], spec["type"]) == (80, "NodePort")
    kubectl("create", "deployment", "shown", "--image=echo:1", "--replicas=0")
    kubectl("expose", "deployment/shown", "--port=80", "--target-port=http", "--protocol=TCP")
    spec = kubectl.json("get", "service", "shown")["spec"]
    assert spec["selector"] == {"app": "shown"}
    assert spec["ports"][0]["targetPort"] == "http"


def test_scale(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "scaled", "--image=echo:1", "--replicas=1")
    name = "deployment/scaled"
    assert kubectl("scale", name, "--replicas=2") == "deployment.apps/scaled scaled\n"
    assert kubectl.fails("scale", name, "--current-replicas=7", "--replicas=3") == (
        "error: Expected replicas to be 7, was 2\n"
    )
    kubectl("scale", name, "--current-replicas=2", "--replicas=3")
    kubectl("wait", name, "--for=jsonpath={.status.replicas}=3", "--timeout=60s")
    assert len(kubectl("get", "pods", "-l", "app=scaled", "-o", "name").split()) == 3
    assert "spec.replicas: Invalid value: -2" in kubectl.fails(
        *("patch", name, "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":-2}}')
    )


def test_wait(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "here", "--from-literal=a=1")
    assert kubectl("wait", "cm/here", "--for=jsonpath={.data.a}=1") == (
        "configmap/here condition met\n"
    )
    assert kubectl("wait", "cm/gone", "--for=delete") == ""
    with kubectl.start("wait", "cm/late", "--for=create", "--timeout=60s") as waiting:
        kubectl("create", "configmap", "late")
        assert waiting.communicate(timeout=60)[0] == "configmap/late condition met\n"
    with kubectl.start("wait", "cm/late", "--for=delete", "--timeout=60s") as waiting:
        kubectl("delete", "configmap", "late")
        waiting.communicate(timeout=60)
        assert waiting.returncode == 0
    kubectl("run", "waited", "--image=echo:1")
    timed_out = kubectl.fails("wait", "pod/waited", "--for=condition=Ready", "--timeout=1s")
    assert timed_out.endswith("error: timed out waiting for the condition on pods/waited\n")
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    with kubectl.start("wait", "pod/waited", "--for=condition=Ready", "--timeout=60s") as waiting:
        kubectl("patch", "pod", "waited", "--subresource=status", "-p", status)
        assert waiting.communicate(timeout=60)[0] == "pod/waited condition met\n"


def children(kubectl: Kubectl, name: str) -> list[str]:
    return kubectl("get", "rs,pods", "-l", f"app={name}", "-o", "name").split()


def family(kubectl: Kubectl, name: str) -> None:
    """A Deployment with its ReplicaSet and its pod."""
    kubectl("create", "deployment", name, "--image=echo:1")
    kubectl("wait", f"deployment/{name}", "--for=jsonpath={.status.replicas}=1", "--timeout=60s")
    assert len(children(kubectl, name)) == 2


def test_delete_leaves_orphans_where_asked(kubectl: Kubectl) -> None:
    family(kubectl, "left")
    done = kubectl("delete", "deployment", "left", "--cascade=orphan")
    assert done == 'deployment.apps "left" deleted\n'
    replicaset, pod = kubectl.json("get", "rs,pods", "-l", "app=left")["items"]
    if replicaset["kind"] == "Pod":
        replicaset, pod = pod, replicaset
    assert "ownerReferences" not in replicaset["metadata"]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == replicaset["metadata"]["uid"]


def test_delete_in_the_foreground_ends_with_the_dependents(kubectl: Kubectl) -> None:
    family(kubectl, "fore")
    kubectl("delete", "deployment", "fore", "--cascade=foreground", "--timeout=60s")
    assert children(kubectl, "fore") == []


def test_delete_in_the_background_leaves_the_rest_to_the_collector(kubectl: Kubectl) -> None:
    family(kubectl, "back")
    kubectl("delete", "deployment", "back")
    kubectl("wait", "rs,pods", "-l", "app=back", "--for=delete", "--timeout=60s")
    assert children(kubectl, "back") == []


def test_delete_waits_for_finalizers(kubectl: Kubectl) -> None:
    metadata = {"name": "held", "finalizers": ["example.com/hold"]}
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    timed_out = kubectl.fails("delete", "configmap", "held", "--timeout=1s")
    assert timed_out.endswith("error: timed out waiting for the condition on configmaps/held\n")
    assert "deletionTimestamp" in kubectl.json("get", "configmap", "held")["metadata"]
    with kubectl.start("delete", "configmap", "held", "--timeout=60s") as deleting:
        assert deleting.stdout is not None
        assert deleting.stdout.readline() == 'configmap "held" deleted\n'
        kubectl(
            *("patch", "configmap", "held", "--type=merge"),
            *("-p", '{"metadata":{"finalizers":null}}'),
        )
        assert deleting.wait(60) == 0
    assert kubectl("delete", "configmap", "held", "--ignore-not-found") == ""
    assert kubectl.fails("delete", "configmap", "held") == (
        'Error from server (NotFound): configmaps "held" not found\n'
    )


def test_delete_by_force_does_not_wait_for_the_node(kubectl: Kubectl) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n9"}})
    pod = '{"spec":{"nodeName":"n9"}}'
    for name in ("forced", "patient"):
        kubectl("run", name, "--image=echo:1", f"--overrides={pod}")
    kubectl("delete", "pod", "patient", "--wait=false")
    assert kubectl.rows("get", "pod", "patient")[1][2] == "Terminating"
    done = kubectl.run("delete", "pod", "forced", "patient", "--grace-period=0", "--force")
    assert done.stdout == 'pod "forced" force deleted\npod "patient" force deleted\n'
    assert "Immediate deletion does not wait for confirmation" in done.stderr
    assert kubectl("get", "pods", "forced", "patient", "--ignore-not-found") == ""
    kubectl("delete", "node", "n9")


def test_delete_of_many(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "many")
    for name in "abc":
        kubectl("create", "configmap", name, "-n", "many")
    kubectl("label", "configmap", "a", "b", "-n", "many", "some=thing")
    said = kubectl("delete", "configmap", "-l", "some=thing", "-n", "many")
    assert said == 'configmap "a" deleted\nconfigmap "b" deleted\n'
    said = kubectl("delete", "configmaps", "--all", "-n", "many")
    assert 'configmap "c" deleted\n' in said
    assert kubectl("delete", "namespace", "many") == 'namespace "many" deleted\n'
    assert kubectl.run("get", "namespace", "many").returncode == 1


def test_who_may_what(kubectl: Kubectl, viewer: Kubectl) -> None:
    assert kubectl("auth", "can-i", "delete", "nodes") == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list")
    assert kubectl.json("auth", "whoami")["status"]["userInfo"]["username"] == "admin"
    assert viewer("auth", "can-i", "list", "pods") == "yes\n"
    for refused in (("create", "pods"), ("get", "secrets"), ("create", "pods/exec")):
        done = viewer.run("auth", "can-i", *refused)
        assert (done.returncode, done.stdout) == (1, "no\n")
    listed = {row[0]: row[-3:] for row in viewer.rows("auth", "can-i", "--list")}
    assert listed["pods"] == ["[get", "list", "watch]"]
    assert "secrets" not in listed


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "delete configmap kept",
            'configmaps "kept" is forbidden: User "view" cannot delete resource "configmaps" '
            'in API group "" in the namespace "default"',
        ),
        (
            "create configmap other",
            'configmaps is forbidden: User "view" cannot create resource "configmaps" '
            'in API group "" in the namespace "default"',
        ),
        (
            "label namespace default a=b",
            'namespaces "default" is forbidden: User "view" cannot patch resource "namespaces" '
            'in API group "" in the namespace "default"',
        ),
        (
            "get secrets -A",
            'secrets is forbidden: User "view" cannot list resource "secrets" '
            'in API group "" at the cluster scope',
        ),
    ],
)
def test_the_viewer_reads_only(kubectl: Kubectl, viewer: Kubectl, command: str, words: str) -> None:
    if not kubectl("get", "configmap", "kept", "--ignore-not-found"):
        kubectl("create", "configmap", "kept")
    assert "NAME" in viewer("get", "configmaps")
    refused = viewer.fails(*command.split())
    assert words in refused
    assert kubectl("get", "configmap", "kept", "-o", "name") == "configmap/kept\n"
