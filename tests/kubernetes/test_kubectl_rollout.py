"""`kubectl rollout history | undo | pause | resume | restart`, and what `status` says at first.

Words are those of kubernetes staging/src/k8s.io/kubectl/pkg/polymorphichelpers: history.go,
rollback.go, objectpauser.go, rollout_status.go. No pod runs here; for the rest of `status` see
cluster/test_rollout.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes.kubectl import Kubectl, needed
from tests.live.kubeapi.plane import plane

pytestmark = [pytest.mark.live, needed]

KINDS = ["deployment", "statefulset", "daemonset"]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    directory = tmp_path_factory.mktemp("plane")
    with plane(directory) as running:
        yield Kubectl(running.kubeconfig, tmp_path_factory.mktemp("home"))


def made(kubectl: Kubectl, kind: str, name: str) -> str:
    """A workload at its second revision; its name with its kind."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "echo:1"}]},
    }
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}, "template": template}
    kinds = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
    if kind == "statefulset":
        spec["serviceName"] = name
    head = {"apiVersion": "apps/v1", "kind": kinds[kind], "metadata": {"name": name}}
    kubectl.apply({**head, "spec": spec})
    wait_for(kubectl, f"{kind}.apps/{name}", 1)
    kubectl("set", "image", f"{kind}/{name}", "c=echo:2")
    wait_for(kubectl, f"{kind}.apps/{name}", 2)
    return f"{kind}.apps/{name}"


def wait_for(kubectl: Kubectl, name: str, generation: int) -> None:
    """Until the controller has seen a generation, and so has made its revision."""
    seen = f"--for=jsonpath={{.status.observedGeneration}}={generation}"
    kubectl("wait", name, seen, "--timeout=60s")


def revisions(kubectl: Kubectl, name: str) -> list[str]:
    rows = kubectl.rows("rollout", "history", name)
    assert rows[:2] == [[name], ["REVISION", "CHANGE-CAUSE"]]
    return [row[0] for row in rows[2:] if row]


@pytest.mark.parametrize("kind", KINDS)
def test_undo_goes_back_to_a_revision_of_the_history(kubectl: Kubectl, kind: str) -> None:
    name = made(kubectl, kind, "undone")
    assert revisions(kubectl, name) == ["1", "2"]
    told = kubectl("rollout", "history", name, "--revision=2")
    assert told.startswith(f"{name} with revision #2\nPod Template:\n  Labels:\tapp=undone")
    assert "Image:\techo:2\n" in told
    assert kubectl("rollout", "undo", name) == f"{name} rolled back\n"
    wait_for(kubectl, name, 3)
    assert revisions(kubectl, name) == ["2", "3"]  # the first is the last now
    assert "Image:\techo:1\n" in kubectl("rollout", "history", name, "--revision=3")
    kubectl("rollout", "undo", name, "--to-revision=2")
    wait_for(kubectl, name, 4)
    assert revisions(kubectl, name) == ["3", "4"]
    assert kubectl.fails("rollout", "undo", name, "--to-revision=9") == (
        "error: unable to find specified revision 9 in history\n"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_restart_makes_a_revision(kubectl: Kubectl, kind: str) -> None:
    name = made(kubectl, kind, "again")
    assert kubectl("rollout", "restart", name) == f"{name} restarted\n"
    wait_for(kubectl, name, 3)
    assert revisions(kubectl, name) == ["1", "2", "3"]
    told = kubectl("rollout", "history", name, "--revision=3")
    assert "Annotations:\tkubectl.kubernetes.io/restartedAt: " in told


def test_pause_and_resume(kubectl: Kubectl) -> None:
    name = made(kubectl, "deployment", "paused")
    assert kubectl("rollout", "pause", name) == f"{name} paused\n"
    assert kubectl.fails("rollout", "pause", name) == (
        'error: deployments.apps "paused" is already paused\n'
    )
    assert "can't restart paused deployment" in kubectl.fails("rollout", "restart", name)
    kubectl("set", "image", name, "c=echo:3")
    wait_for(kubectl, name, 4)
    assert revisions(kubectl, name) == ["1", "2"]
    assert kubectl("rollout", "resume", name) == f"{name} resumed\n"
    wait_for(kubectl, name, 5)
    assert revisions(kubectl, name) == ["1", "2", "3"]
    assert kubectl.fails("rollout", "resume", name) == (
        'error: deployments.apps "paused" is not paused\n'
    )
    assert kubectl.fails("rollout", "pause", made(kubectl, "statefulset", "paused")) == (
        'error: statefulsets.apps "paused" pausing is not supported\n'
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "deployment",
            'Waiting for deployment "first" rollout to finish: '
            "1 old replicas are pending termination...\n",
        ),
        ("statefulset", "Waiting for 1 pods to be ready...\n"),
        ("daemonset", 'daemon set "first" successfully rolled out\n'),  # there are no nodes
    ],
)
def test_status_says_what_is_missing(kubectl: Kubectl, kind: str, words: str) -> None:
    name = made(kubectl, kind, "first")
    done = kubectl.run("rollout", "status", name, "--watch=false")
    assert (done.returncode, done.stdout) == (0, words), done.stderr
