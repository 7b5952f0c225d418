"""kubectl reads: get in all its forms, describe, events, api-resources, config and the like.

Sections of `describe` are those of kubernetes staging/src/k8s.io/kubectl/pkg/describe/describe.go.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.kubernetes.kubectl import Kubectl, needed
from tests.live.kubeapi.plane import plane

pytestmark = [pytest.mark.live, needed]

OBJECTS = [
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"size": "big"}}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}},
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {"why": "because"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "echo:1"}]},
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "web"},
            "ports": [{"name": "grpc", "port": 80, "targetPort": 50051, "nodePort": 30080}],
        },
    },
    {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    },
    *(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "nodeName": node,
                "containers": [
                    {
                        "name": "c",
                        "image": "echo:1",
                        "ports": [{"containerPort": 80}],
                        "env": [{"name": "A", "value": "1"}],
                        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
                    }
                ],
            },
        }
        for name, node in (("first", "n1"), ("second", "n2"))
    ),
    *(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": space}}
        | {"data": {"greeting": "hello"}}
        for space in ("default", "team")
    ),
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key"},
        "stringData": {"password": "hunter2"},
    },
]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    directory = tmp_path_factory.mktemp("plane")
    with plane(directory) as running:
        kubectl = Kubectl(running.kubeconfig, tmp_path_factory.mktemp("home"))
        kubectl.apply(*OBJECTS)
        kubectl("wait", "deploy/web", "--for=jsonpath={.status.replicas}=2", "--timeout=60s")
        yield kubectl


def headings(text: str) -> str:
    """What stands at the left of each line that is not indented, of one described object."""
    keys = [line.partition(":")[0].strip() for line in text.splitlines() if line[:1].strip()]
    return "; ".join(key for key in keys if key.strip("=-"))


def test_get_prints_objects_in_every_format(kubectl: Kubectl) -> None:
    pod = ("get", "pod", "first")
    assert kubectl(*pod).splitlines()[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    wide = kubectl(*pod, "-o", "wide").splitlines()
    assert wide[0].split()[5:] == ["IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    assert wide[1].split()[5:] == ["<none>", "n1", "<none>", "<none>"]
    as_yaml = yaml.safe_load(kubectl(*pod, "-o", "yaml"))
    assert as_yaml == kubectl.json(*pod)
    assert (as_yaml["kind"], as_yaml["metadata"]["name"]) == ("Pod", "first")
    assert kubectl(*pod, "-o", "name") == "pod/first\n"
    assert kubectl(*pod, "-o", "jsonpath={.spec.containers[0].env[0].value}") == "1"
    columns = kubectl(*pod, "-o", "custom-columns=N:.metadata.name,IMAGE:.spec.containers[*].image")
    assert [line.split() for line in columns.splitlines()] == [["N", "IMAGE"], ["first", "echo:1"]]
    assert kubectl.fails("get", "pod", "none") == (
        'Error from server (NotFound): pods "none" not found\n'
    )


def test_get_selects_and_sorts(kubectl: Kubectl) -> None:
    names = ("-o", "name")
    assert kubectl("get", "pods", "-l", "app in (first,other)", *names) == "pod/first\n"
    assert kubectl("get", "pods", "--field-selector=spec.nodeName=n2", *names) == "pod/second\n"
    listed = kubectl.rows("get", "pods", "-l", "app!=web", "--sort-by={.spec.nodeName}")
    assert [row[0] for row in listed] == ["NAME", "first", "second"]
    everywhere = kubectl.rows("get", "cm", "-A", "--field-selector=metadata.name=cm")
    assert [row[:3] for row in everywhere] == [
        ["NAMESPACE", "NAME", "DATA"],
        ["default", "cm", "1"],
        ["team", "cm", "1"],
    ]
    refused = kubectl.fails("get", "pods", "--field-selector=spec.image=x")
    assert "field label not supported: spec.image" in refused
    kinds = {row[0].partition("/")[0] for row in kubectl.rows("get", "all") if row}
    assert {"pod", "service", "deployment.apps", "replicaset.apps"} <= kinds


def test_get_watches_one_object(kubectl: Kubectl) -> None:
    columns = "custom-columns=D:.data.step"
    kubectl("create", "configmap", "watched", "--from-literal=step=1")
    with kubectl.start("get", "cm", "watched", "-w", "-o", columns) as watching:
        assert watching.stdout is not None
        assert [watching.stdout.readline().strip() for _ in range(2)] == ["D", "1"]
        kubectl("patch", "cm", "watched", "-p", '{"data":{"step":"2"}}')
        assert watching.stdout.readline().strip() == "2"
        kubectl("patch", "cm", "cm", "-p", '{"metadata":{"labels":{"other":"object"}}}')
        kubectl("delete", "cm", "watched")
        assert watching.stdout.readline().strip() == "2"  # its last state


def test_describe_pod(kubectl: Kubectl) -> None:
    told = kubectl("describe", "pod", "first")
    assert headings(told) == (
        "Name; Namespace; Priority; Service Account; Node; Labels; Annotations; Status; IP; IPs; "
        "Containers; Volumes; QoS Class; Node-Selectors; Tolerations; Events"
    )
    words = " ".join(told.split())
    assert "Image: echo:1 Port: 80/TCP Host Port: 0/TCP" in words
    assert "Limits: memory: 1Gi Requests: cpu: 100m memory: 1Gi Environment: A: 1" in words
    assert "QoS Class: Burstable" in words
    assert "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s" in words


def test_describe_deployment_with_its_replicasets_and_events(kubectl: Kubectl) -> None:
    told = kubectl("describe", "deployment", "web")
    assert headings(told) == (
        "Name; Namespace; CreationTimestamp; Labels; Annotations; Selector; Replicas; "
        "StrategyType; MinReadySeconds; RollingUpdateStrategy; Pod Template; Conditions; "
        "OldReplicaSets; NewReplicaSet; Events"
    )
    words = " ".join(told.split())
    assert "Replicas: 2 desired | 2 updated | 2 total | 0 available | 2 unavailable" in words
    assert "RollingUpdateStrategy: 25% max unavailable, 25% max surge" in words
    assert "Available False MinimumReplicasUnavailable" in words
    of_it = told.partition("NewReplicaSet:")[2].split()[0]
    assert f"NewReplicaSet: {of_it} (2/2 replicas created)" in words
    assert f"deployment-controller Scaled up replica set {of_it} from 0 to 2" in words
    described = kubectl("describe", "rs", of_it)
    assert "Controlled By:  Deployment/web\n" in described
    assert "Pods Status:    0 Running / 2 Waiting / 0 Succeeded / 0 Failed\n" in described


def test_describe_service(kubectl: Kubectl) -> None:
    told = kubectl("describe", "service", "web")
    assert headings(told) == (
        "Name; Namespace; Labels; Annotations; Selector; Type; IP Family Policy; IP "
        "Families; IP; IPs; Port; TargetPort; NodePort; Endpoints; Session Affinity; "
        "External Traffic Policy; Internal Traffic Policy; Events"
    )
    words = " ".join(told.split())
    assert "Port: grpc 80/TCP TargetPort: 50051/TCP NodePort: grpc 30080/TCP" in words


def test_describe_node_with_its_pods_and_events(kubectl: Kubectl) -> None:
    told = kubectl("describe", "node", "n1")
    found = headings(told).split("; ")
    assert found[:5] == ["Name", "Roles", "Labels", "Annotations", "CreationTimestamp"]
    parts = ["Addresses", "System Info", "Non-terminated Pods", "Allocated resources", "Events"]
    assert [each for each in found if each in parts] == parts
    of_pods = told.partition("Non-terminated Pods:")[2].partition("Allocated resources:")[0]
    assert "first" in of_pods.split()
    assert "second" not in of_pods.split()
    assert "Node n1 event: Registered Node n1 in Controller" in told


def test_describe_what_is_small(kubectl: Kubectl) -> None:
    budget = kubectl("describe", "pdb", "web")
    assert headings(budget) == "Name; Namespace; Min available; Selector; Status; Events"
    assert " ".join(budget.split()).endswith(
        "Status: Allowed disruptions: 0 Current: 0 Desired: 1 Total: 2 Events: <none>"
    )
    assert "\nData\n====\ngreeting:\n----\nhello\n\n\nBinaryData\n====\n" in (
        kubectl("describe", "configmap", "cm")
    )
    secret = kubectl("describe", "secret", "key")
    assert secret.endswith("Type:  Opaque\n\nData\n====\npassword:  7 bytes\n")
    namespace = kubectl("describe", "namespace", "team")
    assert headings(namespace).startswith("Name; Labels; Annotations; Status; ")
    assert namespace.endswith("No resource quota.\n\nNo LimitRange resource.\n")


def test_events_of_an_object(kubectl: Kubectl) -> None:
    header, row = kubectl.rows("events", "--for=deploy/web")
    assert header == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert row[1:4] == ["Normal", "ScalingReplicaSet", "Deployment/web"]
    kubectl("expose", "service", "web", "--name=outside", "--type=LoadBalancer")
    give_up = time.monotonic() + 60
    while len(rows := kubectl.rows("events", "--types=Warning")) < 2:
        assert time.monotonic() < give_up, "no warning is told"
        time.sleep(0.2)
    assert rows[1][1:4] == ["Warning", "NoLoadBalancerProvider", "Service/outside"]
    assert kubectl.run("events", "--for=cm/cm").stderr == (
        "No events found in default namespace.\n"
    )


def test_what_is_served(kubectl: Kubectl) -> None:
    resources = {row[-1]: row[:-1] for row in kubectl.rows("api-resources")[1:]}
    assert resources["Deployment"] == ["deployments", "deploy", "apps/v1", "true"]
    assert resources["Node"] == ["nodes", "no", "v1", "false"]
    named = kubectl("api-resources", "--api-group=policy", "-o", "name")
    assert named == "poddisruptionbudgets.policy\n"
    listable = kubectl("api-resources", "--verbs=list,watch", "--namespaced=true", "-o", "name")
    assert {"pods", "statefulsets.apps"} <= set(listable.split())
    assert "nodes" not in listable.split()
    versions = kubectl("api-versions").split()
    assert versions == sorted(versions)
    assert {"v1", "apps/v1", "policy/v1", "metrics.k8s.io/v1beta1"} <= set(versions)


def test_where_the_cluster_is(kubectl: Kubectl) -> None:
    assert kubectl("config", "current-context") == "plane\n"
    assert kubectl.rows("config", "get-contexts")[1] == (
        ["*", "plane", "plane", "plane-admin", "default"]
    )
    server = kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    told = kubectl("cluster-info")
    assert f"Kubernetes control plane is running at {server}\n" in told.replace("\x1b[0m", "")
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]
    assert (version["major"], version["minor"]) == ("1", "32")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_dump_of_the_cluster(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("cluster-info", "dump", "--output-directory", str(tmp_path))
    nodes = json.loads((tmp_path / "nodes.json").read_text())
    assert [node["metadata"]["name"] for node in nodes["items"]] == ["n1"]
    pods = json.loads((tmp_path / "default" / "pods.json").read_text())
    assert "first" in [pod["metadata"]["name"] for pod in pods["items"]]
