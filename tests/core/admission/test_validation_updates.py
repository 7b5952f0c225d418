from __future__ import annotations

from typing import TypeVar

import pytest

from emucluster.core.admission.defaults import with_defaults
from emucluster.core.admission.validation import validate_update
from emucluster.core.objects import ConfigMap, Deployment, Node, Object, Pod, Service, replace
from emucluster.core.objects.manifest import load
from emucluster.core.objects.registry import BY_KIND

O = TypeVar("O", bound=Object)  # noqa: E741


def made(cls: type[O], rest: str, name: str = "web") -> O:
    place = "" if cls is Node else ", namespace: default"
    head = f"apiVersion: {BY_KIND[cls.kind].api_version}\nkind: {cls.kind}\n"
    (obj,) = load(f"{head}metadata: {{name: {name}{place}}}\n{rest}\n", source="test")
    obj = with_defaults(obj)
    assert isinstance(obj, cls)
    return obj


def problems(new: Object, old: Object) -> list[str]:
    return [str(cause) for cause in validate_update(new, old)]


PORTS = "ports: [{port: 80}]"
CLUSTER = f"spec: {{clusterIP: 10.96.0.9, {PORTS}}}"


def test_a_cluster_ip_is_for_life() -> None:
    old = made(Service, CLUSTER)
    new = made(Service, CLUSTER.replace("96.0.9", "96.0.8"))
    assert problems(new, old) == [
        'spec.clusterIPs[0]: Invalid value: []string{"10.96.0.8"}: may not change once set'
    ]
    assert problems(made(Service, f"spec: {{{PORTS}}}"), old) == [
        "spec.clusterIPs[0]: Invalid value: []string(nil): primary clusterIP can not be unset"
    ]


def test_a_service_that_becomes_an_external_name_gives_its_cluster_ip_back() -> None:
    external = made(Service, "spec: {type: ExternalName, externalName: a.example}")
    assert problems(external, made(Service, CLUSTER)) == []
    assert problems(made(Service, CLUSTER), external) == []


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
@pytest.mark.parametrize("before", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_the_type_of_a_service_may_change(kind: str, before: str) -> None:
    spec = f"spec: {{clusterIP: 10.96.0.9, type: TYPE, {PORTS}}}"
    old, new = (made(Service, spec.replace("TYPE", t)) for t in (before, kind))
    assert problems(new, old) == []


def test_a_health_check_port_and_a_class_are_fixed() -> None:
    spec = (
        "spec: {type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 31000,"
        f" loadBalancerClass: a/b, clusterIP: 10.96.0.9, {PORTS}}}"
    )
    old = made(Service, spec)
    assert problems(made(Service, spec.replace("31000", "31001")), old) == [
        "spec.healthCheckNodePort: Forbidden: field is immutable"
    ]
    assert problems(made(Service, spec.replace("a/b", "a/c")), old) == [
        'spec.loadBalancerClass: Invalid value: "a/c": may not change once set'
    ]


POD = "spec: {containers: [{name: a, image: b}], terminationGracePeriodSeconds: 5}"


def test_a_pod_may_change_its_image_and_add_tolerations() -> None:
    old = made(Pod, POD)
    assert problems(made(Pod, POD.replace("image: b", "image: c")), old) == []
    more = POD.replace("}], t", "}], tolerations: [{key: x, operator: Exists}], t")
    assert problems(made(Pod, more), old) == []


def test_a_pod_may_change_nothing_else() -> None:
    old = made(Pod, POD)
    (problem,) = problems(made(Pod, POD.replace("Seconds: 5", "Seconds: 6")), old)
    assert problem.startswith(
        "spec: Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,"
    )
    (problem,) = problems(made(Pod, POD.replace("}],", "}, {name: c, image: d}],")), old)
    assert problem == "spec.containers: Forbidden: pod updates may not add or remove containers"


def test_a_pod_is_bound_once() -> None:
    pod = made(Pod, POD)
    bound, moved = (replace(pod, spec=replace(pod.spec, node_name=n)) for n in ("n1", "n2"))
    assert problems(bound, pod) == []
    assert problems(moved, bound) != []


DEPLOYMENT = (
    "spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web, v: a}},"
    " spec: {containers: [{name: a, image: b}]}}}"
)


def test_the_selector_of_a_deployment_is_fixed_and_its_template_is_not() -> None:
    old = made(Deployment, DEPLOYMENT)
    assert problems(made(Deployment, DEPLOYMENT.replace("v: a", "v: b")), old) == []
    wider = DEPLOYMENT.replace("{app: web}}, t", "{app: web, v: a}}, t")
    assert problems(made(Deployment, wider), old) == [
        'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"web", '
        '"v":"a"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable'
    ]


def test_names_and_uids_are_fixed() -> None:
    old = made(ConfigMap, "data: {}", name="a")
    old = replace(old, metadata=replace(old.metadata, uid="u-1"))
    new = replace(old, metadata=replace(old.metadata, name="b", uid="u-2"))
    assert problems(new, old) == [
        'metadata.name: Invalid value: "b": field is immutable',
        'metadata.uid: Invalid value: "u-2": field is immutable',
    ]


def test_what_is_being_deleted_gets_no_new_finalizers() -> None:
    old = made(ConfigMap, "data: {}")
    old = replace(old, metadata=replace(old.metadata, deletion_timestamp="2024-01-01T00:00:00Z"))
    new = replace(old, metadata=replace(old.metadata, finalizers=("a/b",)))
    assert problems(new, old) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        'deleted, found new finalizers []string{"a/b"}'
    ]


def test_an_immutable_config_map_stays_as_it_is() -> None:
    old = made(ConfigMap, "data: {a: b}\nimmutable: true")
    assert problems(made(ConfigMap, "data: {a: c}"), old) == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


def test_the_pod_range_of_a_node_is_given_once() -> None:
    old = made(Node, "spec: {podCIDRs: [127.32.1.0/24]}")
    new = made(Node, "spec: {podCIDRs: [127.32.2.0/24]}")
    text = 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    assert problems(new, old) == [text]
