"""A pod whose process runs and does not serve yet: Running and not ready, with logs and exec."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.kubectl import Kubectl, needed
from tests.kubernetes.workshop import pod
from tests.live.watching import until

pytestmark = [pytest.mark.live, needed]

DESCRIPTORS = "import os; print(*sorted(os.listdir('/proc/self/fd')))"


def sleeper(name: str, **more: Any) -> dict[str, Any]:
    """It says so, and never listens."""
    container = {
        "name": "main",
        "image": "command:/bin/sh",
        "args": ["-c", f'python3 -c "{DESCRIPTORS}"; exec sleep 600'],
        "ports": [{"containerPort": 7000}],
        **more,
    }
    return pod(name, container)


def test_it_runs_and_is_not_ready_and_can_be_looked_into(kubectl: Kubectl) -> None:
    probe = {"tcpSocket": {"port": 7000}, "periodSeconds": 1}
    kubectl.apply(sleeper("slow", readinessProbe=probe))
    kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/slow", "--timeout=60s")
    status = kubectl.json("get", "pod", "slow")["status"]
    (container,) = status["containerStatuses"]
    assert container["state"]["running"]["startedAt"]
    assert (container["started"], container["ready"]) == (True, False)
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")
    assert kubectl("exec", "slow", "--", "sh", "-c", "echo in") == "in\n"
    # The fourth descriptor is that of the directory itself.
    assert kubectl("exec", "slow", "--", "python3", "-c", DESCRIPTORS) == "0 1 2 3\n"
    assert kubectl("logs", "slow", "--pod-running-timeout=30s") == "0 1 2 3\n"
    figures = kubectl.json("get", "pods.v1beta1.metrics.k8s.io", "slow")["containers"][0]
    memory = figures["usage"]["memory"]
    assert memory.endswith("Ki")
    assert int(memory.removesuffix("Ki")) < 10_000


def test_without_probes_it_is_ready_at_once(kubectl: Kubectl) -> None:
    kubectl.apply(sleeper("deaf"))
    kubectl("wait", "--for=condition=Ready", "pod/deaf", "--timeout=60s")


def test_a_killing_event_is_about_the_pod_that_was_killed(kubectl: Kubectl) -> None:
    labels = {"app": "db"}
    container = {"name": "main", "image": "emucluster/echo"}
    spec = {
        "serviceName": "db",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    db = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
    kubectl.apply(db)
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    first = kubectl.json("get", "pod", "db-0")["metadata"]["uid"]
    # Its successor may be there before kubectl looks twice, which then waits for ever.
    kubectl("delete", "pod", "db-0", "--wait=false")

    def killed() -> Any:
        return kubectl.json("get", "events", "--field-selector=reason=Killing")["items"]

    events = until(killed, "an Event tells that the pod is killed")
    kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    assert [each["involvedObject"]["uid"] for each in events] == [first]
    assert killed() == events
