"""Protobuf bodies, against upstream's own round trips and against Google's encoder."""

import base64
import gzip
import json
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import BadRequest
from emucluster.core.objects.registry import RESOURCES
from emucluster.core.schemas import protobuf
from emucluster.core.schemas.definitions import definition_of, read

ROUND_TRIPS = json.loads(
    gzip.decompress((Path(__file__).parent / "round_trips.json.gz").read_bytes())
)


def without_empty(value):
    """Go writes structs that it holds by value even when they are empty."""
    if isinstance(value, dict):
        return {k: without_empty(v) for k, v in value.items() if v not in ({}, None)}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_every_field_of_upstreams_round_trips(name):
    case = ROUND_TRIPS[name]
    tree = protobuf.decode(base64.b64decode(case["protobuf"]))
    assert without_empty(tree) == without_empty(case["json"])


def test_all_served_kinds_can_be_decoded():
    for row in RESOURCES:
        body = envelope(b"", row.api_version, row.kind)
        assert protobuf.decode(body) == {"apiVersion": row.api_version, "kind": row.kind}


# --- against Google's encoder --------------------------------------------------------------------

F = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "string": F.TYPE_STRING,
    "bytes": F.TYPE_BYTES,
    "bool": F.TYPE_BOOL,
    "int32": F.TYPE_INT32,
    "int64": F.TYPE_INT64,
    "double": F.TYPE_DOUBLE,
}


def messages():
    """Message classes for the whole table, by name of the definition."""
    table = read("protobuf.json.gz")
    file = descriptor_pb2.FileDescriptorProto(name="table.proto", syntax="proto2", package="p")
    for name, rows in table.items():
        message = file.message_type.add(name=simple(name))
        for number, (json_name, kind, flags) in rows.items():
            field = message.field.add(
                name=f"f{number}", number=int(number), json_name=json_name or f"f{number}"
            )
            field.label = F.LABEL_REPEATED if set(flags) & {"r", "m"} else F.LABEL_OPTIONAL
            target = field
            if "m" in flags:
                entry = message.nested_type.add(name=f"F{number}Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
                target = entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL)
                field.type = F.TYPE_MESSAGE
                field.type_name = f".p.{simple(name)}.F{number}Entry"
            if kind in SCALARS:
                target.type = SCALARS[kind]
            else:
                target.type, target.type_name = F.TYPE_MESSAGE, f".p.{simple(kind)}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p.{simple(name)}"))
        for name in table
    }, table


def simple(name):
    return name.replace(".", "_").replace("-", "_")


CLASSES, TABLE = messages()
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PLAIN = {  # messages that JSON writes otherwise: what is set, and what comes out
    META + "Time": ({1: 1700000000, 2: 999}, "2023-11-14T22:13:20Z"),
    META + "MicroTime": ({1: -1, 2: 5000}, "1969-12-31T23:59:59.000005Z"),
    META + "FieldsV1": ({1: b'{"f:a":{}}'}, {"f:a": {}}),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": ({1: b"[1]"}, [1]),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ({1: 1, 3: "50%"}, "50%"),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ({1: "2Gi"}, "2Gi"),
}
VALUES = {
    "string": st.text(max_size=4),
    "bytes": st.binary(max_size=4),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
}


@st.composite
def filled(draw, name, depth=0):
    """A message of a type, and the tree that it should become."""
    message, tree = CLASSES[name](), {}
    if name in PLAIN:
        fields, result = PLAIN[name]
        for number, value in fields.items():
            setattr(message, f"f{number}", value)
        return message, result
    rows = list(TABLE[name].items())
    for number, (json_name, kind, flags) in draw(
        st.lists(st.sampled_from(rows), max_size=4, unique_by=lambda row: row[0])
    ):
        attribute = f"f{number}"
        if kind not in SCALARS and depth > 4:
            continue
        if kind in SCALARS:
            value = draw(VALUES[kind])
            plain = base64.b64encode(value).decode() if kind == "bytes" else value
        else:
            value, plain = draw(filled(kind, depth + 1))
        if "m" in flags:
            key = draw(st.text("ab", max_size=2))
            field = getattr(message, attribute)
            if kind in SCALARS:
                field[key] = value
            else:
                field[key].CopyFrom(value)
            tree[json_name] = {key: plain}
        elif "r" in flags:
            field = getattr(message, attribute)
            for _ in range(2):
                field.append(value)
            tree[json_name] = [plain, plain]
        else:
            if kind in SCALARS:
                setattr(message, attribute, value)
            else:
                getattr(message, attribute).CopyFrom(value)
            if "i" in flags:
                tree |= plain
            elif plain or "z" in flags:
                tree[json_name] = plain
    return message, tree


def envelope(raw, api_version, kind):
    def field(number, data):
        size = len(data)
        head = [number << 3 | 2]
        while size >= 0x80:
            head.append(size & 0x7F | 0x80)
            size >>= 7
        return bytes([*head, size]) + data

    meta = field(1, api_version.encode()) + field(2, kind.encode())
    return protobuf.PREFIX + field(1, meta) + field(2, raw)


KINDS = [(row.api_version, row.kind) for row in RESOURCES if "Custom" not in row.kind]


@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_what_google_encodes_is_decoded(data, kind):
    message, tree = data.draw(filled(definition_of(*kind)))
    decoded = protobuf.decode(envelope(message.SerializeToString(), *kind))
    assert decoded == {"apiVersion": kind[0], "kind": kind[1], **tree}


@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_a_damaged_body_is_an_object_or_a_bad_request(data, kind):
    message, _ = data.draw(filled(definition_of(*kind)))
    body = bytearray(envelope(message.SerializeToString(), *kind))
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    try:
        tree = protobuf.decode(bytes(body[:cut]))
    except BadRequest:
        return
    json.dumps(tree, allow_nan=False)


@given(raw=st.binary(max_size=200), kind=st.sampled_from(KINDS))
def test_any_bytes_are_an_object_or_a_bad_request(raw, kind):
    for body in (raw, protobuf.PREFIX + raw, envelope(raw, *kind)):
        try:
            tree = protobuf.decode(body)
        except BadRequest:
            continue
        json.dumps(tree, allow_nan=False)


# --- details -------------------------------------------------------------------------------------


def test_zeros_are_kept_where_they_mean_something():
    deployment = CLASSES["io.k8s.api.apps.v1.Deployment"]()
    deployment.f2.f1 = 0  # spec.replicas, a pointer
    deployment.f2.f5 = 0  # spec.minReadySeconds, omitempty
    deployment.f2.f7 = False  # spec.paused, omitempty
    deployment.f1.f1 = ""  # metadata.name, omitempty
    deployment.f2.f6 = 0  # spec.revisionHistoryLimit, a pointer
    body = envelope(deployment.SerializeToString(), "apps/v1", "Deployment")
    spec = protobuf.decode(body)["spec"]
    assert spec == {"replicas": 0, "revisionHistoryLimit": 0}


def test_the_zero_time_is_absent_and_the_epoch_is_not():
    pod = CLASSES["io.k8s.api.core.v1.Pod"]()
    pod.f1.f8.SetInParent()
    assert protobuf.decode(envelope(pod.SerializeToString(), "v1", "Pod")).keys() == {
        "apiVersion",
        "kind",
    }
    pod.f1.f8.f1 = 0
    pod.f1.f8.f2 = 0
    tree = protobuf.decode(envelope(pod.SerializeToString(), "v1", "Pod"))
    assert tree["metadata"]["creationTimestamp"] == "1970-01-01T00:00:00Z"


def test_a_custom_resource_definition():
    crd = CLASSES[definition_of("apiextensions.k8s.io/v1", "CustomResourceDefinition")]()
    version = crd.f2.f7.add(f1="v1", f2=True, f3=True)
    schema = version.f4.f1
    schema.f5 = "object"
    schema.f29["size"].f5 = "integer"
    schema.f29["size"].f8.f1 = b"3"
    schema.f29["tags"].f5 = "array"
    schema.f29["tags"].f24.f1.f5 = "string"
    schema.f29["any"].f30.f1 = True
    body = envelope(crd.SerializeToString(), "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    (version,) = protobuf.decode(body)["spec"]["versions"]
    assert version["schema"]["openAPIV3Schema"] == {
        "type": "object",
        "properties": {
            "size": {"type": "integer", "default": 3},
            "tags": {"type": "array", "items": {"type": "string"}},
            "any": {"additionalProperties": True},
        },
    }


def test_options_come_with_any_group():
    options = CLASSES[META + "DeleteOptions"]()
    options.f1, options.f4 = 0, "Foreground"
    for version in ("v1", "apps/v1", "policy/v1"):
        tree = protobuf.decode(envelope(options.SerializeToString(), version, "DeleteOptions"))
        assert tree == {
            "apiVersion": version,
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "propagationPolicy": "Foreground",
        }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "does not appear to be a protobuf message"),
        (b'{"kind":"Pod"}', "does not appear to be a protobuf message"),
        (envelope(b"", "v1", "Pot"), 'no kind "Pot" is registered for version "v1"'),
        (envelope(b"\x0a\x05", "v1", "Pod"), "cannot be handled as a Pod: unexpected EOF"),
        (envelope(b"\x08\x01", "v1", "Pod"), "wrong wireType = 0 for field metadata"),
        (envelope(b"\x00", "v1", "Pod"), "illegal tag 0"),
        (envelope(b"\x0a\x03\x0a\x01\xff", "v1", "Pod"), "invalid UTF-8"),
        (envelope(b"\xff" * 11, "v1", "Pod"), "integer overflow"),
        (envelope(b"\xfb\x01" * 200, "v1", "Pod"), "nested deeper than 100"),
    ],
)
def test_errors(body, message):
    with pytest.raises(BadRequest) as caught:
        protobuf.decode(body)
    assert message in caught.value.message
