"""What the cloud is asked for Services of type LoadBalancer, and what is written of its answers."""

from __future__ import annotations

import pytest

from emucluster.core.controllers import (
    DeleteLoadBalancer,
    EnsureLoadBalancer,
    LoadBalancerRef,
    LoadBalancerSpec,
)
from emucluster.core.controllers.annotations import settings_of
from emucluster.core.objects import Node, Service, Taint, replace

from .world import World, service

REF = LoadBalancerRef("default", "web")
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def asked(world: World) -> list[EnsureLoadBalancer | DeleteLoadBalancer]:
    world.step()
    taken, world.commands = world.commands, []
    return taken


def spec_of(world: World) -> LoadBalancerSpec:
    (command,) = asked(world)
    assert isinstance(command, EnsureLoadBalancer)
    return command.spec


def balanced(**spec: object) -> World:
    """A world whose load balancer is there, at one address."""
    world = World()
    world.add_node("node-1", zone="z1")
    world.add_node("node-2", zone="z2")
    world.create(service("web", type="LoadBalancer", **spec))
    spec_of(world)
    world.plane.ensured(REF, ["127.240.0.1"])
    assert asked(world) == []
    return world


def ingress(world: World) -> list[tuple[str | None, str | None]]:
    status = world.get(Service, "web").status
    return [(each.ip, each.ip_mode) for each in status.load_balancer.ingress]


def test_the_cloud_gets_ports_and_all_nodes_and_its_address_becomes_the_status() -> None:
    world = World()
    world.add_node("node-1", zone="z1")
    world.create(service("web", type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"]))
    spec = spec_of(world)
    web = world.get(Service, "web")
    assert [(p.port, p.node_port) for p in spec.ports] == [(80, web.spec.ports[0].node_port)]
    assert [(t.node, t.address, t.zone) for t in spec.targets] == [("node-1", "127.16.0.1", "z1")]
    assert (spec.preset, spec.source_ranges, spec.local_only) == ("aws-nlb", ("10.0.0.0/8",), False)
    assert web.metadata.finalizers == (FINALIZER,)
    assert ingress(world) == []
    world.plane.ensured(REF, ["127.240.0.1"])
    world.step()
    assert ingress(world) == [("127.240.0.1", "VIP")]
    assert world.told("EnsuringLoadBalancer") == ["Ensuring load balancer"]
    assert world.told("EnsuredLoadBalancer") == ["Ensured load balancer"]


def test_a_deleted_service_stays_until_its_load_balancer_is_gone() -> None:
    world = balanced()
    world.delete(world.get(Service, "web"))
    assert asked(world) == [DeleteLoadBalancer(REF)]
    assert world.get(Service, "web").metadata.deletion_timestamp is not None
    world.plane.deleted(REF)
    world.step()
    assert world.store.get(Service, "default", "web") is None
    assert world.told("DeletingLoadBalancer")
    assert world.told("DeletedLoadBalancer")


def test_a_service_that_changes_its_type_loses_load_balancer_address_and_finalizer() -> None:
    world = balanced()
    web = world.get(Service, "web")
    world.update(replace(web, spec=replace(web.spec, type="ClusterIP")))
    assert asked(world) == [DeleteLoadBalancer(REF)]
    world.plane.deleted(REF)
    assert asked(world) == []
    assert ingress(world) == []
    assert world.get(Service, "web").metadata.finalizers == ()
    web = world.get(Service, "web")
    world.update(replace(web, spec=replace(web.spec, type="LoadBalancer")))
    assert isinstance(asked(world)[0], EnsureLoadBalancer)


def test_readiness_of_nodes_plays_no_part_but_the_exclude_label_does() -> None:
    world = balanced()
    world.silent |= {"node-1", "node-2"}
    world.run(120)
    assert asked(world) == []
    node = world.get(Node, "node-1")
    labels = {**(node.metadata.labels or {}), EXCLUDE: "true"}
    world.update(replace(node, metadata=replace(node.metadata, labels=labels)))
    assert [t.node for t in spec_of(world).targets] == ["node-2"]
    world.plane.ensured(REF, ["127.240.0.1"])
    world.step()
    assert world.told("UpdatedLoadBalancer") == ["Updated load balancer with new hosts"]


@pytest.mark.parametrize(("value", "excluded"), [("false", False), ("", True), ("junk", True)])
def test_an_exclude_label_that_reads_as_false_does_not_exclude(value: str, excluded: bool) -> None:
    world = balanced()
    node = world.add_node("node-3")
    world.delete(node)
    meta = replace(node.metadata, resource_version="", labels={EXCLUDE: value})
    world.create(replace(node, metadata=meta))
    commands = asked(world)
    assert bool(commands) is not excluded


def test_the_autoscalers_taint_is_noticed_at_the_next_resync_only() -> None:
    world = balanced()
    node = world.get(Node, "node-1")
    tainted = (Taint(key="ToBeDeletedByClusterAutoscaler", effect="NoSchedule"),)
    world.update(replace(node, spec=replace(node.spec, taints=tainted)))
    world.run(95)
    assert asked(world) == []
    world.run(10)
    assert [t.node for t in spec_of(world).targets] == ["node-2"]


def test_a_failure_is_told_and_tried_again_after_five_seconds_and_then_ten() -> None:
    world = World()
    world.create(service("web", type="LoadBalancer"))
    spec_of(world)
    for wait_s in (5, 10):
        world.plane.failed(REF, "quota exceeded", now_s=world.now_s)
        world.run(wait_s - 1)
        assert asked(world) == []
        world.run(1.5)
        spec_of(world)
    told = "Error syncing load balancer: failed to ensure load balancer: quota exceeded"
    assert world.told("SyncLoadBalancerFailed") == [told]


def test_one_request_is_under_way_at_a_time_and_the_last_word_wins() -> None:
    world = World()
    world.create(service("web", type="LoadBalancer"))
    spec_of(world)
    world.add_node("node-1")
    world.add_node("node-2")
    assert asked(world) == []
    world.plane.ensured(REF, ["127.240.0.1"])
    assert len(spec_of(world).targets) == 2


def test_without_a_cloud_the_address_stays_pending_and_an_event_says_why() -> None:
    world = World(cloud=None)
    world.create(service("web", type="LoadBalancer"))
    world.run(600)
    assert asked(world) == []
    assert ingress(world) == []
    assert world.get(Service, "web").metadata.finalizers == ()
    (message,) = world.told("NoLoadBalancerProvider")
    assert "--cloud none" in message
    world.delete(world.get(Service, "web"))
    assert world.store.get(Service, "default", "web") is None


def test_a_foreign_class_is_left_alone_and_the_clouds_own_is_not() -> None:
    world = World()
    world.create(service("web", type="LoadBalancer", loadBalancerClass="example.com/mine"))
    assert asked(world) == []
    world.create(service("own", type="LoadBalancer", loadBalancerClass="service.k8s.aws/nlb"))
    assert len(asked(world)) == 1


def test_a_restarted_control_plane_asks_again_and_keeps_the_address_meanwhile() -> None:
    world = balanced()
    world.plane = world.new_plane()
    spec_of(world)
    assert ingress(world) == [("127.240.0.1", "VIP")]


def test_local_traffic_policy_and_affinity_reach_the_cloud() -> None:
    world = World()
    world.create(
        service(
            "web", type="LoadBalancer", externalTrafficPolicy="Local", sessionAffinity="ClientIP"
        )
    )
    spec = spec_of(world)
    assert spec.local_only
    assert spec.health_check_node_port == world.get(Service, "web").spec.health_check_node_port
    assert (spec.client_affinity, spec.affinity_timeout_s) == (True, 10800)


AWS = "service.beta.kubernetes.io/aws-load-balancer-"
AZURE = "service.beta.kubernetes.io/azure-load-balancer-"


@pytest.mark.parametrize(
    ("preset", "annotations", "expected"),
    [
        ("aws-nlb", {f"{AWS}healthcheck-interval": "20"}, {"interval_s": "20"}),
        (
            "aws-nlb",
            {f"{AWS}target-group-attributes": "deregistration_delay.timeout_seconds=30,a.b=c"},
            {"deregistration_delay_s": "30"},
        ),
        (
            "aws-nlb",
            {f"{AWS}listener-attributes.TCP-80": "tcp.idle_timeout.seconds=400"},
            {"idle_timeout_s": "400"},
        ),
        ("azure", {f"{AZURE}tcp-idle-timeout": "5"}, {"idle_timeout_s": "300"}),
        (
            "azure",
            {f"{AZURE}health-probe-interval": "10"},
            {"interval_s": "10", "timeout_s": "10"},
        ),
        ("gcp", {f"{AWS}healthcheck-interval": "20"}, {}),
        (
            "aws-nlb",
            {
                "service.beta.emucluster.dev/interval-s": "3",
                f"{AWS}healthcheck-interval": "20",
            },
            {"interval_s": "3"},
        ),
    ],
)
def test_annotations_of_the_cloud_in_use_are_translated_and_ours_override(
    preset: str, annotations: dict[str, str], expected: dict[str, str]
) -> None:
    assert settings_of(annotations, preset) == expected
