"""EndpointSlices follow Services, pods and nodes."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.controllers.slice_packing import SlicePacker
from emucluster.core.objects import (
    Endpoint,
    Endpoints,
    EndpointSlice,
    Node,
    Pod,
    Service,
    replace,
)

from .world import ZONE, World, pod, ready, service


@pytest.fixture
def world() -> World:
    world = World()
    for i in (1, 2):
        world.add_node(f"node-{i}", zone=f"zone-{i}")
    return world


def endpoints(world: World, name: str = "web") -> dict[str, Endpoint]:
    """By the name of the pod; every pod is in one slice only."""
    found: dict[str, Endpoint] = {}
    for slice_ in world.slices(name):
        for each in slice_.endpoints:
            assert each.target_ref is not None
            assert each.target_ref.name is not None
            assert each.target_ref.name not in found
            found[each.target_ref.name] = each
    return found


def conditions(endpoint: Endpoint) -> tuple[bool | None, bool | None, bool | None]:
    return endpoint.conditions.ready, endpoint.conditions.serving, endpoint.conditions.terminating


def test_ready_pods_become_endpoints_with_node_zone_and_reference(world: World) -> None:
    world.expose()
    world.create(pod("p", {"app": "web"}, nodeName="node-2"))
    world.run(1)
    (slice_,) = world.slices("web")
    p = world.get(Pod, "p")
    (endpoint,) = slice_.endpoints
    assert endpoint.addresses == (p.status.pod_ip,)
    assert (endpoint.node_name, endpoint.zone) == ("node-2", "zone-2")
    assert endpoint.target_ref is not None
    assert endpoint.target_ref.uid == p.metadata.uid
    assert conditions(endpoint) == (True, True, False)
    (port,) = slice_.ports
    assert (port.name, port.port, port.protocol) == ("", 50051, "TCP")
    labels = slice_.metadata.labels or {}
    assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert slice_.metadata.owner_references[0].kind == "Service"


def test_a_service_without_pods_has_one_empty_slice(world: World) -> None:
    world.expose()
    world.step()
    (slice_,) = world.slices("web")
    assert slice_.endpoints == ()


def test_a_pod_that_is_not_ready_stays_an_endpoint_without_being_ready(world: World) -> None:
    world.kubelets = False
    world.expose()
    p = world.create(pod("p", {"app": "web"}, nodeName="node-1"))
    world.step()
    assert endpoints(world) == {}
    world.set_ready(p, is_ready=False)
    world.run(1)
    assert conditions(endpoints(world)["p"]) == (False, False, False)


def test_a_terminating_pod_that_still_serves_is_serving_but_not_ready(world: World) -> None:
    world.expose()
    world.create(pod("p", {"app": "web"}, nodeName="node-1"))
    world.step()
    world.kubelets = False
    world.delete(world.get(Pod, "p"))
    world.run(1)
    assert conditions(endpoints(world)["p"]) == (False, True, True)
    world.set_ready(world.get(Pod, "p"), is_ready=False)
    world.run(1)
    assert conditions(endpoints(world)["p"]) == (False, False, True)
    world.delete(world.get(Pod, "p"), grace_period_s=0)
    world.run(1)
    assert endpoints(world) == {}


def test_publish_not_ready_addresses_makes_every_pod_ready(world: World) -> None:
    world.kubelets = False
    world.expose(publishNotReadyAddresses=True, clusterIP="None")
    p = world.create(pod("p", {"app": "web"}, nodeName="node-1"))
    world.set_ready(p, is_ready=False)
    world.run(1)
    assert conditions(endpoints(world)["p"]) == (True, False, False)
    assert "service.kubernetes.io/headless" in (world.slices("web")[0].metadata.labels or {})


def test_a_pod_that_has_ended_is_no_endpoint(world: World) -> None:
    world.expose()
    world.create(pod("p", {"app": "web"}, nodeName="node-1"))
    world.step()
    world.kubelets = False
    p = world.get(Pod, "p")
    world.update_status(replace(p, status=replace(p.status, phase="Failed")))
    world.run(1)
    assert endpoints(world) == {}


def test_a_named_port_that_differs_per_pod_gives_a_slice_for_each_number(world: World) -> None:
    world.expose(ports=[{"port": 80, "targetPort": "grpc"}])
    for i, number in enumerate((5001, 5002, 5001)):
        ports = [{"name": "grpc", "containerPort": number}]
        container = {"name": "c", "image": "emucluster/echo", "ports": ports}
        world.create(pod(f"p{i}", {"app": "web"}, nodeName="node-1", containers=[container]))
    world.run(1)
    found = {s.ports[0].port: len(s.endpoints) for s in world.slices("web") if s.endpoints}
    assert found == {5001: 2, 5002: 1}


def test_a_hundred_endpoints_fill_a_slice_and_gaps_are_filled_before_a_new_one() -> None:
    world = World()
    world.add_node("node-1", pods=300)
    world.expose()
    world.deploy(replicas=250)
    world.run(1)
    assert sorted(len(s.endpoints) for s in world.slices("web")) == [50, 100, 100]
    names = {s.metadata.name for s in world.slices("web")}
    for each in world.pods()[:20]:
        world.delete(each)
    world.run(1)
    assert sum(len(s.endpoints) for s in world.slices("web")) == 250
    assert {s.metadata.name for s in world.slices("web")} == names


def test_one_change_writes_one_slice_at_once_and_the_next_waits_for_the_batch() -> None:
    world = World()
    world.add_node("node-1", pods=300)
    world.expose()
    world.deploy(replicas=150)
    world.run(1)
    world.kubelets = False
    first, second, third = world.pods()[:3]
    before = {s.metadata.name: s.metadata.resource_version for s in world.slices("web")}
    world.set_ready(first, is_ready=False)
    world.step()
    assert endpoints(world)[first.metadata.name].conditions.ready is False
    after = {s.metadata.name: s.metadata.resource_version for s in world.slices("web")}
    assert sum(1 for name in before if before[name] != after[name]) == 1
    for each in (second, third):
        world.set_ready(each, is_ready=False)
    world.step()
    assert endpoints(world)[second.metadata.name].conditions.ready is True
    assert world.run_until(
        lambda: not endpoints(world)[third.metadata.name].conditions.ready, within_s=2
    )


def test_slices_of_others_are_never_touched(world: World) -> None:
    world.expose()
    by_hand = msgspec.convert(
        {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {
                "name": "by-hand",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.7"]}],
            "ports": [{"port": 1}],
        },
        EndpointSlice,
    )
    world.create(by_hand)
    world.run(1)
    assert world.get(EndpointSlice, "by-hand").endpoints == by_hand.endpoints
    world.delete(world.get(Service, "web"))
    world.run(1)
    assert [s.metadata.name for s in world.slices("web")] == ["by-hand"]


def test_an_edit_by_hand_of_a_managed_slice_is_put_right(world: World) -> None:
    world.expose()
    world.create(pod("p", {"app": "web"}, nodeName="node-1"))
    world.run(1)
    (slice_,) = world.slices("web")
    world.update(replace(slice_, endpoints=()))
    world.run(1)
    assert set(endpoints(world)) == {"p"}
    world.delete(world.slices("web")[0])
    world.run(1)
    assert set(endpoints(world)) == {"p"}


@pytest.mark.parametrize("distribution", ["PreferClose", None])
def test_traffic_distribution_hints_each_ready_endpoint_to_its_zone(
    world: World, distribution: str | None
) -> None:
    world.expose(**({"trafficDistribution": distribution} if distribution else {}))
    world.create(pod("p", {"app": "web"}, nodeName="node-2"))
    world.run(1)
    hints = endpoints(world)["p"].hints
    zones = [z.name for z in hints.for_zones] if hints else []
    assert zones == (["zone-2"] if distribution else [])


def test_a_change_of_selector_or_labels_moves_pods_in_and_out(world: World) -> None:
    world.expose()
    world.create(pod("a", {"app": "web"}, nodeName="node-1"))
    world.create(pod("b", {"app": "other"}, nodeName="node-1"))
    world.run(1)
    assert set(endpoints(world)) == {"a"}
    b = world.get(Pod, "b")
    world.update(replace(b, metadata=replace(b.metadata, labels={"app": "web"})))
    world.run(1)
    assert set(endpoints(world)) == {"a", "b"}
    web = world.get(Service, "web")
    world.update(replace(web, spec=replace(web.spec, selector={"app": "none"})))
    world.run(1)
    assert endpoints(world) == {}


def test_pods_of_a_node_that_does_not_exist_are_no_endpoints(world: World) -> None:
    world.expose()
    world.create(pod("p", {"app": "web"}, nodeName="node-1"))
    world.run(1)
    world.kubelets = False
    world.delete(world.get(Node, "node-1"))
    world.run(1)
    assert endpoints(world) == {}


events = st.lists(st.integers(0, 8), min_size=1, max_size=40)


@settings(max_examples=25)
@given(events, st.integers(0, 2**16))
def test_after_any_events_the_slices_say_what_a_fresh_look_would_say(
    todo: list[int], seed: int
) -> None:
    rng, world = random.Random(seed), World(kubelets=False)
    for i in (1, 2):
        world.add_node(f"node-{i}", zone=f"zone-{i}")
    world.expose("web", ports=[{"port": 80, "targetPort": "grpc"}])
    for i, kind in enumerate(todo):
        act(world, rng, kind, i)
        if rng.random() < 0.5:
            world.run(rng.choice([0.0, 0.03, 1.0]))
        if rng.random() < 0.1:
            world.plane = world.new_plane()
    world.run(2)
    expected = {}
    web = world.store.get(Service, "default", "web")
    for p in world.store.list(Pod, "default"):
        selected = (
            web is not None
            and (web.spec.selector or {}).items() <= (p.metadata.labels or {}).items()
        )
        node = world.store.get(Node, "", p.spec.node_name or "")
        if selected and node is not None and p.status.pod_ip and p.status.phase != "Failed":
            gone = p.metadata.deletion_timestamp is not None
            zone = (node.metadata.labels or {}).get(ZONE)
            port = p.spec.containers[0].ports[0].container_port
            expected[p.metadata.name] = ((ready(p) and not gone, ready(p), gone), zone, port)
    found = {
        name: (conditions(e), e.zone, port)
        for slice_ in world.slices("web")
        for port in [slice_.ports[0].port if slice_.ports else 0]
        for e in slice_.endpoints
        for name in [e.target_ref.name if e.target_ref else ""]
    }
    assert found == expected
    assert len(found) == sum(len(s.endpoints) for s in world.slices("web"))
    legacy = world.store.get(Endpoints, "default", "web")
    assert (legacy is None) == (web is None)
    pairs = {
        (address.target_ref.name if address.target_ref else "", is_ready, port.port)
        for subset in (legacy.subsets if legacy is not None else ())
        for is_ready, group in ((True, subset.addresses), (False, subset.not_ready_addresses))
        for address in group
        for port in subset.ports
    }
    # Terminating pods are no addresses of Endpoints.
    assert pairs == {
        (name, is_ready, port)
        for name, ((is_ready, _, gone), _, port) in expected.items()
        if not gone
    }


def act(world: World, rng: random.Random, kind: int, i: int) -> None:
    pods = list(world.store.list(Pod, "default"))
    some = rng.choice(pods) if pods else None
    labels = {"app": rng.choice(["web", "web", "other"])}
    web = world.store.get(Service, "default", "web")
    match kind:
        case 0 | 1 | 2:
            ports = [{"name": "grpc", "containerPort": rng.choice([1, 2])}]
            container = {"name": "c", "image": "emucluster/echo", "ports": ports}
            node = rng.choice(["node-1", "node-2"])
            world.set_ready(
                world.create(pod(f"p{i}", labels, nodeName=node, containers=[container]))
            )
        case 3 if some is not None:
            world.set_ready(some, is_ready=not ready(some))
        case 4 if some is not None:
            world.delete(some, grace_period_s=rng.choice([0, 30]))
        case 5 if some is not None:
            world.update(replace(some, metadata=replace(some.metadata, labels=labels)))
        case 6 if some is not None:
            world.update_status(replace(some, status=replace(some.status, phase="Failed")))
        case 7:
            node_ = world.get(Node, "node-1")
            moved = {**(node_.metadata.labels or {}), ZONE: f"zone-{i}"}
            world.update(replace(node_, metadata=replace(node_.metadata, labels=moved)))
        case 8:
            if web is None:
                world.create(service("web", ports=[{"port": 80, "targetPort": "grpc"}]))
            else:
                world.delete(web)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=120))
def test_packing_keeps_every_entry_once_and_no_slice_over_the_limit(
    changes: list[tuple[int, bool]],
) -> None:
    names = iter(range(1000))
    packer: SlicePacker[int, int] = SlicePacker(lambda: f"s{next(names)}", limit=4)
    wanted: set[int] = set()
    for key, present in changes:
        if present:
            packer.put(key, key)
            wanted.add(key)
        else:
            packer.remove(key)
            wanted.discard(key)
        held = [k for entries in packer.slices.values() for k in entries]
        assert sorted(held) == sorted(wanted)
        assert all(len(entries) <= 4 for entries in packer.slices.values())
