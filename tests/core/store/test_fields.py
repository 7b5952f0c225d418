"""Which fields objects are selected by, and how a selector is written."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import BadRequest
from emucluster.core.objects import (
    Event,
    EventSource,
    Job,
    JobStatus,
    Node,
    NodeSpec,
    Object,
    ObjectMeta,
    ObjectReference,
    Pod,
    PodSpec,
    PodStatus,
    ReplicaSet,
    Secret,
    Service,
    ServiceSpec,
)
from emucluster.core.objects.registry import RESOURCES, VIEWS, Resource
from emucluster.core.store import Store, parse_fields
from emucluster.core.store.selectors import EVERYTHING

META = ObjectMeta(name="a", namespace="shop")
POD = Pod(
    metadata=META,
    spec=PodSpec(
        node_name="node-1", restart_policy="Always", service_account_name="robot", host_network=True
    ),
    status=PodStatus(phase="Running", pod_ip="10.1.0.4"),
)
EVENT = Event(
    metadata=META,
    involved_object=ObjectReference(kind="Pod", name="web", uid="u", field_path="spec"),
    reason="Started",
    source=EventSource(component="kubelet"),
)


def selects(obj: Object, text: str, kind: str | Resource = "") -> bool:
    return all(field.matches(obj) for field in parse_fields(kind or obj.kind, text))


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (POD, "metadata.name=a,metadata.namespace==shop,spec.nodeName=node-1,spec.host=node-1"),
        (POD, "status.phase!=Failed,status.podIP=10.1.0.4,spec.restartPolicy=Always"),
        (POD, "spec.serviceAccountName=robot,spec.hostNetwork=true,spec.schedulerName="),
        (POD, "metadata.name=a,metadata.name=a"),
        (Pod(), "spec.hostNetwork=false,status.nominatedNodeName=,spec.nodeName!=x"),
        (EVENT, "involvedObject.kind=Pod,involvedObject.name=web,involvedObject.namespace="),
        (EVENT, "source=kubelet,reason=Started,involvedObject.fieldPath=spec,type="),
        (Event(reporting_component="kopf"), "source=kopf,reportingComponent=kopf"),
        (Secret(type="Opaque"), "type=Opaque"),
        (Service(spec=ServiceSpec(cluster_ip="None", type="ClusterIP")), "spec.clusterIP=None"),
        (Node(spec=NodeSpec(unschedulable=True)), "spec.unschedulable=true"),
        (Node(), "spec.unschedulable=false"),
        (ReplicaSet(), "status.replicas=0"),
        (Job(status=JobStatus(succeeded=2)), "status.successful=2"),
    ],
)
def test_an_object_is_selected_by_its_fields(obj: Object, text: str) -> None:
    assert selects(obj, text)


def test_the_newer_events_api_names_the_same_fields_otherwise() -> None:
    view = VIEWS[0]
    assert selects(EVENT, "regarding.name=web,reason=Started,reportingController=", view)
    with pytest.raises(BadRequest, match=r"field label not supported: involvedObject.name"):
        parse_fields(view, "involvedObject.name=web")


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("Pod", "spec.hostname=x", "field label not supported: spec.hostname"),
        ("Service", "spec.nodeName=x", "field label not supported: spec.nodeName"),
        ("Node", "metadata.namespace=x", "field label not supported: metadata.namespace"),
        (
            "Deployment",
            "spec.replicas=1",
            '"spec.replicas" is not a known field selector: only "metadata.name", '
            '"metadata.namespace"',
        ),
        ("Pod", "name", "invalid selector: 'name'; can't understand 'name'"),
        ("Pod", "=x", "invalid selector: '=x'; can't understand '=x'"),
        (
            "Pod",
            "metadata.name=a=b",
            "invalid field selector: unescaped character in value: =",
        ),
        ("Pod", "metadata.name=a\\b", "invalid field selector: invalid escape sequence: \\b"),
    ],
)
def test_what_cannot_be_selected_by_is_named(kind: str, text: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_fields(kind, text)
    assert caught.value.message == message


@pytest.mark.parametrize("row", RESOURCES)
def test_every_kind_is_selected_by_name(row: Resource) -> None:
    obj: Object = msgspec.convert({"metadata": {"name": "a"}}, row.cls)
    assert selects(obj, "metadata.name=a", row)


@given(st.text())
def test_any_value_can_be_written_with_escapes(value: str) -> None:
    written = "".join("\\" + c if c in "\\,=" else c for c in value)
    pod = Pod(metadata=ObjectMeta(name=value))
    assert selects(pod, f"metadata.name={written},metadata.name!={written}x")


@given(st.text(alphabet="a.=!,\\ "))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_fields("Pod", text)
    except BadRequest:
        return


def test_a_name_is_looked_up_and_not_searched_for() -> None:
    store = Store(ids=random.Random(1))
    for name in "abc":
        meta = ObjectMeta(name=name, namespace="shop")
        store.create(Pod(metadata=meta), stamp="2026-01-01T00:00:00Z")
    row = store.kinds.get("Pod")
    assert row is not None
    fields = parse_fields(row, "metadata.name=b")
    assert store.candidates("Pod", "shop", EVERYTHING, fields) == (("Pod", "shop", "b"),)
    assert [p.metadata.name for p in store.list(Pod, field_selector="metadata.name=b")] == ["b"]
