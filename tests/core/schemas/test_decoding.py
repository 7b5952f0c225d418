"""What clients send: the API server's words for what is wrong, and the form that is stored."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.objects import CustomObject, CustomResourceDefinitionVersion
from emucluster.core.objects.codec import to_tree
from emucluster.core.objects.kinds import Kinds
from emucluster.core.schemas import decoding, times
from emucluster.core.schemas.decoding import WrongType, conformed, duplicates
from emucluster.core.schemas.schema import custom_schema, schema_of

DEPLOYMENT, POD = schema_of("apps/v1", "Deployment"), schema_of("v1", "Pod")
ROLLING = "spec.strategy.rollingUpdate.maxSurge"
CONTAINERS = "spec.template.spec.containers"


def at(path, value):
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize(
    ("path", "value", "shown", "where", "kind"),
    [
        ("spec.replicas", "x", "string", "DeploymentSpec.spec.replicas", "int32"),
        ("spec.replicas", 1.5, "number 1.5", "DeploymentSpec.spec.replicas", "int32"),
        ("spec.replicas", 2**31, "number 2147483648", "DeploymentSpec.spec.replicas", "int32"),
        ("spec.paused", "true", "string", "DeploymentSpec.spec.paused", "bool"),
        ("spec", [], "array", "Deployment.spec", "v1.DeploymentSpec"),
        ("metadata.labels", {"a": 1}, "number", "ObjectMeta.metadata.labels", "string"),
        ("metadata.labels", "a", "string", "ObjectMeta.metadata.labels", "map[string]string"),
        (CONTAINERS, {}, "object", f"PodSpec.{CONTAINERS}", "[]v1.Container"),
        (CONTAINERS, ["x"], "string", f"PodSpec.{CONTAINERS}", "v1.Container"),
        (CONTAINERS, [{"env": {}}], "object", f"Container.{CONTAINERS}.env", "[]v1.EnvVar"),
        (
            *(CONTAINERS, [{"env": [{"value": 5}]}], "number"),
            *(f"EnvVar.{CONTAINERS}.env.value", "string"),
        ),
        (CONTAINERS, [{"command": [True]}], "bool", f"Container.{CONTAINERS}.command", "string"),
        (
            *(CONTAINERS, [{"ports": [{"protocol": 1}]}], "number"),
            *(f"ContainerPort.{CONTAINERS}.ports.protocol", "v1.Protocol"),
        ),
        (
            *("metadata.ownerReferences", [{"uid": 5}], "number"),
            *("OwnerReference.metadata.ownerReferences.uid", "types.UID"),
        ),
    ],
)
def test_wrong_types_in_the_words_of_encoding_json(path, value, shown, where, kind):
    with pytest.raises(WrongType) as caught:
        conformed(at(path, value), DEPLOYMENT)
    text = f"json: cannot unmarshal {shown} into Go struct field {where} of type {kind}"
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("spec.replicas", "x", "unrecognized type: int32"),
        ("spec.replicas", True, "unrecognized type: int32"),
        ("spec.replicas", 1.5, "cannot convert float64 to int32"),
        ("metadata.generation", {}, "unrecognized type: int64"),
        ("spec.paused", "true", "unrecognized type: bool"),
        ("spec.paused", 1, "unrecognized type: bool"),
        ("spec", [], "cannot restore struct from: slice"),
        ("metadata.labels", {"a": 1}, "cannot convert int64 to string"),
        ("metadata.labels", {"a": 1.5}, "unrecognized type: string"),
        ("metadata.labels", "a", "cannot restore map from string"),
        (CONTAINERS, {}, "cannot restore slice from map"),
        (CONTAINERS, [5], "cannot restore struct from: int64"),
        (CONTAINERS, [{"command": [True]}], "unrecognized type: string"),
        (CONTAINERS, [{"ports": [{"protocol": 1}]}], "cannot convert int64 to v1.Protocol"),
    ],
)
def test_wrong_types_in_the_words_of_the_converter(path, value, text):
    with pytest.raises(WrongType) as caught:
        conformed(at(path, value), DEPLOYMENT)
    assert caught.value.converted == text


def test_the_converter_has_types_decode_themselves():
    for path, value in ((ROLLING, []), ("metadata.creationTimestamp", 5)):
        with pytest.raises(WrongType) as caught:
            conformed(at(path, value), DEPLOYMENT)
        assert caught.value.converted == str(caught.value)
    with pytest.raises(WrongType) as caught:
        conformed({"data": {"a": "!"}}, schema_of("v1", "Secret"))
    assert caught.value.converted == (
        "error decoding from json: illegal base64 data at input byte 0"
    )


NO_QUANTITY = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


@pytest.mark.parametrize(
    ("path", "value", "schema", "message"),
    [
        ("metadata.creationTimestamp", 5, POD, "number into Go value of type string"),
        (ROLLING, True, DEPLOYMENT, "bool into Go value of type int32"),
        ("data", {"a": "!"}, schema_of("v1", "Secret"), "illegal base64 data at input byte 0"),
        ("spec.overhead", {"cpu": "x"}, POD, NO_QUANTITY),
        ("spec.overhead", {"cpu": True}, POD, NO_QUANTITY),
        ("spec.overhead", {"cpu": "1ki"}, POD, "unable to parse quantity's suffix"),
    ],
)
def test_types_that_are_read_in_their_own_way(path, value, schema, message):
    with pytest.raises(WrongType) as caught:
        conformed(at(path, value), schema)
    assert message in str(caught.value)


def test_unknown_fields_are_found_and_left_out():
    tree = {
        "foo": 1,
        "metadata": {"labels": {"any": "x"}, "bar": {}},
        "spec": {"containers": [{"name": "a"}, {"name": "b", "imag": "x", "env": [{"nam": 1}]}]},
    }
    kept, unknown = conformed(tree, POD)
    assert unknown == [
        "foo",
        "metadata.bar",
        "spec.containers[1].imag",
        "spec.containers[1].env[0].nam",
    ]
    assert kept == {
        "metadata": {"labels": {"any": "x"}},
        "spec": {"containers": [{"name": "a"}, {"name": "b", "env": [{}]}]},
    }


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"a":1,"b":{"a":1}}', []),
        ('{"spec":{"replicas":1,"replicas":2}}', ["spec.replicas"]),
        ('{"a":[{"x":1,"y":2,"x":3}],"a":[{"x":1,"x":2}]}', ["a", "a[0].x"]),
        ('{ "a" : "\\u003c" }', []),
        ('{"a": "x", "b": ["\\"", {"a": "\\\\"}]}', []),
        ('{"a": 1, "b": "\\u0022\\u0022", "a": 2}', ["a"]),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', ["b.c"]),
        ('{"a":', []),
    ],
)
def test_fields_that_come_twice(body, found):
    assert duplicates(body.encode()) == found


def test_null_is_absence_but_for_the_values_of_maps():
    tree = {
        "metadata": {"name": "p", "labels": {"a": None}, "annotations": None},
        "spec": {"nodeName": None, "containers": [{"args": [None], "name": "c"}]},
    }
    assert conformed(tree, POD)[0] == {
        "metadata": {"name": "p", "labels": {"a": ""}},
        "spec": {"containers": [{"args": [""], "name": "c"}]},
    }


def test_values_are_stored_in_one_form():
    tree = {
        "metadata": {"creationTimestamp": "2026-02-28T23:30:00.5-01:00"},
        "spec": {"containers": [{"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}]},
    }
    kept, _ = conformed(tree, POD)
    assert kept["metadata"]["creationTimestamp"] == "2026-03-01T00:30:00Z"
    limits = kept["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "1Gi"}
    lease = at("spec.renewTime", "2026-11-22T21:49:02.5964+00:00")
    kept, _ = conformed(lease, schema_of("coordination.k8s.io/v1", "Lease"))
    assert kept["spec"]["renewTime"] == "2026-11-22T21:49:02.596400Z"
    secret = at("data", {"a": "eHg=\n"})
    assert conformed(secret, schema_of("v1", "Secret"))[0] == at("data", {"a": "eHg="})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("abc", 'as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006"'),
        ("2026-01-02", 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2026-01-02T03:04:05", 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
        ("2026-01-02T03:04:05Zx", 'as "2006-01-02T15:04:05Z07:00": extra text: "x"'),
        ("2026-13-02T03:04:05Z", "month out of range"),
        ("2026-02-30T03:04:05Z", "day out of range"),
        ("2026-02-03T24:04:05Z", "hour out of range"),
        ("0001-01-01T00:00:00+01:00", "day out of range"),
    ],
)
def test_times_that_are_none(text, why):
    with pytest.raises(ValueError) as caught:
        times.canonical(text)
    assert why in str(caught.value)


def test_nothing_is_nested_without_end():
    deep: object = {}
    for _ in range(200):
        deep = {"properties": {"x": deep}}
    schema = schema_of("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    versions = [{"schema": {"openAPIV3Schema": deep}}]
    with pytest.raises(WrongType, match="exceeded max depth"):
        conformed(at("spec.versions", versions), schema)


def test_of_a_custom_object_only_the_metadata_is_looked_at():
    row = _custom_row()
    tree = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "color": "red"},
        "spec": {"any": [None]},
    }
    obj, unknown = decoding.to_object(tree, row, custom_schema(None))
    assert unknown == ["metadata.color"]
    assert obj.content == {"spec": {"any": [None]}}
    with pytest.raises(WrongType, match=r"field ObjectMeta\.metadata\.name of type string"):
        decoding.to_object({"metadata": {"name": 5}}, row, custom_schema(None))


def _custom_row():
    row = Kinds().named("v1", "ConfigMap")
    return replace(
        row,
        kind="Widget",
        group="example.com",
        cls=CustomObject,
        definition=CustomResourceDefinitionVersion(name="v1"),
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["metadata", "spec", "containers", "labels", "name", "limits", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(tree=st.dictionaries(st.sampled_from(["metadata", "spec", "status", "x"]), values))
def test_any_tree_becomes_an_object_or_says_why_not(tree):
    row = Kinds().named("v1", "Pod")
    before = json.dumps(tree)
    try:
        obj, _ = decoding.to_object({"apiVersion": "v1", "kind": "Pod", **tree}, row, POD)
    except WrongType:
        pass
    else:
        assert decoding.to_object(to_tree(obj), row, POD) == (obj, [])
    assert json.dumps(tree) == before
