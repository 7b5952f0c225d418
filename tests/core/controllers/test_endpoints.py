"""Endpoints objects: made for Services with a selector, mirrored for those without."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from emucluster.core.controllers.endpointslice_mirroring import MIRRORER
from emucluster.core.controllers.service_endpoints import endpoints_of
from emucluster.core.objects import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Pod,
    Service,
    replace,
)

from .world import World, pod, service


@pytest.fixture
def world() -> World:
    world = World(cloud=None)
    for i in (1, 2):
        world.add_node(f"node-{i}")
    return world


def web(world: World) -> Endpoints:
    return world.get(Endpoints, "web")


def addresses(endpoints: Endpoints) -> list[tuple[list[str], list[str], list[int]]]:
    """Ready pods, other pods and ports, subset by subset."""

    def names(group: Any) -> list[str]:
        return [each.target_ref.name if each.target_ref else each.ip for each in group]

    return [
        (names(each.addresses), names(each.not_ready_addresses), [p.port for p in each.ports])
        for each in endpoints.subsets
    ]


def with_ports(name: str, **ports: int) -> Pod:
    declared = [{"name": key, "containerPort": value} for key, value in ports.items()]
    container = {"name": "c", "image": "emucluster/echo", "ports": declared}
    return pod(name, {"app": "web"}, containers=[container])


def test_a_service_has_endpoints_of_its_name_with_its_labels(world: World) -> None:
    world.expose(metadata={"labels": {"team": "a"}})
    world.step()
    assert web(world).subsets == ()
    assert web(world).metadata.labels == {"team": "a"}
    world.create(pod("p", {"app": "web"}, nodeName="node-2"))
    world.run(1)
    ((ready, other, ports),) = addresses(web(world))
    assert (ready, other, ports) == (["p"], [], [50051])
    (address,) = web(world).subsets[0].addresses
    p = world.get(Pod, "p")
    assert (address.ip, address.node_name) == (p.status.pod_ip, "node-2")
    assert address.target_ref is not None
    assert address.target_ref.uid == p.metadata.uid
    assert web(world).subsets[0].ports[0].name is None


def test_pods_that_are_not_ready_are_apart_and_those_that_go_are_left_out(world: World) -> None:
    world.expose()
    for name in ("a", "b", "c"):
        world.create(pod(name, {"app": "web"}))
    world.run(1)
    world.kubelets = False
    world.set_ready(world.get(Pod, "b"), is_ready=False)
    world.delete(world.get(Pod, "c"))
    world.run(1)
    assert addresses(web(world)) == [(["a"], ["b"], [50051])]


def test_with_publish_not_ready_addresses_all_of_them_are_ready(world: World) -> None:
    world.expose(clusterIP="None", publishNotReadyAddresses=True)
    for name in ("a", "b"):
        world.create(pod(name, {"app": "web"}))
    world.run(1)
    world.kubelets = False
    world.set_ready(world.get(Pod, "a"), is_ready=False)
    world.delete(world.get(Pod, "b"))
    world.run(1)
    assert addresses(web(world)) == [(["a", "b"], [], [50051])]
    assert web(world).metadata.labels == {"service.kubernetes.io/headless": ""}


def test_pods_with_other_numbers_for_a_named_port_are_in_another_subset(world: World) -> None:
    ports = [
        {"name": "http", "port": 80, "targetPort": "http"},
        {"name": "admin", "port": 81, "targetPort": "admin"},
    ]
    world.expose(ports=ports)
    world.create(with_ports("a", http=8080, admin=9000))
    world.create(with_ports("b", http=8080))
    world.create(with_ports("c", http=8081))
    world.create(with_ports("d"))
    world.run(1)
    assert sorted(addresses(web(world))) == [
        (["a"], [], [9000]),
        (["a", "b"], [], [8080]),
        (["c"], [], [8081]),
    ]


def test_endpoints_go_with_their_service_and_what_others_write_is_put_right(world: World) -> None:
    world.expose()
    world.create(pod("p", {"app": "web"}))
    world.run(1)
    before = web(world)
    world.update(replace(before, subsets=()))
    world.run(1)
    assert web(world).subsets == before.subsets
    world.delete(web(world))
    world.run(1)
    assert web(world).subsets == before.subsets
    world.delete(world.get(Service, "web"))
    world.step()
    assert world.store.get(Endpoints, "default", "web") is None


def test_what_a_crash_left_behind_is_cleared_away_and_what_is_somebodys_stays(
    world: World,
) -> None:
    world.expose()
    world.create(pod("p", {"app": "web"}))
    world.run(1)
    own = world.create(manual("own", "10.1.1.1"))
    world.create(service("db", selector=None))
    pods = web(world).subsets
    world.create(replace(manual("db"), subsets=pods))
    left = web(world)
    world.delete(world.get(Service, "web"))
    world.plane = world.new_plane()
    assert world.store.get(Endpoints, "default", "web") == left
    world.step()
    assert world.store.get(Endpoints, "default", "web") is None
    assert world.get(Endpoints, "own").subsets == own.subsets
    assert world.get(Endpoints, "db").subsets == pods


def test_more_than_a_thousand_addresses_are_cut_off_and_say_so() -> None:
    ports = (EndpointPort(name="", port=1, protocol="TCP"),)

    def endpoint(number: int, *, ready: bool) -> Endpoint:
        ip = f"127.32.{number >> 8}.{number & 255}"
        return Endpoint(addresses=(ip,), conditions=EndpointConditions(ready=ready, serving=ready))

    many = [(ports, endpoint(i, ready=i % 3 != 0)) for i in range(1200)]
    made = endpoints_of(service("web"), many, None)
    (subset,) = made.subsets
    assert (len(subset.addresses), len(subset.not_ready_addresses)) == (800, 200)
    annotations = made.metadata.annotations or {}
    assert annotations["endpoints.kubernetes.io/over-capacity"] == "truncated"
    fewer = endpoints_of(service("web"), many[:1000], made)
    assert len(fewer.subsets[0].addresses) == 666
    assert fewer.metadata.annotations is None
    ((most,),) = (
        endpoints_of(
            service("web"), [(ports, endpoint(i, ready=True)) for i in range(1100)], None
        ).subsets,
    )
    assert (len(most.addresses), len(most.not_ready_addresses)) == (1000, 0)


def test_large_objects_are_written_less_often_than_slices(world: World) -> None:
    world.expose()
    world.deploy(replicas=50)
    world.run(1)
    world.run(1)
    start = world.store.version
    world.kubelets = False
    for each in world.pods(app="web")[:20]:
        world.set_ready(each, is_ready=False)
        world.run(0.03)
    written = [event.kind for event in world.store.events_since(start)]
    assert written.count("EndpointSlice") > 2 * written.count("Endpoints") > 0
    world.run(2)
    ((ready, other, _),) = addresses(web(world))
    assert (len(ready), len(other)) == (30, 20)


# --- mirroring -----------------------------------------------------------------------------------


def manual(name: str = "db", *ready: str, **more: Any) -> Endpoints:
    tree = {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", **more.pop("metadata", {})},
        "subsets": more.get(
            "subsets",
            [{"addresses": [{"ip": ip} for ip in ready], "ports": [{"port": 5432}]}],
        ),
    }
    return msgspec.convert(tree, Endpoints)


def mirrored(world: World, name: str = "db") -> list[EndpointSlice]:
    return [
        each
        for each in world.slices(name)
        if (each.metadata.labels or {})["endpointslice.kubernetes.io/managed-by"] == MIRRORER
    ]


def shown(slices: list[EndpointSlice]) -> set[tuple[str, bool | None, int | None]]:
    return {
        (endpoint.addresses[0], endpoint.conditions.ready, port.port)
        for each in slices
        for endpoint in each.endpoints
        for port in each.ports
    }


@pytest.fixture
def db(world: World) -> World:
    world.create(service("db", selector=None))
    world.create(manual("db", "10.1.1.1", "10.1.1.2", metadata={"labels": {"team": "a"}}))
    world.step()
    return world


def test_endpoints_of_a_service_without_a_selector_become_a_slice(db: World) -> None:
    (slice_,) = mirrored(db)
    assert shown([slice_]) == {("10.1.1.1", True, 5432), ("10.1.1.2", True, 5432)}
    assert (slice_.metadata.labels or {})["team"] == "a"
    assert slice_.metadata.name.startswith("db-")
    (owner,) = slice_.metadata.owner_references
    assert (owner.kind, owner.name) == ("Endpoints", "db")
    db.plane = db.new_plane()
    db.run(1)
    assert mirrored(db) == [slice_]  # a control plane that starts anew finds nothing to change


def test_a_change_changes_the_slice_and_no_service_or_no_endpoints_removes_it(db: World) -> None:
    (before,) = mirrored(db)
    ready = {"addresses": [{"ip": "10.1.1.3"}], "notReadyAddresses": [{"ip": "10.1.1.1"}]}
    old = db.get(Endpoints, "db")
    db.update(replace(old, subsets=manual(subsets=[{**ready, "ports": [{"port": 5432}]}]).subsets))
    db.step()
    (after,) = mirrored(db)
    assert after.metadata.name == before.metadata.name
    assert shown([after]) == {("10.1.1.3", True, 5432), ("10.1.1.1", False, 5432)}
    db.delete(db.get(Endpoints, "db"))
    db.step()
    assert mirrored(db) == []
    db.create(manual("db", "10.1.1.1"))
    db.step()
    assert len(mirrored(db)) == 1
    # A Service takes its Endpoints along, whoever wrote them.
    db.delete(db.get(Service, "db"))
    db.step()
    assert mirrored(db) == []
    assert db.store.get(Endpoints, "default", "db") is None


def test_subsets_with_other_ports_or_addresses_of_another_kind_have_slices_of_their_own(
    world: World,
) -> None:
    world.create(service("db", selector=None))
    subsets = [
        {"addresses": [{"ip": "10.1.1.1"}, {"ip": "fd00::1"}], "ports": [{"port": 1}]},
        {"addresses": [{"ip": "10.1.1.1"}], "ports": [{"port": 2}]},
    ]
    world.create(manual("db", subsets=subsets))
    world.step()
    kinds = sorted((each.address_type, each.ports[0].port) for each in mirrored(world))
    assert kinds == [("IPv4", 1), ("IPv4", 2), ("IPv6", 1)]


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}},
    ],
)
def test_what_asks_not_to_be_mirrored_is_not(world: World, metadata: dict[str, Any]) -> None:
    world.create(service("db", selector=None))
    world.create(manual("db", "10.1.1.1", metadata=metadata))
    world.step()
    assert mirrored(world) == []


def test_a_selector_ends_the_mirroring(db: World) -> None:
    old = db.get(Service, "db")
    db.update(replace(old, spec=replace(old.spec, selector={"app": "db"})))
    db.run(1)
    assert mirrored(db) == []
    assert db.get(Endpoints, "db").subsets == ()


def test_slices_of_an_outside_controller_are_left_alone(db: World) -> None:
    (mine,) = mirrored(db)
    labels = {
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "own.example.com",
    }
    meta = replace(mine.metadata, name="own", labels=labels, owner_references=())
    theirs = replace(mine, metadata=meta)
    db.create(replace(theirs, metadata=replace(theirs.metadata, resource_version="", uid="")))
    db.delete(db.get(Endpoints, "db"))
    db.run(1)
    assert [each.metadata.name for each in db.slices("db")] == ["own"]
