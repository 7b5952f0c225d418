"""`kubectl drain` and `uncordon`: evictions, budgets and what a drain will not do.

Words are those of kubernetes staging/src/k8s.io/kubectl/pkg/drain: drain.go and filters.go.
Only pods of the test's own are drained, for the cluster is shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes.kubectl import Kubectl, needed

pytestmark = [pytest.mark.live, needed]

NODE = "node-1"
BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."


@pytest.fixture
def drained(kubectl: Kubectl) -> Iterator[str]:
    """A label that pods of this test have; the node is as it was in the end."""
    yield f"of={kubectl.namespace}"
    kubectl("uncordon", NODE)


def spec(**more: Any) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": "emucluster/echo",
        "ports": [{"containerPort": 50051}],
    }
    return {"terminationGracePeriodSeconds": 1, "containers": [container], **more}


def workload(kubectl: Kubectl, kind: str, **more: Any) -> dict[str, Any]:
    labels = {"of": kubectl.namespace, "app": kind.lower()}
    template = {"metadata": {"labels": labels}, "spec": spec()}
    selector = {"matchLabels": labels}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web"},
        "spec": {"selector": selector, "template": template, **more},
    }


def nodes(kubectl: Kubectl) -> set[str]:
    """Where the pods are that are not on their way out."""
    pods = kubectl.json("get", "pods")["items"]
    return {p["spec"]["nodeName"] for p in pods if "deletionTimestamp" not in p["metadata"]}


def test_a_drain_waits_for_the_budget(kubectl: Kubectl, drained: str) -> None:
    kubectl("cordon", "node-2")
    try:
        kubectl.apply(workload(kubectl, "Deployment", replicas=2))
        kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    finally:
        kubectl("uncordon", "node-2")
    assert nodes(kubectl) == {NODE}
    kubectl("create", "pdb", "web", "--selector=app=deployment", "--min-available=2")
    kubectl("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=2", "--timeout=60s")
    with kubectl.start("drain", NODE, f"--pod-selector={drained}", "--timeout=90s") as draining:
        assert draining.stdout is not None
        lines = iter(draining.stdout.readline, "")
        refused = next(line for line in lines if line.startswith("error when evicting"))
        assert refused.rstrip().endswith(f"(will retry after 5s): {BUDGET}")
        assert kubectl.rows("get", "node", NODE)[1][1] == "Ready,SchedulingDisabled"
        assert nodes(kubectl) == {NODE}
        kubectl("patch", "pdb", "web", "-p", '{"spec":{"minAvailable":1}}')
        rest = list(lines)
        assert draining.wait(90) == 0
    assert sum("evicted" in line for line in rest) == 2
    assert rest[-1] == f"node/{NODE} drained\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=90s")
    assert nodes(kubectl) == {"node-2"}
    assert kubectl("uncordon", NODE) == f"node/{NODE} uncordoned\n"
    assert kubectl("uncordon", NODE) == f"node/{NODE} already uncordoned\n"
    assert kubectl.rows("get", "node", NODE)[1][1] == "Ready"


@pytest.mark.slow
def test_what_nobody_makes_anew_is_not_drained_unless_asked(kubectl: Kubectl, drained: str) -> None:
    kubectl.apply(workload(kubectl, "DaemonSet"))
    labels = {"of": kubectl.namespace}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "own", "labels": labels},
            "spec": spec(nodeName=NODE),
        }
    )
    kubectl("rollout", "status", "daemonset/web", "--timeout=90s")
    kubectl("wait", "pod/own", "--for=condition=Ready", "--timeout=60s")
    here = kubectl.json("get", "pods", f"--field-selector=spec.nodeName={NODE}")["items"]
    [kept] = [pod["metadata"]["name"] for pod in here if pod["metadata"]["name"] != "own"]

    refused = kubectl.run("drain", NODE, f"--pod-selector={drained}", "--timeout=30s")
    assert refused.returncode == 1
    place = kubectl.namespace
    assert f"DaemonSet-managed Pods (use --ignore-daemonsets to ignore): {place}/{kept}" in (
        refused.stderr
    )
    assert f"declare no controller (use --force to override): {place}/own" in refused.stderr

    asked = ("--ignore-daemonsets", "--force", "--timeout=90s")
    done = kubectl.run("drain", NODE, f"--pod-selector={drained}", *asked)
    assert done.returncode == 0, done.stderr
    assert f"ignoring DaemonSet-managed Pods: {place}/{kept}" in done.stderr
    assert f"pod/own evicted\nnode/{NODE} drained\n" in done.stdout
    left = kubectl("get", "pods", f"--field-selector=spec.nodeName={NODE}", "-o", "name")
    assert left == f"pod/{kept}\n"
