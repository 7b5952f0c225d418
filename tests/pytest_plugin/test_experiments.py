"""An experiment of a test is placed in the test's namespace and cluster."""

from __future__ import annotations

from typing import Any

import pytest

import emucluster as emu
from emucluster.client.lab import Machine, Status
from emucluster.core.errors import UsageError
from emucluster.experiment.spec import Selector
from emucluster.experiment.targets import selector
from emucluster.pytest_plugin.experiments import placed
from emucluster.pytest_plugin.session import NamespaceSession

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"port": 80}]},
}
ELSEWHERE = {**SERVICE, "metadata": {"name": "web", "namespace": "other"}}
GROUP: dict[str, Any] = {"name": "users", "target": "service/web"}


def status() -> Status:
    def machine(name: str, zone: str, kind: str = "node") -> Machine:
        return Machine(name, kind, "127.16.0.1", "", 1, zone, "", "running")

    given: dict[str, Any] = dict.fromkeys(Status.__dataclass_fields__, "")
    given |= {"packing": "node", "cloud": "gcp", "speed": 20.0, "faults": (), "outside": {}}
    given["machines"] = (
        machine("node-1", "zone-a"),
        machine("node-2", "zone-b"),
        machine("control-plane", "", "control-plane"),
    )
    return Status(**given)


def place(**fields: Any) -> emu.Experiment:
    made = emu.Experiment(**{"name": "x", "workload": [GROUP], **fields})
    return placed(made, "test-x-1", status())


def test_default_is_the_tests_namespace_and_others_are_themselves() -> None:
    found = place(
        manifests=[SERVICE, ELSEWHERE],
        workload=[GROUP, {**GROUP, "name": "others", "namespace": "other"}],
        hypotheses=[
            {"kind": "endpoints-match", "service": "default/web", "within": "1s"},
            {"kind": "endpoints-match", "service": "other/web", "within": "1s"},
            {"kind": "endpoints-match", "service": "web", "within": "1s"},
            {"kind": "endpoints-match", "within": "1s"},
        ],
    )
    assert [obj.metadata.namespace for obj in found.source.objects] == ["test-x-1", "other"]
    assert [group.namespace for group in found.spec.workload] == ["test-x-1", "other"]
    services = [each.service for each in found.spec.hypotheses]  # type: ignore[union-attr]
    assert services == ["test-x-1/web", "other/web", "test-x-1/web", ""]


def test_targets_of_faults_move_too_and_ends_of_links_with_them() -> None:
    link = {
        "kind": "link",
        "from": {"kind": "pod", "labels": {"app": "web"}},
        "to": "pod/other/db",
    }
    found = place(
        faults=[
            {"kind": "freeze", "target": "pod/web-1"},
            {"kind": "power-off", "target": "node/node-2"},
            {"kind": "partition", "target": link},
        ]
    )
    pod, node, cut = (selector(fault.target) for fault in found.spec.faults)
    assert (pod.kind, pod.namespace, pod.name) == ("pod", "test-x-1", "web-1")
    assert (node.kind, node.name) == ("node", "node-2")
    assert isinstance(cut.from_, Selector)
    assert isinstance(cut.to, Selector)
    assert (cut.from_.namespace, cut.from_.labels) == ("test-x-1", {"app": "web"})
    assert (cut.to.namespace, cut.to.name) == ("other", "db")


@pytest.mark.parametrize("given", [5, None, "x.yaml"])
def test_what_is_no_experiment_is_told_what_one_is(given: Any) -> None:
    session = object.__new__(NamespaceSession)
    with pytest.raises(UsageError, match=rf"^run: must be an emu.Experiment .*; got {given!r}$"):
        session.run(given)


def test_an_experiment_takes_the_cluster_that_runs_unless_it_names_one() -> None:
    cluster = place().spec.cluster
    assert (cluster.nodes, cluster.zones, cluster.cloud) == (2, ["zone-a", "zone-b"], "gcp")
    assert (cluster.packing, cluster.speed) == ("node", 20.0)
    named = place(cluster={"nodes": 5}).spec.cluster
    assert (named.nodes, named.cloud) == (5, "gcp")
