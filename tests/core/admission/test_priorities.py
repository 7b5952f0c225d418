"""Priority classes: what pods get from them. Texts of kubernetes/plugin/pkg/admission/priority."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emucluster.core.admission import Admission
from emucluster.core.errors import Forbidden
from emucluster.core.objects import Object, Pod, PriorityClass
from emucluster.core.objects.codec import decode_tree
from emucluster.core.store import Store

STAMP = "2026-01-01T00:00:00Z"


@pytest.fixture
def admission() -> Admission:
    admission = Admission(Store(ids=random.Random(1)), rng=random.Random(2))
    admission.bootstrap(STAMP)
    return admission


def pod(name: str = "p", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default"}
    spec = {"containers": [{"name": "c", "image": "emucluster/echo"}], **spec}
    return decode_tree({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def a_class(name: str, value: int, **more: Any) -> Object:
    head = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    return decode_tree({**head, "metadata": {"name": name}, "value": value, **more})


def created(admission: Admission, obj: Object) -> tuple[Any, ...]:
    made = admission.create(obj, stamp=STAMP)
    assert isinstance(made, Pod)
    return (made.spec.priority_class_name, made.spec.priority, made.spec.preemption_policy)


def test_a_pod_has_the_priority_of_its_class(admission: Admission) -> None:
    admission.create(a_class("high", 1000, preemptionPolicy="Never"), stamp=STAMP)

    assert created(admission, pod("a", priorityClassName="high")) == ("high", 1000, "Never")
    assert created(admission, pod("b")) == (None, 0, "PreemptLowerPriority")
    system = created(admission, pod("c", priorityClassName="system-cluster-critical"))
    assert system == ("system-cluster-critical", 2_000_000_000, "PreemptLowerPriority")


def test_pods_without_a_class_are_of_the_one_that_is_the_default(admission: Admission) -> None:
    admission.create(a_class("usual", 5, globalDefault=True), stamp=STAMP)

    assert created(admission, pod()) == ("usual", 5, "PreemptLowerPriority")
    with pytest.raises(Forbidden, match="PriorityClass usual is already marked as default"):
        admission.create(a_class("other", 6, globalDefault=True), stamp=STAMP)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"priorityClassName": "none"},
            'pods "p" is forbidden: no PriorityClass with name none was found',
        ),
        (
            {"priorityClassName": "high", "priority": 7},
            "the integer value of priority .7. must not be provided in pod spec; priority "
            "admission controller computed 1000 from the given PriorityClass name",
        ),
        (
            {"priorityClassName": "high", "preemptionPolicy": "Never"},
            "the string value of PreemptionPolicy .Never. must not be provided in pod spec; "
            "priority admission controller computed PreemptLowerPriority",
        ),
    ],
)
def test_what_a_pod_may_not_say(admission: Admission, spec: dict[str, Any], text: str) -> None:
    admission.create(a_class("high", 1000), stamp=STAMP)

    with pytest.raises(Forbidden, match=text):
        admission.create(pod(**spec), stamp=STAMP)


def test_a_class_that_comes_with_its_pods_is_there_for_them(admission: Admission) -> None:
    objects = [pod(priorityClassName="new"), a_class("new", 3)]

    assert [outcome for outcome, _ in admission.apply(objects, stamp=STAMP)] == ["created"] * 2


def test_the_systems_own_classes_stay(admission: Admission) -> None:
    with pytest.raises(Forbidden, match="this is a system priority class and cannot be deleted"):
        admission.delete("PriorityClass", "", "system-node-critical", stamp=STAMP)
    assert admission.store.get(PriorityClass, "", "system-node-critical") is not None
    assert admission.store.count(PriorityClass.kind) == 2
