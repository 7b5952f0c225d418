"""kubectl defines a kind, uses it, and takes it away again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.core.admission.custom.world import definition, version, widget
from tests.kubernetes.kubectl import Kubectl, needed
from tests.live.kubeapi.plane import plane

pytestmark = [pytest.mark.live, needed]

CRD = json.dumps(
    definition(
        version(selectableFields=[{"jsonPath": ".spec.mode"}]),
        version("v1beta1", storage=False, deprecated=True),
        shortNames=["wd"],
        categories=["all"],
    )
)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    directory = tmp_path_factory.mktemp("plane")
    with plane(directory) as running:
        kubectl = Kubectl(running.kubeconfig, tmp_path_factory.mktemp("home"))
        kubectl("create", "-f", "-", stdin=CRD)
        yield kubectl


def test_a_kind_is_there_at_once(kubectl: Kubectl) -> None:
    kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s")
    listed = kubectl("api-resources", "--api-group=example.com", "--no-headers")
    assert listed.split() == ["widgets", "wd", "example.com/v1", "true", "Widget"]


def test_what_its_schema_says_is_asked_and_filled_in(kubectl: Kubectl) -> None:
    text = json.dumps(widget("a", spec={"size": 1, "sise": 2}))
    assert 'strict decoding error: unknown field "spec.sise"' in kubectl.fails(
        "create", "-f", "-", stdin=text
    )
    warned = kubectl.run("create", "--validate=warn", "-f", "-", stdin=text)
    assert 'Warning: unknown field "spec.sise"' in warned.stderr
    spec = json.loads(kubectl("get", "wd", "a", "-o", "jsonpath={.spec}"))
    assert spec == {"size": 1, "mode": "fast"}
    bad = json.dumps(widget("b", spec={"size": -1}))
    assert "spec.size in body should be greater than or equal to 0" in kubectl.fails(
        "create", "-f", "-", stdin=bad
    )


def test_status_scale_and_selectable_fields(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(widget("c", spec={"size": 1, "mode": "slow"})))
    kubectl("scale", "widget/c", "--replicas=4")
    patch = '{"status": {"size": 4}}'
    kubectl("patch", "wd", "c", "--subresource=status", "--type=merge", "-p", patch)
    shown = kubectl("get", "wd", "c", "-o", "jsonpath={.spec.size} {.status.size}")
    assert shown == "4 4"
    assert kubectl("get", "wd", "--field-selector=spec.mode=slow", "-o", "name").split() == [
        "widget.example.com/c"
    ]


def test_an_old_version_shows_the_same_with_a_warning(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(widget("d")))
    done = kubectl.run("get", "widgets.v1beta1.example.com", "d", "-o", "jsonpath={.apiVersion}")
    assert done.stdout == "example.com/v1beta1"
    assert "example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget" in done.stderr


def test_its_objects_go_with_their_namespace_and_with_their_definition(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", "shop")
    text = json.dumps(widget("e") | {"metadata": {"name": "e", "namespace": "shop"}})
    kubectl("create", "-f", "-", stdin=text)
    kubectl("delete", "namespace", "shop", "--timeout=30s")
    kubectl("create", "-f", "-", stdin=json.dumps(widget("f")))
    kubectl("delete", "crd", "widgets.example.com", "--timeout=30s")
    assert "NotFound" in kubectl.fails("get", "--raw", "/apis/example.com/v1/widgets")
    kubectl("create", "-f", "-", stdin=CRD)
    assert kubectl("get", "widgets", "-A", "-o", "name") == ""
