"""kubectl changes objects: apply of both kinds, diff, edit, patch, replace, set, label, taint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.kubectl import Kubectl, needed
from tests.live.kubeapi.plane import plane

pytestmark = [pytest.mark.live, needed]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "echo:1", ports: [{containerPort: 80}], env: [{name: A, value: "1"}]}
      - {name: side, image: "echo:1"}
"""
NODE = '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}'


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    directory = tmp_path_factory.mktemp("plane")
    with plane(directory) as running:
        yield Kubectl(running.kubeconfig, tmp_path_factory.mktemp("home"))


def web(name: str) -> str:
    return WEB.replace("NAME", name)


def get(kubectl: Kubectl, *what: str) -> Any:
    return json.loads(kubectl("get", *what, "-o", "json", "--show-managed-fields"))


def images(deployment: Any) -> list[str]:
    return [c["image"] for c in deployment["spec"]["template"]["spec"]["containers"]]


def test_apply_and_diff(kubectl: Kubectl) -> None:
    manifest = web("applied")
    assert kubectl("apply", "-f", "-", stdin=manifest) == "deployment.apps/applied created\n"
    assert kubectl("apply", "-f", "-", stdin=manifest) == "deployment.apps/applied unchanged\n"
    assert kubectl("diff", "-f", "-", stdin=manifest) == ""
    changed = manifest.replace('name: web, image: "echo:1"', 'name: web, image: "echo:2"')
    changed = changed.replace("name: side", "name: other")
    differing = kubectl.run("diff", "-f", "-", stdin=changed)
    assert differing.returncode == 1
    assert "-        image: echo:1\n+        image: echo:2\n" in differing.stdout
    dry = kubectl("apply", "-f", "-", "--dry-run=server", stdin=changed)
    assert dry == "deployment.apps/applied configured (server dry run)\n"
    assert images(get(kubectl, "deploy", "applied")) == ["echo:1", "echo:1"]
    assert kubectl("apply", "-f", "-", stdin=changed) == "deployment.apps/applied configured\n"
    deployment = get(kubectl, "deploy", "applied")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("web", "echo:2"), ("other", "echo:1")]
    (port,) = containers[0]["ports"]
    assert port == {"containerPort": 80, "protocol": "TCP"}


def test_server_side_apply_takes_over_a_bare_pod_with_what_was_added_to_it(
    kubectl: Kubectl,
) -> None:
    manifest = """
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec: {containers: [{name: c, image: emucluster/echo}]}
"""
    kubectl("apply", "-f", "-", stdin=manifest)
    spec = get(kubectl, "pod", "bare")["spec"]
    for _ in range(2):
        done = kubectl.run("apply", "--server-side", "-f", "-", stdin=manifest)
        assert (done.stdout, done.stderr) == ("pod/bare serverside-applied\n", "")
    now = get(kubectl, "pod", "bare")["spec"]
    assert {key: now[key] for key in spec} == spec


def test_server_side_apply_takes_over_from_client_side_apply(kubectl: Kubectl) -> None:
    manifest = web("moved")
    kubectl("apply", "-f", "-", stdin=manifest)
    changed = manifest.replace("replicas: 2", "replicas: 3")
    done = kubectl("apply", "--server-side", "-f", "-", stdin=changed)
    assert done == "deployment.apps/moved serverside-applied\n"
    deployment = get(kubectl, "deploy", "moved")
    managers = {(e["manager"], e["operation"]) for e in deployment["metadata"]["managedFields"]}
    assert managers == {("kubectl", "Apply"), ("kubectl-last-applied", "Apply")}
    again = kubectl.run("apply", "--server-side", "-f", "-", "-v=6", stdin=changed)
    assert again.stderr.count("PATCH https") == 1  # nothing is left to be taken over
    version = deployment["metadata"]["resourceVersion"]
    assert get(kubectl, "deploy", "moved")["metadata"]["resourceVersion"] == version
    less = changed.replace("replicas: 3\n", "paused: true\n").replace("echo:1", "echo:3")
    refused = kubectl.fails(
        "apply", "--server-side", "--field-manager=other", "-f", "-", stdin=less
    )
    assert 'Apply failed with 2 conflicts: conflicts with "kubectl":\n' in refused
    assert '- .spec.template.spec.containers[name="web"].image\n' in refused
    assert "--force-conflicts" in refused
    kubectl("apply", "--server-side", "-f", "-", stdin=less)
    spec = get(kubectl, "deploy", "moved")["spec"]
    assert (spec["replicas"], spec["paused"]) == (1, True)  # no longer applied: defaulted


def test_patches(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=web("patched"))
    name = ("deploy", "patched")
    containers = '[{"name":"side","image":"echo:2"}]'
    kubectl(
        "patch", *name, "-p", f'{{"spec":{{"template":{{"spec":{{"containers":{containers}}}}}}}}}'
    )
    assert images(get(kubectl, *name)) == ["echo:1", "echo:2"]
    kubectl("patch", *name, "--type=merge", "-p", '{"metadata":{"labels":{"app":null,"a":"b"}}}')
    kubectl("patch", *name, "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/a"}]')
    assert "labels" not in get(kubectl, *name)["metadata"]
    kubectl("patch", *name, "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":5}}')
    assert get(kubectl, *name)["spec"]["replicas"] == 5
    test = '[{"op":"test","path":"/spec/replicas","value":4}]'
    refused = kubectl.fails("patch", *name, "--type=json", "-p", test)
    words = "the server rejected our request due to an error in our request"
    assert refused.endswith(f"The request is invalid: {words}\n")
    wrong = kubectl.fails("patch", *name, "--type=merge", "-p", '{"spec":{"replicas":"x"}}')
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas" in wrong
    same = kubectl("patch", *name, "--type=merge", "-p", '{"spec":{"replicas":5}}')
    assert same == "deployment.apps/patched patched (no change)\n"
    entries = get(kubectl, *name)["metadata"]["managedFields"]
    owners = {(e["manager"], e.get("subresource")): e["fieldsV1"] for e in entries}
    assert owners["kubectl-patch", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:image" in json.dumps(owners["kubectl-patch", None])


def test_small_changes(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=web("small"))
    kubectl("label", "deploy", "small", "tier=front")
    kubectl("annotate", "deploy", "small", "why=because")
    kubectl("set", "image", "deploy/small", "web=echo:7")
    kubectl("set", "env", "deploy/small", "B=2")
    kubectl("edit", "deploy", "small", EDITOR="sed -i s/echo:7/echo:8/")
    deployment = get(kubectl, "deploy", "small")
    assert deployment["metadata"]["labels"] == {"app": "web", "tier": "front"}
    assert deployment["metadata"]["annotations"]["why"] == "because"
    assert images(deployment) == ["echo:8", "echo:1"]
    kubectl("replace", "-f", "-", stdin=web("small"))
    deployment = get(kubectl, "deploy", "small")
    assert images(deployment) == ["echo:1", "echo:1"]
    assert deployment["metadata"]["labels"] == {"app": "web"}


def test_nodes(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=NODE)
    kubectl("taint", "node", "n1", "a=b:NoSchedule", "c=d:NoSchedule")
    kubectl("taint", "node", "n1", "a=b:NoSchedule-")
    kubectl("cordon", "n1")
    spec = get(kubectl, "node", "n1")["spec"]
    assert spec["unschedulable"] is True
    taints = {(t["key"], t["effect"]) for t in spec["taints"]}
    assert ("c", "NoSchedule") in taints
    assert ("a", "NoSchedule") not in taints
    kubectl("uncordon", "n1")
    assert "unschedulable" not in get(kubectl, "node", "n1")["spec"]


def test_what_is_wrong_with_a_manifest_is_said(kubectl: Kubectl, tmp_path: Path) -> None:
    wrong = web("wrong").replace("replicas: 2", "replicas: 2\n  relicas: 3")
    refused = kubectl.fails("create", "-f", "-", stdin=wrong)
    assert 'Deployment in version "v1" cannot be handled as a Deployment: ' in refused
    assert 'strict decoding error: unknown field "spec.relicas"' in refused
    warned = kubectl.run("create", "-f", "-", "--validate=warn", "--dry-run=server", stdin=wrong)
    assert 'Warning: unknown field "spec.relicas"' in warned.stderr
    assert warned.returncode == 0
    twice = tmp_path / "twice.json"
    head = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"data":'
    twice.write_text(head + '{"a":"1","a":"2"}}')
    path = "/api/v1/namespaces/default/configmaps?fieldValidation=Strict"
    refused = kubectl.fails("create", "--raw", path, "-f", str(twice))
    assert 'strict decoding error: duplicate field "data.a"' in refused


WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {plural: widgets, singular: widget, kind: Widget}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              parts:
                description: What it is made of.
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [id]
                items:
                  type: object
                  required: [id]
                  properties: {id: {type: integer}, v: {type: string}}
"""
WIDGET = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {parts: [PARTS]}
"""


def test_custom_resources(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=WIDGETS)
    kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=60s")
    one, other = (WIDGET.replace("PARTS", f"{{id: {n}, v: x}}") for n in (1, 2))
    kubectl("apply", "--server-side", "-f", "-", stdin=one)
    kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    parts = [{"id": 1, "v": "x"}, {"id": 2, "v": "x"}]
    assert get(kubectl, "widget", "w")["spec"]["parts"] == parts
    nothing = WIDGET.replace("PARTS", "")
    kubectl("apply", "--server-side", "-f", "-", stdin=nothing)
    assert get(kubectl, "widget", "w")["spec"]["parts"] == parts[1:]
    refused = kubectl.fails("patch", "widget", "w", "-p", '{"spec":{"parts":[]}}')
    assert "application/strategic-merge-patch+json is not supported" in refused
    kubectl("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"parts":[{"id":3}]}}')
    assert get(kubectl, "widget", "w")["spec"]["parts"] == [{"id": 3}]
    assert "What it is made of." in kubectl("explain", "widget.spec.parts")


def test_explain(kubectl: Kubectl) -> None:
    told = kubectl("explain", "pod.spec.containers.ports")
    assert "FIELD: ports <[]ContainerPort>" in told
    assert "containerPort\t<integer> -required-" in told
    assert "ENUM:\n    Always\n" in kubectl("explain", "pod.spec.restartPolicy")
    tree = kubectl("explain", "deployment.spec", "--recursive")
    assert "      containers\t<[]Container> -required-\n" in tree
