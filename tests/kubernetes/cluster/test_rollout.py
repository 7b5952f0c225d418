"""`kubectl rollout` and `set image`, while pods come and go.

Words are those of kubernetes staging/src/k8s.io/kubectl/pkg/polymorphichelpers: rollout_status.go,
history.go, rollback.go, objectpauser.go.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kubernetes.kubectl import Kubectl, needed

pytestmark = [pytest.mark.live, needed]

CONTAINER = {"name": "c", "image": "emucluster/echo:1", "ports": [{"containerPort": 50051}]}
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"terminationGracePeriodSeconds": 1, "containers": [CONTAINER]},
}


def workload(kind: str, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web"},
        "spec": {"selector": selector, "template": TEMPLATE, **spec},
    }


def followed(kubectl: Kubectl, name: str) -> list[str]:
    """What `rollout status` says until the end."""
    return kubectl("rollout", "status", name, "--timeout=90s").splitlines()


def image(kubectl: Kubectl, name: str) -> str:
    return kubectl("get", name, "-o", "jsonpath={.spec.template.spec.containers[0].image}")


def revisions(kubectl: Kubectl, name: str) -> list[list[str]]:
    rows = kubectl.rows("rollout", "history", name)
    assert rows[0][0] == name
    assert rows[1] == ["REVISION", "CHANGE-CAUSE"]
    return [row for row in rows[2:] if row]


@pytest.mark.slow
def test_a_daemonset(kubectl: Kubectl) -> None:
    name = "daemonset.apps/web"
    kubectl.apply(workload("DaemonSet"))
    assert followed(kubectl, name)[-1] == 'daemon set "web" successfully rolled out'
    assert len(kubectl("get", "pods", "-o", "name").split()) == 2
    kubectl("rollout", "restart", name)
    said = followed(kubectl, name)
    assert said[-1] == 'daemon set "web" successfully rolled out'
    assert any(line.startswith('Waiting for daemon set "web" rollout to finish: ') for line in said)
    assert "restartedAt" in kubectl("rollout", "history", name, "--revision=2")
    assert kubectl("rollout", "undo", name) == "daemonset.apps/web rolled back\n"
    followed(kubectl, name)
    template = kubectl.json("get", name)["spec"]["template"]
    assert "annotations" not in template["metadata"], json.dumps(template)
    assert [number for number, _ in revisions(kubectl, name)] == ["2", "3"]


@pytest.mark.slow
def test_a_deployment(kubectl: Kubectl) -> None:
    name = "deployment.apps/web"
    done = 'deployment "web" successfully rolled out'
    waiting = 'Waiting for deployment "web" rollout to finish: '
    kubectl.apply(workload("Deployment", replicas=2))
    assert followed(kubectl, name)[-1] == done
    assert kubectl("set", "image", name, "c=emucluster/echo:2") == f"{name} image updated\n"
    said = followed(kubectl, name)
    assert said[-1] == done
    assert said[:-1]
    assert all(line.startswith(waiting) for line in said[:-1])
    images = kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert set(images.split()) >= {"emucluster/echo:2"}
    assert kubectl("rollout", "undo", name) == f"{name} rolled back\n"
    assert followed(kubectl, name)[-1] == done
    assert image(kubectl, name) == "emucluster/echo:1"
    assert [number for number, _ in revisions(kubectl, name)] == ["2", "3"]
    replicas = kubectl.json("get", "replicasets")["items"]
    assert sorted(each["spec"]["replicas"] for each in replicas) == [0, 2]


@pytest.mark.slow
def test_a_statefulset(kubectl: Kubectl) -> None:
    name = "statefulset.apps/web"
    kubectl.apply(workload("StatefulSet", replicas=2, serviceName="web"))
    # A partition of 0 is a default, so every rollout is a partitioned one to kubectl.
    done = "partitioned roll out complete: 2 new pods have been updated..."
    assert followed(kubectl, name)[-1] == done
    before = kubectl.json("get", name)["status"]["updateRevision"]
    kubectl("set", "image", name, "c=emucluster/echo:2")
    said = followed(kubectl, name)
    after = kubectl.json("get", name)["status"]["updateRevision"]
    assert after != before
    assert said[-1] == done
    assert any(line.startswith("Waiting for ") for line in said[:-1])
    pods = kubectl.json("get", "pods")["items"]
    assert [pod["metadata"]["name"] for pod in pods] == ["web-0", "web-1"]
    assert {pod["metadata"]["labels"]["controller-revision-hash"] for pod in pods} == {after}
    kubectl("rollout", "undo", name)
    followed(kubectl, name)
    assert image(kubectl, name) == "emucluster/echo:1"


@pytest.mark.slow
def test_what_cannot_be_rolled_out_is_waited_for_and_given_up(kubectl: Kubectl) -> None:
    kubectl.apply(workload("Deployment", replicas=1))
    followed(kubectl, "deployment/web")
    containers = [{"name": "c", "image": "registry.example/none:1"}]
    change = {"progressDeadlineSeconds": 2, "template": {"spec": {"containers": containers}}}
    kubectl("patch", "deployment/web", "-p", json.dumps({"spec": change}))
    given_up = kubectl.run("rollout", "status", "deployment/web", "--timeout=60s")
    assert given_up.returncode == 1
    assert given_up.stderr == 'error: deployment "web" exceeded its progress deadline\n'
    assert kubectl.json("get", "deployment/web")["status"]["availableReplicas"] == 1
