"""Rules of admission: names, namespaces, allocation, changes of type."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emucluster.core.admission import Admission
from emucluster.core.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    InternalError,
    Invalid,
    NotFound,
)
from emucluster.core.objects import (
    ConfigMap,
    Container,
    Deployment,
    DeploymentSpec,
    LabelSelector,
    Lease,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Namespace,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    replace,
)
from emucluster.core.store import Store

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def admission() -> Admission:
    admission = Admission(Store(ids=random.Random(1)), rng=random.Random(2))
    admission.bootstrap(NOW)
    return admission


def service(name: str = "web", *ports: ServicePort, **spec: Any) -> Service:
    ports = ports or (ServicePort(name="http", port=80),)
    return Service(metadata=ObjectMeta(name=name), spec=ServiceSpec(ports=ports, **spec))


def with_spec(obj: Service, **changes: Any) -> Service:
    return replace(obj, spec=replace(obj.spec, **changes))


def node_ports(obj: Service) -> list[int | None]:
    return [port.node_port for port in obj.spec.ports]


def message(error: pytest.ExceptionInfo[ApiError]) -> str:
    return error.value.message


class TestNamesAndNamespaces:
    def test_bootstrap_makes_what_every_cluster_has_and_can_be_repeated(
        self, admission: Admission
    ) -> None:
        names = [namespace.metadata.name for namespace in admission.store.list(Namespace)]
        assert names == ["default", "kube-system", "kube-public", "kube-node-lease"]
        kubernetes = admission.store.get(Service, "default", "kubernetes")
        assert kubernetes is not None
        assert kubernetes.spec.cluster_ip == "10.96.0.1"
        version = admission.store.version
        admission.bootstrap(NOW)
        assert admission.store.version == version

    def test_an_object_without_namespace_goes_to_default(self, admission: Admission) -> None:
        assert admission.create(service(), stamp=NOW).metadata.namespace == "default"

    def test_a_generated_name_has_five_characters_that_spell_nothing(
        self, admission: Admission
    ) -> None:
        made = admission.create(ConfigMap(metadata=ObjectMeta(generate_name="conf-")), stamp=NOW)
        assert made.metadata.name.startswith("conf-")
        assert len(made.metadata.name) == 10
        assert set(made.metadata.name[5:]) <= set("bcdfghjklmnpqrstvwxz2456789")

    def test_generated_names_never_collide(self) -> None:
        rng = random.Random(5)
        admission = Admission(Store(ids=random.Random(1)), rng=rng)
        admission.bootstrap(NOW)
        state = rng.getstate()
        first = admission.create(ConfigMap(metadata=ObjectMeta(generate_name="c")), stamp=NOW)
        rng.setstate(state)  # the same name comes up again
        second = admission.create(ConfigMap(metadata=ObjectMeta(generate_name="c")), stamp=NOW)
        assert first.metadata.name != second.metadata.name

    def test_the_namespace_must_exist(self, admission: Admission) -> None:
        lost = ConfigMap(metadata=ObjectMeta(name="c", namespace="nowhere"))
        with pytest.raises(NotFound, match=r'^namespaces "nowhere" not found$'):
            admission.create(lost, stamp=NOW)

    def test_nothing_is_created_in_a_namespace_that_terminates(self, admission: Admission) -> None:
        admission.create(Namespace(metadata=ObjectMeta(name="old")), stamp=NOW)
        admission.delete("Namespace", "", "old", stamp=NOW)
        with pytest.raises(Forbidden) as refused:
            admission.create(ConfigMap(metadata=ObjectMeta(name="c", namespace="old")), stamp=NOW)
        assert message(refused) == (
            'configmaps "c" is forbidden: unable to create new content in namespace old '
            "because it is being terminated"
        )

    @pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
    def test_the_first_namespaces_cannot_be_deleted(self, admission: Admission, name: str) -> None:
        with pytest.raises(Forbidden, match="this namespace may not be deleted"):
            admission.delete(Namespace, "", name, stamp=NOW)

    def test_reported_state_is_not_taken_from_a_new_object(self, admission: Admission) -> None:
        spec = PodSpec(containers=(Container(name="c", image="emucluster/echo"),))
        running = Pod(metadata=ObjectMeta(name="p"), spec=spec, status=PodStatus(phase="Running"))
        assert admission.create(running, stamp=NOW).status.phase == "Pending"

    def test_a_new_object_must_not_name_a_version(self, admission: Admission) -> None:
        copied = ConfigMap(metadata=ObjectMeta(name="c", resource_version="7"))
        with pytest.raises(BadRequest, match="resourceVersion should not be set"):
            admission.create(copied, stamp=NOW)

    def test_what_exists_is_not_created_again_nor_validated(self, admission: Admission) -> None:
        admission.create(service(), stamp=NOW)
        with pytest.raises(AlreadyExists, match='services "web" already exists'):
            admission.create(service(), stamp=NOW)


class TestUpdates:
    def test_the_version_in_the_object_is_what_the_update_is_based_on(
        self, admission: Admission
    ) -> None:
        made = admission.create(ConfigMap(metadata=ObjectMeta(name="c")), stamp=NOW)
        admission.update(replace(made, data={"a": "1"}), stamp=NOW)
        with pytest.raises(Conflict):
            admission.update(replace(made, data={"a": "2"}), stamp=NOW)
        free = replace(made, data={"a": "3"}, metadata=ObjectMeta(name="c"))
        assert admission.update(free, stamp=NOW).data == {"a": "3"}

    def test_a_wrong_value_is_refused_in_kubernetes_words(self, admission: Admission) -> None:
        with pytest.raises(Invalid) as refused:
            admission.create(service("web", ServicePort(port=99999)), stamp=NOW)
        assert 'Service "web" is invalid: ' in message(refused)
        assert "must be between 1 and 65535, inclusive" in message(refused)

    def test_scaling_changes_replicas_alone_and_is_validated(self, admission: Admission) -> None:
        labels = {"app": "web"}
        made = admission.create(
            Deployment(
                metadata=ObjectMeta(name="web"),
                spec=deployment_spec(labels),
            ),
            stamp=NOW,
        )
        scaled = admission.scale("Deployment", "default", "web", 5, stamp=NOW)
        assert isinstance(scaled, Deployment)
        assert scaled.spec == replace(made.spec, replicas=5)
        with pytest.raises(Invalid, match="must be greater than or equal to 0"):
            admission.scale("Deployment", "default", "web", -1, stamp=NOW)
        with pytest.raises(NotFound, match=r'deployments\.apps "no" not found'):
            admission.scale(Deployment, "default", "no", 1, stamp=NOW)
        with pytest.raises(NotFound, match="could not find the requested resource"):
            admission.scale(Service, "default", "web", 1, stamp=NOW)


def deployment_spec(labels: dict[str, str]) -> DeploymentSpec:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels),
        spec=PodSpec(containers=(Container(name="c", image="emucluster/echo"),)),
    )
    return DeploymentSpec(selector=LabelSelector(match_labels=labels), template=template)


class TestServiceAllocation:
    def test_a_service_gets_an_address_of_the_dynamic_band(self, admission: Admission) -> None:
        spec = admission.create(service(), stamp=NOW).spec
        assert spec.cluster_ip is not None
        assert spec.cluster_ips == (spec.cluster_ip,)
        assert tuple(map(int, spec.cluster_ip.split("."))) > (10, 96, 1, 0)
        assert node_ports(admission.create(service("b"), stamp=NOW)) == [None]

    def test_a_certain_address_is_given_once(self, admission: Admission) -> None:
        admission.create(service("a", cluster_ip="10.96.0.50"), stamp=NOW)
        with pytest.raises(Invalid) as refused:
            admission.create(service("b", cluster_ip="10.96.0.50"), stamp=NOW)
        assert message(refused) == (
            'Service "b" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.0.50"}: '
            "failed to "
            "allocate IP 10.96.0.50: provided IP is already allocated"
        )
        admission.delete(Service, "default", "a", stamp=NOW)
        admission.create(service("b", cluster_ip="10.96.0.50"), stamp=NOW)

    def test_addresses_outside_of_the_range_are_refused(self, admission: Admission) -> None:
        with pytest.raises(Invalid, match=r"The range of valid IPs is 10\.96\.0\.0/12"):
            admission.create(service(cluster_ip="10.1.1.1"), stamp=NOW)

    def test_the_dns_address_is_for_kube_dns_alone(self, admission: Admission) -> None:
        with pytest.raises(Invalid, match="already allocated"):
            admission.create(service(cluster_ip="10.96.0.10"), stamp=NOW)
        dns = service("kube-dns", cluster_ip="10.96.0.10")
        dns = replace(dns, metadata=replace(dns.metadata, namespace="kube-system"))
        admission.create(dns, stamp=NOW)
        admission.delete(Service, "kube-system", "kube-dns", stamp=NOW)
        with pytest.raises(Invalid, match="already allocated"):
            admission.create(service(cluster_ip="10.96.0.10"), stamp=NOW)

    def test_headless_and_external_services_get_none(self, admission: Admission) -> None:
        headless = admission.create(service("h", cluster_ip="None"), stamp=NOW)
        assert headless.spec.cluster_ips == ("None",)
        external = service("e", type="ExternalName", external_name="legacy.example")
        assert admission.create(external, stamp=NOW).spec.cluster_ip is None

    @pytest.mark.parametrize("type_", ["NodePort", "LoadBalancer"])
    def test_every_port_gets_a_node_port(self, admission: Admission, type_: str) -> None:
        ports = (ServicePort(name="a", port=80), ServicePort(name="b", port=81, node_port=30080))
        made = admission.create(service("web", *ports, type=type_), stamp=NOW)
        first, second = node_ports(made)
        assert second == 30080
        assert first is not None
        assert 30086 <= first <= 32767

    def test_protocols_of_one_port_share_one_node_port(self, admission: Admission) -> None:
        ports = (
            ServicePort(name="t", port=53, protocol="TCP"),
            ServicePort(name="u", port=53, protocol="UDP", node_port=30053),
        )
        made = admission.create(service("dns", *ports, type="NodePort"), stamp=NOW)
        assert node_ports(made) == [30053, 30053]
        admission.delete(Service, "default", "dns", stamp=NOW)
        admission.create(
            service("b", ServicePort(port=1, node_port=30053), type="NodePort"), stamp=NOW
        )

    @pytest.mark.parametrize(
        ("port", "text"),
        [
            (30080, "provided port is already allocated"),
            (
                8080,
                "provided port is not in the valid range. The range of valid ports is 30000-32767",
            ),
        ],
    )
    def test_node_ports_collide_in_kubernetes_words(
        self, admission: Admission, port: int, text: str
    ) -> None:
        taken = ServicePort(port=80, node_port=30080)
        admission.create(service("a", taken, type="NodePort"), stamp=NOW)
        ports = (ServicePort(name="x", port=79), ServicePort(name="y", port=80, node_port=port))
        held = len(admission.allocations._ports)
        with pytest.raises(Invalid) as refused:
            admission.create(service("b", *ports, type="NodePort"), stamp=NOW)
        assert message(refused) == (
            f'Service "b" is invalid: spec.ports[1].nodePort: Invalid value: {port}: {text}'
        )
        assert len(admission.allocations._ports) == held
        assert admission.store.get(Service, "default", "b") is None

    def test_a_load_balancer_may_do_without_node_ports(self, admission: Admission) -> None:
        bare = service(type="LoadBalancer", allocate_load_balancer_node_ports=False)
        made = admission.create(bare, stamp=NOW)
        assert node_ports(made) == [None]
        more = with_spec(made, allocate_load_balancer_node_ports=True)
        after = admission.update(more, stamp=NOW)
        assert node_ports(after)[0] is not None
        fewer = admission.update(
            with_spec(after, allocate_load_balancer_node_ports=False), stamp=NOW
        )
        assert node_ports(fewer) == node_ports(after)

    def test_local_traffic_of_a_load_balancer_has_a_health_check_port(
        self, admission: Admission
    ) -> None:
        local = service(type="LoadBalancer", external_traffic_policy="Local")
        made = admission.create(local, stamp=NOW)
        port = made.spec.health_check_node_port
        assert port in admission.allocations._ports
        after = admission.update(with_spec(made, external_traffic_policy="Cluster"), stamp=NOW)
        assert after.spec.health_check_node_port is None
        assert port not in admission.allocations._ports

    def test_exhaustion_is_an_internal_error(self) -> None:
        small = Admission(
            Store(ids=random.Random(1)),
            rng=random.Random(2),
            service_cidr="10.0.0.0/30",
            node_port_range=range(30000, 30001),
        )
        small.bootstrap(NOW)
        first = admission_with_port(small, "a")
        assert first.spec.cluster_ip == "10.0.0.2"
        with pytest.raises(InternalError, match="failed to allocate a serviceIP: range is full"):
            small.create(service("b"), stamp=NOW)
        with pytest.raises(InternalError, match="failed to allocate a nodePort: range is full"):
            small.update(
                with_spec(first, ports=(*first.spec.ports, ServicePort(name="x", port=9))),
                stamp=NOW,
            )

    def test_a_new_start_knows_what_is_taken(self, admission: Admission) -> None:
        made = admission.create(service(type="NodePort"), stamp=NOW)
        batch = admission.store.take_pending()
        store = Store(ids=random.Random(3))
        again = Admission(store, rng=random.Random(4))
        store.restore(batch.rows, batch.version)
        again.restored()
        with pytest.raises(Invalid, match="already allocated"):
            again.create(service("b", cluster_ip=made.spec.cluster_ip), stamp=NOW)
        again.delete(Service, "default", "web", stamp=NOW)
        again.create(service("b", cluster_ip=made.spec.cluster_ip), stamp=NOW)

    def test_what_a_finalizer_holds_keeps_its_address(self, admission: Admission) -> None:
        held = service(cluster_ip="10.96.0.77")
        held = replace(held, metadata=replace(held.metadata, finalizers=("a/b",)))
        admission.create(held, stamp=NOW)
        marked = admission.delete(Service, "default", "web", stamp=NOW)
        with pytest.raises(Invalid):
            admission.create(service("b", cluster_ip="10.96.0.77"), stamp=NOW)
        free = replace(marked, metadata=replace(marked.metadata, finalizers=()))
        admission.store.update(free)
        admission.create(service("b", cluster_ip="10.96.0.77"), stamp=NOW)


def admission_with_port(admission: Admission, name: str) -> Service:
    return admission.create(service(name, type="NodePort"), stamp=NOW)


class TestTypeChanges:
    def test_an_update_that_names_no_allocated_value_keeps_them(self, admission: Admission) -> None:
        made = admission.create(service(type="NodePort"), stamp=NOW)
        assert admission.update(service(type="NodePort"), stamp=NOW) is made

    def test_the_address_is_for_life(self, admission: Admission) -> None:
        made = admission.create(service(), stamp=NOW)
        with pytest.raises(Invalid, match="may not change once set"):
            admission.update(with_spec(made, cluster_ip="10.96.0.99"), stamp=NOW)
        assert "10.96.0.99" not in admission.allocations._ips

    def test_to_external_name_and_back(self, admission: Admission) -> None:
        made = admission.create(service(type="NodePort"), stamp=NOW)
        external = with_spec(made, type="ExternalName", external_name="legacy.example")
        after = admission.update(external, stamp=NOW)
        assert (after.spec.cluster_ip, after.spec.cluster_ips) == (None, ())
        assert node_ports(after) == [None]
        assert made.spec.cluster_ip not in admission.allocations._ips
        assert made.spec.ports[0].node_port not in admission.allocations._ports
        back = admission.update(with_spec(after, type="NodePort", external_name=None), stamp=NOW)
        assert back.spec.cluster_ip in admission.allocations._ips
        assert node_ports(back)[0] in admission.allocations._ports

    def test_to_cluster_ip_gives_node_ports_and_balancer_back(self, admission: Admission) -> None:
        made = admission.create(
            service(type="LoadBalancer", external_traffic_policy="Local"), stamp=NOW
        )
        balancer = LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="127.240.0.1"),))
        made = admission.update(
            replace(made, status=ServiceStatus(load_balancer=balancer)),
            stamp=NOW,
            subresource="status",
        )
        assert made.status.load_balancer.ingress[0].ip_mode == "VIP"
        after = admission.update(with_spec(made, type="ClusterIP"), stamp=NOW)
        assert node_ports(after) == [None]
        assert after.spec.health_check_node_port is None
        assert after.spec.external_traffic_policy is None
        assert after.spec.allocate_load_balancer_node_ports is None
        assert after.status.load_balancer.ingress == ()
        assert after.spec.cluster_ip == made.spec.cluster_ip
        assert len(admission.allocations._ports) == 0

    def test_a_main_update_keeps_the_balancers_address(self, admission: Admission) -> None:
        made = admission.create(service(type="LoadBalancer"), stamp=NOW)
        balancer = LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="127.240.0.1"),))
        balanced = replace(made, status=ServiceStatus(load_balancer=balancer))
        admission.update(balanced, stamp=NOW, subresource="status")
        after = admission.update(service(type="LoadBalancer", selector={"a": "b"}), stamp=NOW)
        assert after.status.load_balancer.ingress[0].ip == "127.240.0.1"

    def test_a_node_port_set_by_the_user_is_not_dropped_silently(
        self, admission: Admission
    ) -> None:
        made = admission.create(service(type="NodePort"), stamp=NOW)
        wrong = with_spec(
            made, type="ClusterIP", ports=(replace(made.spec.ports[0], node_port=30001),)
        )
        with pytest.raises(Invalid, match="may not be used when `type` is 'ClusterIP'"):
            admission.update(wrong, stamp=NOW)

    def test_node_ports_follow_their_ports_names(self, admission: Admission) -> None:
        ports = (ServicePort(name="a", port=80), ServicePort(name="b", port=81))
        made = admission.create(service("web", *ports, type="NodePort"), stamp=NOW)
        moved = (ServicePort(name="b", port=91), ServicePort(name="c", port=82))
        after = admission.update(service("web", *moved, type="NodePort"), stamp=NOW)
        assert node_ports(after)[0] == node_ports(made)[1]
        assert node_ports(made)[0] not in admission.allocations._ports

    def test_a_change_of_node_port_frees_the_old_one(self, admission: Admission) -> None:
        made = admission.create(service(type="NodePort"), stamp=NOW)
        chosen = (replace(made.spec.ports[0], node_port=30001),)
        admission.update(with_spec(made, ports=chosen), stamp=NOW)
        assert 30001 in admission.allocations._ports
        assert made.spec.ports[0].node_port not in admission.allocations._ports

    def test_a_refused_update_changes_no_allocation(self, admission: Admission) -> None:
        taken = ServicePort(port=80, node_port=30080)
        admission.create(service("a", taken, type="NodePort"), stamp=NOW)
        made = admission.create(service("b", type="NodePort"), stamp=NOW)
        before = set(admission.allocations._ports._pool._taken)
        wrong = (ServicePort(name="x", port=1), ServicePort(name="y", port=2, node_port=30080))
        with pytest.raises(Invalid, match="already allocated"):
            admission.update(with_spec(made, ports=wrong), stamp=NOW)
        assert admission.allocations._ports._pool._taken == before
        assert admission.store.get(Service, "default", "b") is made


class TestDryRun:
    def test_a_create_says_what_would_be_and_leaves_nothing(self, admission: Admission) -> None:
        before = admission.store.version
        made = admission.create(service("dry"), stamp=NOW, dry_run=True)
        assert made.metadata.uid
        assert made.metadata.creation_timestamp == NOW
        assert made.metadata.resource_version == ""
        assert made.spec.cluster_ip
        assert admission.store.version == before
        assert admission.store.get(Service, "default", "dry") is None
        meta = ObjectMeta(name="dry", namespace="default")
        again = admission.create(replace(made, metadata=meta), stamp=NOW)  # its address is free
        assert again.spec.cluster_ip == made.spec.cluster_ip

    def test_a_create_of_what_exists_is_refused_all_the_same(self, admission: Admission) -> None:
        admission.create(service("dry"), stamp=NOW)
        with pytest.raises(AlreadyExists):
            admission.create(service("dry"), stamp=NOW, dry_run=True)

    def test_an_update_shows_the_change_with_the_present_version(
        self, admission: Admission
    ) -> None:
        made = admission.create(service("dry"), stamp=NOW)
        changed = replace(made, spec=replace(made.spec, type="NodePort"))
        shown = admission.update(changed, stamp=NOW, dry_run=True)
        assert shown.spec.ports[0].node_port
        assert shown.metadata.resource_version == made.metadata.resource_version
        assert admission.store.get(Service, "default", "dry") == made

    def test_a_delete_only_says_what_would_be_left(self, admission: Admission) -> None:
        made = admission.create(service("dry"), stamp=NOW)
        assert admission.delete("Service", "default", "dry", stamp=NOW, dry_run=True) == made
        held = admission.delete(
            "Service", "default", "dry", stamp=NOW, propagation="Foreground", dry_run=True
        )
        assert held.metadata.deletion_timestamp
        assert admission.store.get(Service, "default", "dry") == made


class TestVersions:
    def test_a_lease_is_not_updated_without_saying_which(self, admission: Admission) -> None:
        made = admission.create(Lease(metadata=ObjectMeta(name="l")), stamp=NOW)
        for version in ("", "0"):
            blind = replace(made, metadata=replace(made.metadata, resource_version=version))
            with pytest.raises(Invalid) as caught:
                admission.update(blind, stamp=NOW)
            assert caught.value.message == (
                'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: '
                "Invalid value: 0x0: must be specified for an update"
            )

    def test_most_kinds_are(self, admission: Admission) -> None:
        made = admission.create(service("s"), stamp=NOW)
        labels = {"a": "b"}
        meta = replace(made.metadata, resource_version="0", labels=labels)
        assert admission.update(replace(made, metadata=meta), stamp=NOW).metadata.labels == labels
