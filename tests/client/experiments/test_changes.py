"""Operations upon objects, and what puts them back."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.client.experiments.changes import CHANGES, RESTARTED_AT, TO_BE_DELETED, evictable
from emucluster.core.objects import replace

from .build import obj

NOW = "2026-01-31T12:00:00Z"
PARAMS: dict[str, dict[str, Any]] = {
    "scale": {"replicas": 0},
    "wrong-selector": {"selector": {"app": "nobody"}},
    "wrong-port": {"port": 1},
    "wrong-probe-path": {"service": "nobody"},
}


def deployment(**probe: Any) -> Any:
    containers = [{"name": "echo", "image": "emucluster/echo", "readinessProbe": probe}]
    return obj(
        "Deployment",
        "web",
        "apps/v1",
        metadata={"generation": 1},
        spec={
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {"own": "1"}},
                "spec": {"containers": containers},
            },
        },
        status={"observedGeneration": 1},
    )


def service() -> Any:
    return obj(
        "Service",
        "web",
        spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "grpc"}]},
    )


def node() -> Any:
    taints = [{"key": "own", "effect": "NoSchedule"}]
    return obj("Node", "node-1", metadata={"namespace": ""}, spec={"taints": taints})


def operated_on(kind: str) -> Any:
    if kind in ("drain", "node-removal"):
        return node()
    if kind in ("wrong-selector", "wrong-port"):
        return service()
    return deployment(grpc={"port": 50051})


@pytest.mark.parametrize("kind", [kind for kind in CHANGES if kind != "rolling-update"])
def test_what_is_done_is_undone_to_what_was_before(kind: str) -> None:
    before = operated_on(kind)
    done = CHANGES[kind].do(before, PARAMS.get(kind, {}), NOW)

    assert done != before
    assert CHANGES[kind].undo(done, before) == before


@pytest.mark.parametrize("kind", list(CHANGES))
def test_nothing_is_seen_of_what_was_not_done(kind: str) -> None:
    before = operated_on(kind)

    assert CHANGES[kind].seen(before, before, PARAMS.get(kind, {})) == ""


def test_a_rolling_update_sets_what_kubectl_sets_and_is_not_rolled_back() -> None:
    before = deployment(grpc={"port": 50051})
    done: Any = CHANGES["rolling-update"].do(before, {}, NOW)

    assert done.spec.template.metadata.annotations == {"own": "1", RESTARTED_AT: NOW}
    assert CHANGES["rolling-update"].undo(done, before) == done


def test_a_deployment_counts_as_operated_upon_once_its_controller_acts_on_it() -> None:
    before = deployment(grpc={"port": 50051})
    scale = CHANGES["scale"]
    done: Any = scale.do(before, {"replicas": 0}, NOW)
    done = replace(done, metadata=replace(done.metadata, generation=2))

    assert scale.seen(done, before, {"replicas": 0}) == ""
    observed = replace(done, status=replace(done.status, observed_generation=2))
    assert scale.seen(observed, before, {"replicas": 0}).endswith("with replicas 0")


def test_undoing_leaves_alone_what_others_changed_meanwhile() -> None:
    before = service()
    done: Any = CHANGES["wrong-selector"].do(before, PARAMS["wrong-selector"], NOW)
    changed = replace(done, metadata=replace(done.metadata, labels={"by": "somebody"}))
    undone: Any = CHANGES["wrong-selector"].undo(changed, before)

    assert undone.spec.selector == {"app": "web"}
    assert undone.metadata.labels == {"by": "somebody"}


def test_probes_over_http_ask_for_another_path() -> None:
    done: Any = CHANGES["wrong-probe-path"].do(
        deployment(httpGet={"path": "/ready", "port": 80}), {"service": "nobody"}, NOW
    )
    (container,) = done.spec.template.spec.containers

    assert container.readiness_probe.http_get.path == "/nobody"


def test_a_removed_node_is_tainted_as_cluster_autoscaler_does() -> None:
    done: Any = CHANGES["node-removal"].do(node(), {}, NOW)

    assert [taint.key for taint in done.spec.taints] == ["own", TO_BE_DELETED]


def test_a_drain_leaves_pods_that_nobody_would_make_anew() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1"}
    owned = obj("Pod", "web-1", metadata={"ownerReferences": [{**owner, "controller": True}]})
    alone = obj("Pod", "client")

    assert evictable(owned)
    assert not evictable(alone)
    going = replace(owned.metadata, deletion_timestamp=NOW)
    assert not evictable(replace(owned, metadata=going))
