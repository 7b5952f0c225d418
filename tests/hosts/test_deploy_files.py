"""The files under deploy/ have the shape that Ray, KubeRay and Docker read. Not run here."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate
import pytest
import ray
import yaml

from emucluster import __version__

DEPLOY = Path(__file__).parents[2] / "deploy"
SCHEMA = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def test_the_cluster_file_has_the_shape_that_rays_launcher_reads() -> None:
    config, schema = read("ray-cluster.yaml"), json.loads(SCHEMA.read_text())
    jsonschema.validate(config, schema)
    broken = {**config, "head_start_ray_command": []}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_ray_fills_in_the_cluster_file_for_machines_of_ones_own() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    filled = prepare_config(copy.deepcopy(read("ray-cluster.yaml")))
    validate_config(filled)
    assert filled["max_workers"] == len(filled["provider"]["worker_ips"])


def test_every_ray_of_the_cluster_file_wants_a_token() -> None:
    config = read("ray-cluster.yaml")
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    starts = [command for command in commands if "ray start" in command]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=" in command for command in starts)


def pod_templates(manifest: Any) -> list[Any]:
    spec = manifest["spec"]
    return [spec["headGroupSpec"]["template"], *(g["template"] for g in spec["workerGroupSpecs"])]


def test_kuberays_manifest_has_its_required_fields_and_the_pinned_ray() -> None:
    manifest = read("kuberay.yaml")
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayCluster")
    spec = manifest["spec"]
    assert spec["rayVersion"] == ray.__version__
    assert spec["authOptions"] == {"mode": "token"}
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        values = group["rayStartParams"].values()
        assert all(isinstance(value, str) for value in values), "the CRD has a map of strings"
    for group in spec["workerGroupSpecs"]:
        assert group["groupName"]
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_kuberays_pods_are_pods_that_kubernetes_takes() -> None:
    for template in pod_templates(read("kuberay.yaml")):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "host"}, **template}
        kubernetes_validate.validate(pod, "1.32", strict=True)
        pod["spec"]["containers"][0]["enviroment"] = []
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(pod, "1.32", strict=True)


def test_pods_run_without_root_as_the_user_of_the_image() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    user = next(line.split()[1] for line in lines if line.startswith("USER "))
    for template in pod_templates(read("kuberay.yaml")):
        context = template["spec"]["securityContext"]
        assert context == {"runAsNonRoot": True, "runAsUser": int(user)}
        image = template["spec"]["containers"][0]["image"]
        assert image == f"emucluster:{__version__}"


def test_the_image_copies_only_what_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    sources = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert "pyproject.toml" in sources
    assert [name for name in sources if not (DEPLOY.parent / name).exists()] == []
    assert (
        next(line for line in lines if not line.startswith("#")).strip() == "FROM python:3.11-slim"
    )
