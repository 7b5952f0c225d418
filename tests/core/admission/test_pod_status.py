"""What a kubelet says of its pods."""

from __future__ import annotations

import random

import pytest

from emucluster.core.admission import Admission
from emucluster.core.admission.pod_status import write_pod_status
from emucluster.core.errors import NotFound
from emucluster.core.objects import (
    Container,
    ObjectMeta,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    replace,
)
from emucluster.core.store import Store

STAMP = "2026-01-01T00:00:00Z"


@pytest.fixture
def admission() -> Admission:
    admission = Admission(Store(ids=random.Random(1)), rng=random.Random(2))
    admission.bootstrap(STAMP)
    return admission


@pytest.fixture
def pod(admission: Admission) -> Pod:
    spec = PodSpec(containers=(Container(name="c", image="emucluster/echo"),))
    return admission.create(Pod(metadata=ObjectMeta(name="p"), spec=spec), stamp=STAMP)


def said(*conditions: tuple[str, str], phase: str = "Running") -> PodStatus:
    found = tuple(PodCondition(type=type_, status=status) for type_, status in conditions)
    return PodStatus(phase=phase, conditions=found)


def test_conditions_of_others_stay_and_those_that_are_named_are_replaced(
    admission: Admission, pod: Pod
) -> None:
    theirs = said(("Ready", "False"), ("DisruptionTarget", "True"), phase="Pending")
    admission.update(replace(pod, status=theirs), stamp=STAMP, subresource="status")
    write_pod_status(
        admission, "default", "p", pod.metadata.uid, said(("Ready", "True")), stamp=STAMP
    )
    now = admission.store.get(Pod, "default", "p")
    assert now is not None
    assert now.status.phase == "Running"
    assert {each.type: each.status for each in now.status.conditions} == {
        "Ready": "True",
        "DisruptionTarget": "True",
    }
    assert now.spec == pod.spec


@pytest.mark.parametrize(("name", "uid"), [("p", "of-an-earlier-one"), ("nobody", "")])
def test_a_pod_that_is_gone_is_not_taken_for_its_successor(
    admission: Admission, pod: Pod, name: str, uid: str
) -> None:
    with pytest.raises(NotFound) as refused:
        write_pod_status(admission, "default", name, uid, said(), stamp=STAMP)
    assert str(refused.value) == f'pods "{name}" not found'
    assert admission.store.get(Pod, "default", "p") == pod
