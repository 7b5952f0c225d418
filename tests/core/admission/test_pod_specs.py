"""Pods of one template share a spec, and what is shared is what each would have got alone."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emucluster.core.admission import Admission
from emucluster.core.admission.pod_specs import KEPT, PodSpecs
from emucluster.core.errors import Invalid
from emucluster.core.objects import Namespace, ObjectMeta, Pod, PodSpec, replace
from emucluster.core.objects.codec import decode_tree
from emucluster.core.store import Store

STAMP = "2026-01-01T00:00:00Z"


@pytest.fixture
def admission() -> Admission:
    admission = Admission(Store(ids=random.Random(1)), rng=random.Random(2))
    admission.bootstrap(STAMP)
    return admission


def pod(name: str, **spec: Any) -> Pod:
    container = {"name": "c", "image": "emucluster/echo", **spec.pop("container", {})}
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], **spec},
    }
    found = decode_tree(tree)
    assert isinstance(found, Pod)
    return found


SPECS: list[dict[str, Any]] = [
    {},
    {"hostNetwork": True, "container": {"ports": [{"containerPort": 1}]}},
    {"container": {"readinessProbe": {"grpc": {"port": 1}}}, "nodeName": "node-1"},
    {"tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 0},
]


@pytest.mark.parametrize("spec", SPECS)
def test_the_second_pod_of_a_kind_gets_what_the_first_got_and_shares_it(
    admission: Admission, spec: dict[str, Any]
) -> None:
    first = admission.create(pod("first", **spec), stamp=STAMP)
    second = admission.create(pod("second", **spec), stamp=STAMP)
    assert second.spec is first.spec
    assert second.status == first.status
    assert second.spec.service_account_name == "default"
    meta = replace(first.metadata, name="", uid="", resource_version="")
    assert replace(second.metadata, name="", uid="", resource_version="") == meta


def test_what_is_wrong_is_wrong_each_time(admission: Admission) -> None:
    admission.create(pod("good"), stamp=STAMP)
    for name in ("a", "b"):
        with pytest.raises(Invalid, match="restartPolicy"):
            admission.create(pod(name, restartPolicy="Sometimes"), stamp=STAMP)
    with pytest.raises(Invalid, match="metadata"):
        admission.create(pod("Bad_Name"), stamp=STAMP)


def test_only_so_many_are_remembered() -> None:
    specs = PodSpecs()
    kept = PodSpec(hostname="kept")
    specs.put(kept, kept)
    for number in range(KEPT + 10):
        assert specs.get(kept) is kept
        some = PodSpec(hostname=f"h{number}")
        specs.put(some, some)
    assert specs.get(PodSpec(hostname="h0")) is None
    assert specs.get(PodSpec(hostname=f"h{KEPT}")) is not None


def test_pods_of_other_namespaces_have_their_own_account(admission: Admission) -> None:
    admission.create(Namespace(metadata=ObjectMeta(name="space")), stamp=STAMP)
    here = admission.create(pod("p"), stamp=STAMP)
    there = pod("p")
    there = replace(there, metadata=replace(there.metadata, namespace="space"))
    assert admission.create(there, stamp=STAMP).spec is here.spec
