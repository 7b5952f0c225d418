"""The rules of virtual-ips.md and of the e2e tests, one by one."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from emucluster.core import objects as k8s
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.service_ports import ServicePortName
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.kubeproxy.verdict import Chosen, Drop, NotAService, Refuse, Verdict

from .objects import NODE_PORT, PORT, VIP, endpoint, node, service, slice_of

CLIENT = "127.32.9.9"
LB = "127.240.0.1"


def proxy(*objects: k8s.Object, on: str = "node-1", **options: str) -> NodeProxy:
    table = RouteTable()
    for obj in (node("node-1", "zone-a"), node("node-2", "zone-b"), *objects):
        table.handle("ADDED", obj)
    return NodeProxy(on, table, rng=random.Random(1), **options)  # type: ignore[arg-type]


def inside(proxy: NodeProxy, calls: int = 1, *, client: str = CLIENT) -> Counter[str]:
    return tally(proxy.choose_cluster_ip(VIP, PORT, client, 0.0) for _ in range(calls))


def outside(proxy: NodeProxy, calls: int = 1) -> Counter[str]:
    return tally(proxy.choose_node_port(NODE_PORT, "127.224.0.1", 0.0) for _ in range(calls))


def tally(verdicts) -> Counter[str]:  # type: ignore[no-untyped-def]
    return Counter(v.ip if isinstance(v, Chosen) else type(v).__name__ for v in verdicts)


A, B, C = "127.32.1.2", "127.32.1.3", "127.32.2.2"


def test_round_robin_is_even_to_within_one_for_each_entry() -> None:
    web = proxy(service(), slice_of(endpoint(A), endpoint(B), endpoint(C, "node-2")))
    assert inside(web, 30) == {A: 10, B: 10, C: 10}
    assert sorted(outside(web, 31).values()) == [10, 10, 11]


def test_interleaved_entries_keep_rounds_of_their_own() -> None:
    web = proxy(service(), slice_of(endpoint(A), endpoint(B)))
    seen_inside, seen_outside = Counter[str](), Counter[str]()
    for _ in range(10):
        seen_inside += inside(web)
        seen_outside += outside(web)
    assert seen_inside == seen_outside == {A: 5, B: 5}


def test_random_reaches_every_endpoint_and_is_not_a_round() -> None:
    web = proxy(service(), slice_of(endpoint(A), endpoint(B)), mode="random")
    seen = inside(web, 400)
    assert set(seen) == {A, B}
    assert seen[A] != 200


def test_a_choice_names_node_tunnel_and_service() -> None:
    web = proxy(service(), slice_of(endpoint(C, "node-2")))
    assert web.choose_cluster_ip(VIP, PORT, CLIENT, 0.0) == Chosen(
        ip=C,
        port=8080,
        node="node-2",
        node_address="127.16.0.2",
        service=ServicePortName("default", "web", "http"),
        reason="round robin",
        masquerade=False,
        cluster_ip=f"{VIP}:{PORT}",
    )


def test_a_node_port_leads_through_the_cluster_ip() -> None:
    web = proxy(service(), slice_of(endpoint(C, "node-2")))
    choice = web.choose_node_port(NODE_PORT, CLIENT, 0.0)
    assert isinstance(choice, Chosen)
    assert choice.cluster_ip == f"{VIP}:{PORT}"


# --- no endpoints ---


def test_without_any_endpoint_connections_are_refused() -> None:
    web = proxy(service(external_traffic_policy="Local", internal_traffic_policy="Local"))
    assert inside(web) == outside(web) == {"Refuse": 1}


@pytest.mark.parametrize("conditions", ["down", "unready"])
def test_endpoints_that_do_not_serve_are_none(conditions: str) -> None:
    web = proxy(service(), slice_of(endpoint(A, conditions=conditions)))
    assert inside(web) == outside(web) == {"Refuse": 1}


def test_local_policy_drops_while_endpoints_are_elsewhere() -> None:
    local = service(external_traffic_policy="Local", internal_traffic_policy="Local")
    web = proxy(local, slice_of(endpoint(C, "node-2")))
    assert inside(web) == outside(web) == {"Drop": 1}
    verdict = web.choose_node_port(NODE_PORT, "127.224.0.1", 0.0)
    assert isinstance(verdict, Drop)
    assert verdict.reason == "default/web:http has no local endpoints on node-1"


def test_other_ports_of_a_cluster_ip_are_refused_and_other_addresses_not_ours() -> None:
    web = proxy(service(), slice_of(endpoint(A)))
    assert isinstance(web.choose_cluster_ip(VIP, 81, CLIENT, 0.0), Refuse)
    assert isinstance(web.choose_cluster_ip("10.96.9.9", 80, CLIENT, 0.0), NotAService)
    assert isinstance(web.choose_node_port(31000, CLIENT, 0.0), NotAService)


# --- terminating fallback ---


def test_terminating_endpoints_serve_only_while_none_is_ready() -> None:
    web = proxy(service(), slice_of(endpoint(A, conditions="terminating"), endpoint(B)))
    assert inside(web, 4) == {B: 4}
    web.table.handle("MODIFIED", slice_of(endpoint(A, conditions="terminating")))
    assert inside(web, 4) == outside(web, 4) == {A: 4}


def test_under_local_the_nodes_own_terminating_endpoint_serves() -> None:
    local = service(external_traffic_policy="Local", internal_traffic_policy="Local")
    slices = slice_of(endpoint(A, conditions="terminating"), endpoint(C, "node-2"))
    assert inside(proxy(local, slices), 3) == outside(proxy(local, slices), 3) == {A: 3}
    assert inside(proxy(service(), slices), 3) == {C: 3}


# --- traffic policies and who is outside ---


@pytest.mark.parametrize("origin", ["pod", "node"])
def test_pods_and_the_node_itself_get_cluster_policy_at_a_node_port(origin: str) -> None:
    web = proxy(service(external_traffic_policy="Local"), slice_of(endpoint(C, "node-2")))
    verdict = web.choose_node_port(NODE_PORT, CLIENT, 0.0, origin=origin)  # type: ignore[arg-type]
    assert isinstance(verdict, Chosen)
    assert (verdict.ip, verdict.masquerade) == (C, origin == "node")


@pytest.mark.parametrize(("policy", "masquerade"), [("Cluster", True), ("Local", False)])
def test_the_client_address_is_kept_under_local_only(policy: str, masquerade: bool) -> None:
    web = proxy(service(external_traffic_policy=policy), slice_of(endpoint(A)))
    verdict = web.choose_node_port(NODE_PORT, "127.224.0.1", 0.0)
    assert isinstance(verdict, Chosen)
    assert verdict.masquerade == masquerade


def test_a_pod_that_reaches_itself_through_its_service_is_masqueraded() -> None:
    web = proxy(service(), slice_of(endpoint(A)))
    own = web.choose_cluster_ip(VIP, PORT, A, 0.0)
    assert isinstance(own, Chosen)
    assert own.masquerade


def test_the_load_balancers_address_is_answered_inside_the_cluster() -> None:
    balanced = service(type="LoadBalancer", ingress=LB, external_traffic_policy="Local")
    web = proxy(balanced, slice_of(endpoint(C, "node-2")))
    verdict = web.choose_address(LB, PORT, CLIENT, 0.0)
    assert isinstance(verdict, Chosen)
    assert (verdict.ip, verdict.masquerade) == (C, False)
    assert isinstance(web.choose_load_balancer_ip(LB, 81, CLIENT, 0.0), NotAService)


def test_source_ranges_hold_for_the_load_balancers_address_and_not_for_the_node_port() -> None:
    balanced = service(
        type="LoadBalancer", ingress=LB, load_balancer_source_ranges=("10.0.0.0/8", "fd00::/8")
    )
    web = proxy(balanced, slice_of(endpoint(A)))
    assert isinstance(web.choose_load_balancer_ip(LB, PORT, CLIENT, 0.0), Drop)
    assert isinstance(web.choose_load_balancer_ip(LB, PORT, "10.1.1.1", 0.0), Chosen)
    assert outside(web) == {A: 1}


def test_external_ips_are_served() -> None:
    web = proxy(service(external_ips=("203.0.113.9",)), slice_of(endpoint(A)))
    assert isinstance(web.choose_address("203.0.113.9", PORT, CLIENT, 0.0), Chosen)


@pytest.mark.parametrize(
    "label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"]
)
def test_services_of_another_proxy_are_ignored_until_the_label_goes(label: str) -> None:
    web = proxy(service(labels={label: "other"}), slice_of(endpoint(A)))
    assert inside(web) == outside(web) == {"NotAService": 1}
    web.table.handle("MODIFIED", service())
    assert inside(web) == outside(web) == {A: 1}


def test_headless_and_external_name_services_are_not_proxied() -> None:
    assert outside(proxy(service(cluster_ip="None", type="ClusterIP"))) == {"NotAService": 1}
    assert inside(proxy(service(type="ExternalName"))) == {"NotAService": 1}


# --- topology ---


def in_zones(*zones: tuple[str, ...]) -> k8s.EndpointSlice:
    ips = [(A, "node-1"), (B, "node-1"), (C, "node-2")]
    return slice_of(*(endpoint(ip, on, zones=z) for (ip, on), z in zip(ips, zones, strict=True)))


def test_hints_keep_traffic_in_the_zone() -> None:
    hinted = in_zones(("zone-a",), ("zone-b",), ("zone-b",))
    assert inside(proxy(service(), hinted), 4) == {A: 4}
    assert inside(proxy(service(), hinted, on="node-2"), 4) == {B: 2, C: 2}


def test_one_endpoint_without_hint_switches_hints_off_for_all() -> None:
    assert len(inside(proxy(service(), in_zones(("zone-a",), (), ("zone-b",))), 6)) == 3


def test_a_zone_that_no_hint_names_uses_all() -> None:
    elsewhere = in_zones(("zone-b",), ("zone-b",), ("zone-b",))
    assert len(inside(proxy(service(), elsewhere), 6)) == 3


def test_local_policy_overrides_hints() -> None:
    hinted = in_zones(("zone-b",), ("zone-b",), ("zone-a",))
    local = service(internal_traffic_policy="Local")
    assert inside(proxy(local, hinted), 4) == {A: 2, B: 2}


def test_prefer_same_node_falls_back_to_zone_then_to_all() -> None:
    prefer = service(traffic_distribution="PreferSameNode")
    hinted = in_zones(("zone-a",), ("zone-a",), ("zone-b",))
    assert inside(proxy(prefer, hinted), 4) == {A: 2, B: 2}
    web = proxy(prefer, hinted, node("node-3", "zone-b"), on="node-3")
    assert inside(web, 4) == {C: 4}
    web.table.handle("MODIFIED", node("node-3", "zone-c"))
    assert len(inside(web, 6)) == 3


# --- session affinity ---


def sticky(timeout_s: int = 60) -> k8s.Service:
    config = k8s.SessionAffinityConfig(client_ip=k8s.ClientIPConfig(timeout_seconds=timeout_s))
    return service(session_affinity="ClientIP", session_affinity_config=config)


def ip_of(verdict: Verdict) -> str:
    assert isinstance(verdict, Chosen)
    return verdict.ip


def test_a_client_stays_with_its_endpoint_and_clients_spread() -> None:
    web = proxy(sticky(), slice_of(endpoint(A), endpoint(B), endpoint(C, "node-2")))
    assert len(inside(web, 15)) == 1
    clients = [inside(web, client=f"127.32.9.{n}") for n in range(10, 13)]
    assert len(set().union(*clients)) == 3


def test_affinity_is_refreshed_by_new_connections_and_ends_with_the_timeout() -> None:
    web = proxy(sticky(60), slice_of(endpoint(A), endpoint(B)))
    seen = [ip_of(web.choose_cluster_ip(VIP, PORT, CLIENT, at_s)) for at_s in (0, 50, 100, 159)]
    assert len(set(seen)) == 1
    assert ip_of(web.choose_cluster_ip(VIP, PORT, CLIENT, 159 + 60)) != seen[0]


def test_affinity_ends_with_its_endpoint_even_if_that_comes_back() -> None:
    web = proxy(sticky(), slice_of(endpoint(A)))
    assert inside(web) == {A: 1}
    web.table.handle("MODIFIED", slice_of(endpoint(B)))
    web.table.handle("MODIFIED", slice_of(endpoint(B), endpoint(A)))
    assert (
        web._affinity.find(  # the memory itself: a round could give A by chance
            web.table.cluster_ips[VIP, PORT],
            CLIENT,
            web.table.endpoints(ServicePortName("default", "web", "http")),
            web.table.endpoints(ServicePortName("default", "web", "http")).usable("node-1", ""),
            now_s=1.0,
        )
        is None
    )


def test_affinity_is_switched_on_and_off_by_an_update() -> None:
    web = proxy(sticky(), slice_of(endpoint(A), endpoint(B)))
    assert len(inside(web, 6)) == 1
    web.table.handle("MODIFIED", service())
    assert len(inside(web, 6)) == 2


def test_affinity_memory_of_clients_long_gone_is_given_back() -> None:
    web = proxy(sticky(10), slice_of(endpoint(A)))
    for n in range(5000):
        web.choose_cluster_ip(VIP, PORT, f"10.0.{n >> 8}.{n & 255}", float(n))
    assert len(web._affinity) < 1100


def test_each_node_remembers_for_itself() -> None:
    first = proxy(sticky(), slice_of(endpoint(A), endpoint(B)))
    second = NodeProxy("node-2", first.table, rng=random.Random(2))
    inside(first)
    assert len(first._affinity) == 1
    assert len(second._affinity) == 0
