"""Who writes what pods rely on and nothing acts on is told, once for each write that matters."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emucluster.core.admission import Admission
from emucluster.core.errors import Invalid
from emucluster.core.objects import Object, codec
from emucluster.core.store import Store

NOW = "2026-01-01T00:00:00Z"
TEXT = "volumes: volumes are stored and mounted nowhere"
VOLUMES = [{"name": "data", "emptyDir": {}}]
LABELS = {"app": "a"}


@pytest.fixture
def admission() -> Admission:
    admission = Admission(Store(ids=random.Random(1)), rng=random.Random(2))
    admission.bootstrap(NOW)
    return admission


def obj(kind: str, api_version: str, spec: dict[str, Any], **metadata: Any) -> Object:
    tree = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", **metadata}}
    return codec.decode_tree({**tree, "spec": spec})


def pod_spec(*, volumes: bool = True, **more: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": "emucluster/echo"}
    spec: dict[str, Any] = {"containers": [container]}
    if volumes:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = VOLUMES
    return spec | more


def template(**more: Any) -> dict[str, Any]:
    return {"template": {"metadata": {"labels": LABELS}, "spec": pod_spec(**more)}}


def workload(**more: Any) -> dict[str, Any]:
    return {"selector": {"matchLabels": LABELS}, **template(**more)}


def created(admission: Admission, new: Object) -> list[str]:
    warnings: list[str] = []
    admission.create(new, stamp=NOW, warnings=warnings)
    return warnings


@pytest.mark.parametrize(
    ("kind", "api_version", "spec", "path"),
    [
        ("Pod", "v1", pod_spec(), "spec"),
        ("Deployment", "apps/v1", workload(), "spec.template.spec"),
        ("ReplicaSet", "apps/v1", workload(), "spec.template.spec"),
        ("DaemonSet", "apps/v1", workload(), "spec.template.spec"),
        ("StatefulSet", "apps/v1", workload(), "spec.template.spec"),
        (
            "ReplicationController",
            "v1",
            {"selector": LABELS, **template()},
            "spec.template.spec",
        ),
        ("Job", "batch/v1", template(restartPolicy="Never"), "spec.template.spec"),
        (
            "CronJob",
            "batch/v1",
            {"schedule": "@daily", "jobTemplate": {"spec": template(restartPolicy="Never")}},
            "spec.jobTemplate.spec.template.spec",
        ),
    ],
)
def test_volumes_are_told_by_the_path_of_their_field(
    admission: Admission, kind: str, api_version: str, spec: dict[str, Any], path: str
) -> None:
    assert created(admission, obj(kind, api_version, spec)) == [f"{path}.{TEXT}"]


def test_claims_of_a_stateful_set_are_told(admission: Admission) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    spec = workload(volumes=False) | {"volumeClaimTemplates": [claim]}
    warnings = created(admission, obj("StatefulSet", "apps/v1", spec))
    assert warnings == ["spec.volumeClaimTemplates: claims are created and mounted nowhere"]


def test_what_has_no_volumes_is_not_told_of(admission: Admission) -> None:
    assert created(admission, obj("Pod", "v1", pod_spec(volumes=False))) == []
    spec = workload(volumes=False)
    assert created(admission, obj("Deployment", "apps/v1", spec)) == []
    without = {"selector": {"matchLabels": LABELS}, **template(volumes=False)}
    assert created(admission, obj("ReplicaSet", "apps/v1", without)) == []


def test_an_update_tells_of_it_if_it_changes_the_spec(admission: Admission) -> None:
    created(admission, obj("Deployment", "apps/v1", workload()))

    def updated(spec: dict[str, Any], **metadata: Any) -> list[str]:
        warnings: list[str] = []
        admission.update(
            obj("Deployment", "apps/v1", spec, **metadata), stamp=NOW, warnings=warnings
        )
        return warnings

    assert updated(workload(), labels={"team": "b"}) == []
    assert updated(workload() | {"replicas": 3}) == [f"spec.template.spec.{TEXT}"]
    assert updated(workload(volumes=False)) == []


def test_an_object_that_is_refused_has_its_error_alone(admission: Admission) -> None:
    warnings: list[str] = []
    with pytest.raises(Invalid):
        admission.create(
            obj("Pod", "v1", pod_spec(restartPolicy="Perhaps")), stamp=NOW, warnings=warnings
        )
    assert warnings == []
