from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import BadRequest, NotFound
from emucluster.core.objects import ConfigMap, Deployment, Pod, PodSpec, Service, replace
from emucluster.core.objects.codec import decode_json, decode_tree, encode_json, to_tree
from emucluster.core.objects.registry import RESOURCES, resource

# One manifest of each kind, with fields that are acted on and fields that are only carried.
ALL = {
    path.stem: path.read_text() for path in sorted((Path(__file__).parent / "manifests").iterdir())
}

TREES: dict[str, dict[str, Any]] = {
    kind: yaml.load(text, Loader=yaml.SafeLoader) for kind, text in ALL.items()
}


@pytest.mark.parametrize("kind", sorted(ALL))
def test_a_manifest_comes_back_as_it_went_in(kind: str) -> None:
    tree = TREES[kind]
    before = copy.deepcopy(tree)
    assert to_tree(decode_tree(tree)) == before
    assert tree == before


@pytest.mark.parametrize("kind", sorted(ALL))
def test_json_and_tree_decode_to_equal_objects(kind: str) -> None:
    obj = decode_tree(TREES[kind])
    assert decode_json(encode_json(obj)) == obj
    assert obj.kind == kind


def test_every_kind_has_a_manifest_here() -> None:
    assert {row.kind for row in RESOURCES} == set(ALL)


def test_null_means_absent_except_where_kubelets_write_it() -> None:
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": None,
        "spec": {"containers": [{"name": None, "args": None, "image": "a"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None}]},
    }
    pod = decode_json(msgspec.json.encode(tree))
    assert isinstance(pod, Pod)
    assert pod.metadata.name == ""
    assert pod.spec.containers[0].args == ()
    assert b'"lastProbeTime":null' in encode_json(pod)


def test_zero_counts_are_written_as_kubernetes_writes_them() -> None:
    tree = to_tree(decode_tree(TREES["Pod"]))
    status = tree["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["ready"]) == (0, False)


def test_a_changed_copy_shares_what_did_not_change() -> None:
    pod = decode_tree(TREES["Pod"])
    assert isinstance(pod, Pod)
    ended = replace(pod, status=replace(pod.status, phase="Failed"))
    assert ended.spec is pod.spec
    assert (pod.status.phase, ended.status.phase) == ("Running", "Failed")
    with pytest.raises(AttributeError):
        pod.status = ended.status  # type: ignore[misc]


def test_every_unknown_field_is_named_in_one_error() -> None:
    tree = copy.deepcopy(TREES["Deployment"])
    tree["spec"] = {"replicass": 1, **tree["spec"]}
    tree["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(BadRequest) as caught:
        decode_tree(tree)
    assert str(caught.value) == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.replicass", unknown field "spec.template.spec.containers[0].imagee"'
    )
    assert [cause.field for cause in caught.value.causes] == [
        "spec.replicass",
        "spec.template.spec.containers[0].imagee",
    ]


def test_wrong_types_name_the_field_and_what_it_wants() -> None:
    tree = copy.deepcopy(TREES["Service"])
    tree["spec"]["ports"][0]["port"] = "http"
    tree["metadata"]["labels"] = {"version": 1}
    with pytest.raises(BadRequest) as caught:
        decode_tree(tree, where="web.yaml")
    message = str(caught.value)
    assert message.startswith('web.yaml: Service in version "v1" cannot be handled as a Service: ')
    assert "cannot unmarshal string into field spec.ports[0].port of type integer" in message
    assert "cannot unmarshal number into field metadata.labels.version of type string" in message


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "error validating data: [apiVersion not set, kind not set]"),
        ({"kind": "Pod"}, "error validating data: apiVersion not set"),
        ({"apiVersion": "v1"}, "error validating data: kind not set"),
        (
            {"apiVersion": "apps/v1", "kind": "Foo"},
            'no matches for kind "Foo" in version "apps/v1"',
        ),
        ({"apiVersion": "v2", "kind": "Pod"}, 'no matches for kind "Pod" in version "v2"'),
        ([1], "expected an object with apiVersion and kind, got array"),
    ],
)
def test_what_is_no_object_of_the_api_is_refused_in_words(tree: object, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_tree(tree)
    assert str(caught.value) == message


def test_nesting_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(50_000):
        deep = {"spec": deep}
    with pytest.raises(BadRequest):
        decode_tree({"apiVersion": "v1", "kind": "Pod", **deep})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labels", {"a": "\ud800"}),
        ("labels", {"\ud800": "a"}),
        ("labels", {1: "a"}),
        ("generation", 2**70),
        ("managedFields", [{"fieldsV1": {"a": "\ud800"}}]),
    ],
)
def test_values_that_json_cannot_carry_are_refused(field: str, value: object) -> None:
    with pytest.raises(BadRequest):
        decode_tree({"apiVersion": "v1", "kind": "Pod", "metadata": {field: value}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


def _paths(tree: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    keys: list[str | int] = []
    if isinstance(tree, dict):
        keys = list(tree)
    elif isinstance(tree, list):
        keys = list(range(len(tree)))
    below = [p for key in keys for p in _paths(tree[key], (*path, key))]  # type: ignore[index]
    return [path, *below] if path else below


@given(st.data())
def test_a_manifest_with_one_part_replaced_decodes_or_is_refused_and_never_breaks(
    data: st.DataObject,
) -> None:
    tree = copy.deepcopy(TREES[data.draw(st.sampled_from(sorted(TREES)))])
    path = data.draw(st.sampled_from(_paths(tree)))
    parent: Any = tree
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = data.draw(JSON)
    try:
        obj = decode_tree(tree)
    except BadRequest:
        return
    assert decode_json(encode_json(obj)) == obj


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=5))
def test_any_text_in_a_config_map_survives(values: dict[str, str]) -> None:
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "data": values}
    obj = decode_tree(tree)
    assert isinstance(obj, ConfigMap)
    assert obj.data == values
    assert decode_json(encode_json(obj)) == obj


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("po", "Pod"),
        ("pods", "Pod"),
        ("Pod", "Pod"),
        ("SVC", "Service"),
        ("deploy", "Deployment"),
        ("deployment.apps", "Deployment"),
        ("deployments.v1.apps", "Deployment"),
        ("rs", "ReplicaSet"),
        ("no", "Node"),
        ("ns", "Namespace"),
        ("cm", "ConfigMap"),
        ("ev", "Event"),
        ("endpointslices", "EndpointSlice"),
        ("EndpointSlice", "EndpointSlice"),
        ("leases.coordination.k8s.io", "Lease"),
    ],
)
def test_resources_go_by_every_name_that_kubectl_takes(name: str, kind: str) -> None:
    assert resource(name).kind == kind


def test_an_unknown_resource_is_refused_in_kubectls_words() -> None:
    with pytest.raises(NotFound) as caught:
        resource("foo")
    assert str(caught.value) == 'the server doesn\'t have a resource type "foo"'


def test_api_versions_and_qualified_names() -> None:
    deployment, service = resource("deploy"), resource("svc")
    assert (deployment.api_version, service.api_version) == ("apps/v1", "v1")
    assert deployment.qualified_plural == "deployments.apps"
    assert (deployment.cls, service.cls) == (Deployment, Service)
    assert PodSpec().containers == ()


TOGETHER = """
import sys, threading
from emucluster.core.objects.codec import decode_tree
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(4)
container = {"name": "c", "image": "emucluster/echo"}
tree = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [container]}}
def decode():
    barrier.wait()
    print(decode_tree(tree).spec.containers[0].name)
threads = [threading.Thread(target=decode) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_several_threads_may_decode_the_first_object_at_once() -> None:
    """In a process of its own: those that met while msgspec got to know a class ended it."""
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True)
    letters = "".join(done.stdout.split())  # the ends of their lines may meet, too
    assert (done.returncode, letters) == (0, "cccc"), done.stderr
