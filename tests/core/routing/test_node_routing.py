"""Where a node sends connections: the same decisions drive the live node and the simulated one."""

from __future__ import annotations

import random

import pytest

from emucluster.core import objects as k8s
from emucluster.core.addresses import KUBE_API_PORT, Slice
from emucluster.core.dns.records import DnsView
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.objects import replace
from emucluster.core.routing.decision import (
    Deny,
    Drop,
    Refuse,
    ToApi,
    ToDns,
    ToNode,
    ToOutside,
    ToPod,
)
from emucluster.core.routing.node_routing import Caller, NodeRouting
from tests.core.kubeproxy.objects import NODE_PORT, PORT, VIP, endpoint, node, service, slice_of

HERE, THERE = "127.32.1.2", "127.32.2.2"
API = "127.16.255.1"
CLIENT = Caller("pod", "127.32.1.9", "default")


def routing(*objects: k8s.Object, outside: dict[str, tuple[str, int]] | None = None) -> NodeRouting:
    """node-1's routes, once it knows `objects` and the nodes node-1 and node-2."""
    table, dns = RouteTable(), DnsView()
    proxy = NodeProxy("node-1", table, rng=random.Random(1))
    routes = NodeRouting(
        name="node-1",
        address="127.16.0.1",
        masquerade_ip="127.16.0.1",
        addresses=Slice(0),
        proxy=proxy,
        dns=dns,
        outside=outside or {},
        rng=random.Random(1),
        api=API,
    )
    nodes = [with_range("node-1", "127.32.1.0/24"), with_range("node-2", "127.32.2.0/24")]
    for obj in (*nodes, *objects):
        table.handle("ADDED", obj)
        dns.handle("ADDED", obj)
        routes.take_object("ADDED", obj)
    return routes


def with_range(name: str, pod_cidr: str) -> k8s.Node:
    found = node(name)
    return replace(found, spec=replace(found.spec, pod_cidr=pod_cidr))


def test_a_cluster_ip_leads_to_a_pod_that_sees_the_client_itself() -> None:
    routes = routing(service(), slice_of(endpoint(HERE)))
    assert routes.connect(CLIENT, VIP, PORT, 0.0) == ToPod(
        HERE, 8080, "node-1", True, CLIENT.ip, "cluster-ip", "default/web", f"{VIP}:{PORT}"
    )


def test_a_node_port_leads_through_the_services_own_cluster_ip_and_hides_the_client() -> None:
    routes = routing(service(), slice_of(endpoint(THERE, "node-2")))
    assert routes.node_port(NODE_PORT, "127.224.0.1", 0.0) == ToPod(
        THERE, 8080, "node-2", False, "127.16.0.1", "node-port", "default/web", f"{VIP}:{PORT}"
    )


def test_policy_local_shows_the_client() -> None:
    routes = routing(service(external_traffic_policy="Local"), slice_of(endpoint(HERE)))
    decided = routes.node_port(NODE_PORT, "127.224.0.1", 0.0)
    assert isinstance(decided, ToPod)
    assert decided.source == "127.224.0.1"


def test_a_service_without_endpoints_refuses_and_an_unknown_cluster_ip_does_not_answer() -> None:
    routes = routing(service())
    refused = routes.connect(CLIENT, VIP, PORT, 0.0)
    assert isinstance(refused, Refuse)
    dropped = routes.connect(CLIENT, "10.96.7.7", PORT, 0.0)
    assert isinstance(dropped, Drop)
    assert refused.hop == dropped.hop == "cluster-ip"


def test_a_pod_address_leads_to_the_node_that_owns_its_range() -> None:
    decided = routing().connect(CLIENT, THERE, 50051, 0.0)
    assert decided == ToPod(THERE, 50051, "node-2", False, CLIENT.ip, "pod-ip")


def test_a_pod_address_of_no_known_node_does_not_answer() -> None:
    assert isinstance(routing().connect(CLIENT, "127.33.0.2", 80, 0.0), Drop)


@pytest.mark.parametrize("said", [None, "node-1", "elsewhere"])
def test_endpoints_of_an_outside_controller_are_reached_whatever_node_they_name(
    said: str | None,
) -> None:
    theirs = replace(endpoint(THERE), node_name=said)
    slice_ = slice_of(theirs)
    labels = {
        **(slice_.metadata.labels or {}),
        "endpointslice.kubernetes.io/managed-by": "own.example.com",
    }
    slice_ = replace(slice_, metadata=replace(slice_.metadata, labels=labels))
    decided = routing(service(), slice_).connect(CLIENT, VIP, PORT, 0.0)
    assert isinstance(decided, ToPod)
    assert (decided.node, decided.local) == ("node-2", False)


def test_the_api_server_is_an_endpoint_that_is_on_no_node() -> None:
    api = replace(endpoint(API), node_name=None)
    routes = routing(service(), slice_of(api, port=KUBE_API_PORT))
    assert routes.connect(CLIENT, VIP, PORT, 0.0) == ToApi(
        API, KUBE_API_PORT, "cluster-ip", "default/web", f"{VIP}:{PORT}"
    )
    assert routes.connect(CLIENT, API, KUBE_API_PORT, 0.0) == ToApi(API, KUBE_API_PORT, "pod-ip")
    assert isinstance(routes.connect(CLIENT, API, 7444, 0.0), Deny)
    assert isinstance(routes.tunnelled((API, KUBE_API_PORT), "127.32.1.9"), Drop)


def test_the_tunnel_delivers_to_this_nodes_pods_only() -> None:
    routes = routing()
    here = routes.tunnelled((HERE, 8080), "127.32.2.5")
    assert here == ToPod(HERE, 8080, "node-1", True, "127.32.2.5", "tunnel")
    assert isinstance(routes.tunnelled((THERE, 8080), "127.32.2.5"), Drop)


def test_names_are_searched_for_as_in_a_pod() -> None:
    routes = routing(service(), slice_of(endpoint(HERE)))
    for name in ("web", "web.default", "web.default.svc.cluster.local"):
        assert isinstance(routes.connect(CLIENT, name, PORT, 0.0), ToPod)
    assert isinstance(routes.connect(CLIENT, "web.shop", PORT, 0.0), Deny)


def test_a_headless_service_without_ready_endpoints_refuses_and_says_so() -> None:
    headless = k8s.Service(
        metadata=k8s.ObjectMeta(name="web-headless", namespace="default"),
        spec=k8s.ServiceSpec(type="ClusterIP", cluster_ip="None"),
    )
    assert routing(headless).connect(CLIENT, "web-headless", PORT, 0.0) == Refuse(
        '"web-headless" has no addresses: no ready endpoints'
    )


def test_kube_dns_is_the_nodes_own_server() -> None:
    assert routing().connect(CLIENT, "10.96.0.10", 53, 0.0) == ToDns()


def test_only_declared_names_lead_outside() -> None:
    legacy = k8s.Service(
        metadata=k8s.ObjectMeta(name="legacy", namespace="default"),
        spec=k8s.ServiceSpec(type="ExternalName", external_name="legacy.example"),
    )
    place = ("127.0.0.9", 5000)
    routes = routing(legacy, outside={"Legacy.example.": place})
    assert routes.connect(CLIENT, "legacy", 80, 0.0) == ToOutside("legacy", place)
    assert routes.connect(CLIENT, "legacy.example", 80, 0.0) == ToOutside("legacy.example", place)
    assert isinstance(routing(legacy).connect(CLIENT, "legacy", 80, 0.0), Deny)
    assert isinstance(routes.connect(CLIENT, "elsewhere.example", 80, 0.0), Deny)
    assert isinstance(routes.connect(CLIENT, "192.0.2.1", 80, 0.0), Deny)


def test_other_nodes_serve_node_ports_and_their_health_only() -> None:
    routes = routing(service(), slice_of(endpoint(HERE)))
    assert routes.connect(CLIENT, "127.16.0.2", NODE_PORT, 0.0) == ToNode(
        "node-2", "127.16.0.2", NODE_PORT
    )
    assert isinstance(routes.connect(CLIENT, "127.16.0.1", NODE_PORT, 0.0), ToPod)
    assert isinstance(routes.connect(CLIENT, "127.16.0.2", 10250, 0.0), Deny)


@pytest.mark.parametrize("ip", ["127.16.0.2", THERE])
def test_a_node_that_is_deleted_is_no_way_any_more(ip: str) -> None:
    routes = routing()
    routes.take_object("DELETED", with_range("node-2", "127.32.2.0/24"))
    assert isinstance(routes.connect(CLIENT, ip, NODE_PORT, 0.0), Drop | Deny)


def test_a_stopped_kube_proxy_answers_nobody_and_pods_are_reached_directly_all_the_same() -> None:
    routes = routing(service(), slice_of(endpoint(HERE)))
    routes._proxy.stopped = True
    stopped = "kube-proxy of node-1 is stopped"
    assert routes.connect(CLIENT, VIP, PORT, 0.0) == Drop(stopped, "default/web", "cluster-ip")
    assert routes.node_port(NODE_PORT, "127.224.0.1", 0.0) == Drop(
        stopped, "default/web", "node-port"
    )
    assert isinstance(routes.connect(CLIENT, HERE, 8080, 0.0), ToPod)
    routes._proxy.stopped = False
    assert isinstance(routes.connect(CLIENT, VIP, PORT, 0.0), ToPod)


def test_where_dns_fails_no_name_is_reached_and_addresses_are() -> None:
    routes = routing(
        service(), slice_of(endpoint(HERE)), outside={"legacy.example": ("127.0.0.1", 5000)}
    )
    routes._dns.failing = "SERVFAIL"
    for name in ("web", "legacy.example", "nobody"):
        assert routes.connect(CLIENT, name, PORT, 0.0) == Refuse(
            f'"{name}": the DNS of node-1 answers SERVFAIL'
        )
    assert isinstance(routes.connect(CLIENT, VIP, PORT, 0.0), ToPod)
    routes._dns.failing = None
    assert isinstance(routes.connect(CLIENT, "web", PORT, 0.0), ToPod)
