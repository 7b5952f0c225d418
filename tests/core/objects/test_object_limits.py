"""What would overflow a field or a stack is refused with one line."""

import json
from typing import Any

import pytest

from emucluster.core.errors import BadRequest
from emucluster.core.objects import manifest
from emucluster.core.objects.codec import decode_json, decode_tree

DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: %d}\n"


def deployment(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "web"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("number", [2**31, 99_999_999_999, -(2**31) - 1])
def test_what_does_not_fit_32_bits_is_refused_in_yaml_and_in_json(number: int) -> None:
    words = f"cannot unmarshal number {number} into field spec.replicas of type int32"
    with pytest.raises(BadRequest, match=words):
        manifest.load(DEPLOYMENT % number, source="web.yaml")
    with pytest.raises(BadRequest, match=words):
        decode_json(json.dumps(deployment(replicas=number)).encode())
    with pytest.raises(BadRequest, match=words):
        decode_json(json.dumps(deployment(replicas=number), indent=2).encode())


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"strategy": {"rollingUpdate": {"maxSurge": 2**31}}}, "spec.strategy.rollingUpdate"),
        ({"minReadySeconds": 2**31}, "spec.minReadySeconds"),
        ({"progressDeadlineSeconds": 2**40}, "spec.progressDeadlineSeconds"),
    ],
)
def test_every_field_of_32_bits_is_looked_at(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest, match=field):
        decode_tree(deployment(**spec))


def test_the_limits_themselves_and_fields_of_64_bits_pass() -> None:
    template = {"spec": {"containers": [], "terminationGracePeriodSeconds": 2**40}}
    tree = deployment(replicas=2**31 - 1, template=template)
    tree["metadata"]["generation"] = 2**40

    for obj in (decode_tree(tree), decode_json(json.dumps(tree).encode())):
        assert obj.metadata.generation == 2**40
        assert obj.spec.replicas == 2**31 - 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{a: " * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "[" * 100_000,
        "x: [1]\n" * 100 + "b: " + "[" * 70 + "]" * 70,
    ],
)
def test_deep_nesting_is_refused_before_anything_recurses(text: str) -> None:
    with pytest.raises(BadRequest, match="nested deeper than 64 levels"):
        manifest.load(text, source="STDIN")
