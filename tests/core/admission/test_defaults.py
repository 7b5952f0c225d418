from __future__ import annotations

import random
from pathlib import Path
from typing import TypeVar

import pytest

from emucluster.core.admission import Admission
from emucluster.core.admission.defaults import with_defaults
from emucluster.core.admission.defaults_pods import pull_policy
from emucluster.core.admission.validation import validate_create
from emucluster.core.objects import (
    ConfigMap,
    Deployment,
    EndpointSlice,
    Namespace,
    Node,
    Object,
    Pod,
    ReplicaSet,
    ResourceRequirements,
    Secret,
    Service,
)
from emucluster.core.objects.codec import to_tree
from emucluster.core.objects.manifest import load
from emucluster.core.objects.registry import BY_KIND
from emucluster.core.store import Store

MANIFESTS = sorted((Path(__file__).parent.parent / "objects/manifests").iterdir())
O = TypeVar("O", bound=Object)  # noqa: E741


def defaulted(cls: type[O], spec: str) -> O:
    head = f"apiVersion: {BY_KIND[cls.kind].api_version}\nkind: {cls.kind}\n"
    (obj,) = load(f"{head}metadata: {{name: web}}\n{spec}", source="test")
    assert isinstance(obj, cls)
    return with_defaults(obj)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_defaults_are_filled_in_once(path: Path) -> None:
    (obj,) = load(path.read_text(), source=path.name)
    once = with_defaults(obj)
    assert with_defaults(once) == once


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_what_is_given_is_kept_and_the_whole_is_valid(path: Path) -> None:
    (obj,) = load(path.read_text(), source=path.name)
    assert [str(cause) for cause in validate_create(with_defaults(obj))] == []


def test_a_service_defaults_to_cluster_ip_over_tcp_to_the_same_port() -> None:
    spec = defaulted(Service, "spec: {ports: [{port: 80}]}").spec
    assert (spec.type, spec.session_affinity) == ("ClusterIP", "None")
    assert (spec.ports[0].protocol, spec.ports[0].target_port) == ("TCP", 80)
    assert (spec.internal_traffic_policy, spec.external_traffic_policy) == ("Cluster", None)
    assert (spec.ip_families, spec.ip_family_policy) == (("IPv4",), "SingleStack")
    assert spec.allocate_load_balancer_node_ports is None


def test_services_seen_from_outside_take_traffic_on_every_node() -> None:
    node_port = defaulted(Service, "spec: {type: NodePort, ports: [{port: 80}]}").spec
    balanced = defaulted(Service, "spec: {type: LoadBalancer, ports: [{port: 80}]}").spec
    assert node_port.external_traffic_policy == balanced.external_traffic_policy == "Cluster"
    assert node_port.allocate_load_balancer_node_ports is None
    assert balanced.allocate_load_balancer_node_ports is True


def test_client_affinity_lasts_three_hours_and_no_affinity_has_no_settings() -> None:
    sticky = defaulted(Service, "spec: {sessionAffinity: ClientIP, ports: [{port: 80}]}").spec
    assert sticky.session_affinity_config is not None
    assert sticky.session_affinity_config.client_ip is not None
    assert sticky.session_affinity_config.client_ip.timeout_seconds == 10800
    plain = defaulted(Service, "spec: {sessionAffinityConfig: {clientIP: {timeoutSeconds: 1}}}")
    assert plain.spec.session_affinity_config is None


def test_an_external_name_has_no_addresses_and_no_policies() -> None:
    spec = defaulted(Service, "spec: {type: ExternalName, externalName: a.example}").spec
    assert (spec.ip_families, spec.ip_family_policy) == ((), None)
    assert (spec.internal_traffic_policy, spec.external_traffic_policy) == (None, None)


def test_a_given_cluster_ip_is_the_first_of_the_list() -> None:
    spec = defaulted(Service, "spec: {clusterIP: None, ports: [{port: 80}]}").spec
    assert spec.cluster_ips == ("None",)


POD = """
spec:
  containers:
  - name: web
    image: emucluster/echo
    ports: [{containerPort: 8080}]
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    readinessProbe: {httpGet: {port: 8080}}
    livenessProbe: {grpc: {port: 8080}, periodSeconds: 2}
"""


def test_a_pod_gets_the_defaults_of_pods_and_containers() -> None:
    spec = defaulted(Pod, POD).spec
    assert (spec.restart_policy, spec.dns_policy) == ("Always", "ClusterFirst")
    assert spec.termination_grace_period_seconds == 30
    assert (spec.scheduler_name, spec.enable_service_links) == ("default-scheduler", True)
    container = spec.containers[0]
    assert container.ports[0].protocol == "TCP"
    assert container.image_pull_policy == "Always"
    assert container.termination_message_path == "/dev/termination-log"
    ready, live = container.readiness_probe, container.liveness_probe
    assert ready is not None
    assert ready.http_get is not None
    assert live is not None
    assert (ready.http_get.path, ready.http_get.scheme) == ("/", "HTTP")
    assert (ready.period_seconds, ready.timeout_seconds) == (10, 1)
    assert (ready.success_threshold, ready.failure_threshold) == (1, 3)
    assert live.period_seconds == 2


def test_pods_tolerate_a_lost_node_for_five_minutes_unless_they_say_otherwise() -> None:
    added = defaulted(Pod, POD).spec.tolerations
    assert [(t.key, t.effect, t.toleration_seconds) for t in added] == [
        ("node.kubernetes.io/not-ready", "NoExecute", 300),
        ("node.kubernetes.io/unreachable", "NoExecute", 300),
    ]
    own = "  tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists}]\n"
    keys = [t.key for t in defaulted(Pod, POD + own).spec.tolerations]
    assert keys == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    everything = defaulted(Pod, POD + "  tolerations: [{operator: Exists}]\n")
    assert len(everything.spec.tolerations) == 1


def test_a_limit_of_a_pod_is_its_request_too() -> None:
    limited = "{limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 1}}"
    containers = f"containers: [{{name: a, image: b, resources: {limited}}}, {{name: c, image: d}}]"
    of_pod, none = defaulted(Pod, f"spec: {{{containers}}}").spec.containers
    assert of_pod.resources is not None
    assert of_pod.resources.requests == {"cpu": 1, "memory": "1Gi"}
    assert none.resources == ResourceRequirements()
    template = f"spec: {{template: {{spec: {{{containers}}}}}}}"
    of_template = defaulted(Deployment, template).spec.template.spec.containers[0]
    assert of_template.resources is not None
    assert of_template.resources.requests == {"cpu": 1}


def test_empty_requirements_are_none() -> None:
    empty = "spec: {template: {spec: {containers: [{name: a, image: b, resources: {}}]}}}"
    absent = "spec: {template: {spec: {containers: [{name: a, image: b}]}}}"
    assert defaulted(Deployment, empty).spec.template == defaulted(Deployment, absent).spec.template


def test_a_template_gets_no_tolerations_and_no_service_links() -> None:
    template = "spec: {template: {spec: {containers: [{name: a, image: b}]}}}"
    spec = defaulted(Deployment, template).spec.template.spec
    assert (spec.tolerations, spec.enable_service_links) == ((), None)
    assert spec.restart_policy == "Always"


def test_a_deployment_rolls_a_quarter_at_a_time() -> None:
    spec = defaulted(Deployment, "spec: {}").spec
    assert (spec.replicas, spec.revision_history_limit) == (1, 10)
    assert spec.progress_deadline_seconds == 600
    assert spec.strategy is not None
    assert spec.strategy.rolling_update is not None
    rolling = spec.strategy.rolling_update
    assert (rolling.max_surge, rolling.max_unavailable) == ("25%", "25%")


def test_zero_replicas_are_not_no_replicas() -> None:
    assert defaulted(Deployment, "spec: {replicas: 0}").spec.replicas == 0
    assert defaulted(ReplicaSet, "spec: {replicas: 0}").spec.replicas == 0
    assert defaulted(ReplicaSet, "spec: {}").spec.replicas == 1


def test_a_namespace_is_active_and_labelled_with_its_name() -> None:
    namespace = defaulted(Namespace, "")
    assert namespace.status.phase == "Active"
    assert namespace.metadata.labels == {"kubernetes.io/metadata.name": "web"}


def test_ports_of_a_slice_are_unnamed_tcp() -> None:
    port = defaulted(EndpointSlice, "ports: [{port: 80}]").ports[0]
    assert (port.name, port.protocol) == ("", "TCP")


def test_a_node_offers_all_that_it_has() -> None:
    node = defaulted(Node, "status: {capacity: {pods: 110}}")
    assert node.status.allocatable == {"pods": 110}


def test_texts_of_a_secret_go_into_its_data() -> None:
    secret = defaulted(Secret, "data: {a: eA==, b: eQ==}\nstringData: {b: z}\n")
    assert secret.data == {"a": "eA==", "b": "eg=="}
    assert secret.string_data is None
    assert secret.type == "Opaque"


def test_kinds_without_defaults_come_back_as_they_are() -> None:
    config = ConfigMap(data={"a": "b"})
    assert with_defaults(config) is config


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("echo", "Always"),
        ("echo:latest", "Always"),
        ("echo:1.0", "IfNotPresent"),
        ("registry:5000/echo", "Always"),
        ("registry:5000/echo:2", "IfNotPresent"),
        ("echo@sha256:00", "IfNotPresent"),
    ],
)
def test_images_are_pulled_always_when_their_tag_may_move(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_what_is_empty_is_there_as_go_writes_it() -> None:
    admission = Admission(Store(ids=random.Random(1)), rng=random.Random(2))
    admission.bootstrap("2026-01-01T00:00:00Z")
    service = admission.store.get(Service, "default", "kubernetes")
    assert service is not None
    assert to_tree(service)["status"] == {"loadBalancer": {}}
    containers = "{containers: [{name: a, image: b}], initContainers: [{name: i, image: b}]}"
    template = to_tree(defaulted(Deployment, f"spec: {{template: {{spec: {containers}}}}}"))
    for spec in (
        to_tree(defaulted(Pod, f"spec: {containers}"))["spec"],
        template["spec"]["template"]["spec"],
    ):
        assert spec["securityContext"] == {}
        assert spec["containers"][0]["resources"] == {}
        assert spec["initContainers"][0]["resources"] == {}


def test_pods_have_a_priority_and_templates_have_none() -> None:
    spec = defaulted(Pod, POD).spec
    assert (spec.priority, spec.preemption_policy) == (0, "PreemptLowerPriority")
    own = defaulted(Pod, POD + "  preemptionPolicy: Never\n").spec
    assert (own.priority, own.preemption_policy) == (0, "Never")
    classed = defaulted(Pod, POD + "  priorityClassName: high\n").spec
    assert (classed.priority, classed.preemption_policy) == (None, None)
    containers = "{containers: [{name: a, image: b}]}"
    template = defaulted(Deployment, f"spec: {{template: {{spec: {containers}}}}}").spec.template
    assert (template.spec.priority, template.spec.preemption_policy) == (None, None)
