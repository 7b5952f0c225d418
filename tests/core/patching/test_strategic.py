"""Strategic merge patches against the documented strategies and merge keys of the API."""

import pytest

from emucluster.core.errors import BadRequest
from emucluster.core.patching import strategic
from emucluster.core.schemas.schema import schema_of

POD, DEPLOYMENT = schema_of("v1", "Pod"), schema_of("apps/v1", "Deployment")
SERVICE, NODE = schema_of("v1", "Service"), schema_of("v1", "Node")


def at(path, value):
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def get(tree, path):
    for name in path.split("."):
        tree = tree[name]
    return tree


@pytest.mark.parametrize(
    ("schema", "path", "key"),
    [
        (POD, "spec.containers", "name"),
        (POD, "spec.initContainers", "name"),
        (POD, "spec.ephemeralContainers", "name"),
        (POD, "spec.imagePullSecrets", "name"),
        (POD, "spec.schedulingGates", "name"),
        (POD, "spec.hostAliases", "ip"),
        (POD, "spec.topologySpreadConstraints", "topologyKey"),
        (POD, "spec.volumes", "name"),
        (POD, "metadata.ownerReferences", "uid"),
        (POD, "status.conditions", "type"),
        (POD, "status.podIPs", "ip"),
        (POD, "status.hostIPs", "ip"),
        (DEPLOYMENT, "status.conditions", "type"),
        (SERVICE, "spec.ports", "port"),
        (SERVICE, "status.conditions", "type"),
        (NODE, "status.conditions", "type"),
        (NODE, "status.addresses", "type"),
        (schema_of("v1", "Namespace"), "status.conditions", "type"),
        (schema_of("v1", "ServiceAccount"), "secrets", "name"),
        (schema_of("policy/v1", "PodDisruptionBudget"), "status.conditions", "type"),
        (schema_of("batch/v1", "Job"), "status.conditions", "type"),
    ],
)
def test_lists_with_a_key_are_merged_by_it(schema, path, key):
    old = at(path, [{key: "a", "left": 1}, {key: "b"}])
    patch = at(path, [{key: "c", "own": 3}, {key: "a", "right": 2}])
    merged = get(strategic.apply(old, patch, schema), path)
    assert {i[key]: i for i in merged} == {
        "a": {key: "a", "left": 1, "right": 2},
        "b": {key: "b"},
        "c": {key: "c", "own": 3},
    }
    gone = strategic.apply(old, at(path, [{"$patch": "delete", key: "a"}]), schema)
    assert get(gone, path) == [{key: "b"}]
    replaced = strategic.apply(old, at(path, [{"$patch": "replace"}, {key: "z"}]), schema)
    assert get(replaced, path) == [{key: "z"}]


@pytest.mark.parametrize(
    ("inside", "key"),
    [("ports", "containerPort"), ("env", "name"), ("volumeMounts", "mountPath")],
)
def test_lists_in_containers_have_keys(inside, key):
    old = at("spec.containers", [{"name": "c", inside: [{key: 1, "left": 1}, {key: 2}]}])
    patch = at("spec.containers", [{"name": "c", inside: [{key: 1, "right": 2}]}])
    (container,) = strategic.apply(old, patch, POD)["spec"]["containers"]
    assert container[inside] == [{key: 1, "left": 1, "right": 2}, {key: 2}]


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (POD, "spec.tolerations"),
        (POD, "spec.readinessGates"),
        (POD, "status.containerStatuses"),
        (NODE, "spec.taints"),
        (SERVICE, "spec.externalIPs"),
        (SERVICE, "spec.clusterIPs"),
        (SERVICE, "status.loadBalancer.ingress"),
        (schema_of("v1", "Endpoints"), "subsets"),
        (schema_of("discovery.k8s.io/v1", "EndpointSlice"), "endpoints"),
        (schema_of("discovery.k8s.io/v1", "EndpointSlice"), "ports"),
        (schema_of("v1", "ServiceAccount"), "imagePullSecrets"),
        (schema_of("v1", "Namespace"), "spec.finalizers"),
        (schema_of("apps/v1", "StatefulSet"), "spec.volumeClaimTemplates"),
    ],
)
def test_other_lists_are_replaced(schema, path):
    old = at(path, [{"name": "a"}])
    assert get(strategic.apply(old, at(path, [{"name": "b"}]), schema), path) == [{"name": "b"}]


def test_scalars_with_strategy_merge_are_a_set():
    old = at("metadata.finalizers", ["a", "b"])
    assert strategic.apply(old, at("metadata.finalizers", ["c", "a"]), POD) == at(
        "metadata.finalizers", ["c", "a", "b"]
    )
    less = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic.apply(old, less, POD) == at("metadata.finalizers", ["b"])
    node = at("spec.podCIDRs", ["10.0.0.0/24"])
    assert strategic.apply(node, at("spec.podCIDRs", ["10.1.0.0/24"]), NODE) == at(
        "spec.podCIDRs", ["10.1.0.0/24", "10.0.0.0/24"]
    )


def test_null_removes_and_maps_are_merged():
    old = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"paused": True}}
    patch = {"metadata": {"labels": {"a": None, "c": "3", "d": None}}, "spec": {"paused": None}}
    assert strategic.apply(old, patch, DEPLOYMENT) == {
        "metadata": {"labels": {"b": "2", "c": "3"}},
        "spec": {},
    }
    fresh = strategic.apply({}, {"spec": {"template": {"spec": {"nodeName": None}}}}, DEPLOYMENT)
    assert fresh == {"spec": {"template": {"spec": {}}}}


def test_directives_on_maps():
    old = {"spec": {"selector": {"a": "1"}}}
    replace = {"spec": {"selector": {"$patch": "replace", "b": "2"}}}
    assert strategic.apply(old, replace, SERVICE) == {"spec": {"selector": {"b": "2"}}}
    delete = {"spec": {"selector": {"$patch": "delete"}}}
    assert strategic.apply(old, delete, SERVICE) == {"spec": {"selector": {}}}
    assert strategic.apply({}, delete, SERVICE) == {"spec": {}}


def test_retain_keys():
    old = at("spec.strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})
    patch = at("spec.strategy", {"$retainKeys": ["type"], "type": "Recreate"})
    assert strategic.apply(old, patch, DEPLOYMENT) == at("spec.strategy", {"type": "Recreate"})
    volumes = at("spec.volumes", [{"name": "v", "emptyDir": {}}])
    change = {"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}
    assert strategic.apply(volumes, at("spec.volumes", [change]), POD) == at(
        "spec.volumes", [{"name": "v", "hostPath": {"path": "/x"}}]
    )


def names(tree):
    return [c["name"] for c in tree["spec"]["containers"]]


def test_order_of_elements():
    old = at("spec.containers", [{"name": n} for n in "abcx"])
    order = [{"name": n} for n in "cba"]
    patch = {"spec": {"$setElementOrder/containers": order, "containers": [{"name": "a", "i": 1}]}}
    # x is the server's own: it stays behind what it was behind.
    assert names(strategic.apply(old, patch, POD)) == ["c", "b", "a", "x"]
    only = {"spec": {"$setElementOrder/containers": order}}
    assert names(strategic.apply(old, only, POD)) == ["c", "b", "a", "x"]
    finalizers = at("metadata.finalizers", ["a", "b"])
    reordered = {"metadata": {"$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]}}
    merged = strategic.apply(finalizers, reordered, POD)
    assert get(merged, "metadata.finalizers") == ["c", "a", "b"]


def test_apply_of_kubectl_in_one_piece():
    """What kubectl 1.32 sent for a container removed, one added and one changed."""
    old = at(
        "spec.template.spec.containers",
        [{"name": "web", "image": "echo:1", "imagePullPolicy": "Always"}, {"name": "old"}],
    )
    patch = at(
        "spec.template.spec",
        {
            "$setElementOrder/containers": [{"name": "side"}, {"name": "web"}],
            "containers": [
                {"name": "side", "image": "echo:1"},
                {"name": "web", "image": "echo:2"},
                {"$patch": "delete", "name": "old"},
            ],
        },
    )
    assert strategic.apply(old, patch, DEPLOYMENT) == at(
        "spec.template.spec.containers",
        [
            {"name": "side", "image": "echo:1"},
            {"name": "web", "image": "echo:2", "imagePullPolicy": "Always"},
        ],
    )


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], "invalid JSON document"),
        (at("spec.containers", [{"image": "x"}]), "does not contain declared merge key: name"),
        (at("spec.containers", ["x"]), "expected a map"),
        (at("spec", {"$patch": "rename"}), "unknown patch type: rename"),
        (at("spec.containers", [{"$patch": "merge", "name": "c"}]), "cannot yet be specified"),
        (at("spec", {"$retainKeys": ["a"], "b": 1}), "invalid patch format of retainKeys"),
        (at("spec", {"$setElementOrder/containers": 1}), "setElementOrder list"),
        (at("metadata", {"$deleteFromPrimitiveList/finalizers": 1}), "primitive list"),
        (
            at(
                "spec",
                {
                    "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                    "containers": [{"name": "b"}, {"name": "a"}],
                },
            ),
            "The order in patch list",
        ),
    ],
)
def test_malformed_patches(patch, message):
    with pytest.raises(BadRequest) as caught:
        strategic.apply({"metadata": {}, **at("spec.containers", [{"name": "c"}])}, patch, POD)
    assert message in caught.value.message


def test_long_lists_take_time_in_proportion():
    """A quadratic merge of these would take minutes."""
    finalizers = at("metadata.finalizers", [f"example.com/{n}" for n in range(20_000)])
    less = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/1"]}}
    assert len(strategic.apply(finalizers, {**finalizers}, POD)["metadata"]["finalizers"]) == 20_000
    assert len(strategic.apply(finalizers, less, POD)["metadata"]["finalizers"]) == 19_999
    env = [{"name": str(n), "value": "x"} for n in range(10_000)]
    pod = at("spec.containers", [{"name": "c", "env": env}])
    merged = strategic.apply(pod, at("spec.containers", [{"name": "c", "env": env[::-1]}]), POD)
    assert len(merged["spec"]["containers"][0]["env"]) == 10_000
