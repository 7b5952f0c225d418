"""What tutorials claim of ClusterIP, NodePort and LoadBalancer, each by its number; but T10, T12,
T15 and T16, which need a failure or a place without a cloud."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

import dns.message
import dns.query
import pytest

import emucluster as emu
from emucluster.core.errors import NoRoute
from tests.live.watching import (
    cluster_ip,
    entries,
    nodes,
    ok,
    pod,
    pods,
    ready_pod,
    service,
    until,
)

pytestmark = pytest.mark.live

LONE_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "lone"},
    "spec": {"containers": [{"name": "echo", "image": "emucluster/echo"}]},
}


def connect_status(gateway: tuple[str, int], address: str) -> int:
    """What a gateway answers to CONNECT."""
    with socket.create_connection(gateway, timeout=10) as sock:
        sock.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        return int(sock.recv(4096).split()[1])


def ask(cluster: emu.Cluster, name: str) -> list[Any]:
    """The answer section of a query of the cluster's DNS server, as dig would send it."""
    host, _, port = cluster.status().dns.rpartition(":")
    query = dns.message.make_query(name, "A")
    return dns.query.udp(query, host, port=int(port), timeout=10).answer


def test_t01_a_pod_created_again_gets_another_address(web: emu.Cluster) -> None:
    addresses, uids = [], []
    for _ in range(2):
        web.apply(LONE_POD)
        lone = ready_pod(web, "lone")
        addresses.append(lone.status.pod_ip)
        uids.append(lone.metadata.uid)
        web.delete("pod/lone", grace_period_s=1)
    assert len(set(uids)) == 2
    assert len(set(addresses)) == 2
    assert None not in addresses


def test_t02_a_service_is_found_at_the_same_place_whatever_pods_come_and_go(
    web: emu.Cluster, inside: emu.Client
) -> None:
    name = "web.default.svc.cluster.local:80"
    before = {p.metadata.name for p in pods(web)}
    assert {call.pod for call in ok(inside.run(name, emu.Plan(count=3)))} == before

    web.delete(f"pod/{min(before)}", grace_period_s=1)
    web.wait_ready()

    after = {p.metadata.name for p in pods(web)}
    assert len(after - before) == 1
    assert {call.pod for call in ok(inside.run(name, emu.Plan(count=3)))} == after


def test_t03_a_cluster_ip_cannot_be_reached_from_outside(
    web: emu.Cluster, outside: emu.Client, inside: emu.Client
) -> None:
    vip = cluster_ip(web, "web")
    pod_address = f"{pods(web)[0].status.pod_ip}:50051"
    ok(inside.run("service/web", emu.Plan(count=1)))
    for target in ("service/web", vip, pod_address, "web.default:80"):
        with pytest.raises(NoRoute, match=r"inside the cluster|--from pod"):
            outside.call(target)
    for address in (vip, pod_address, "web.default.svc.cluster.local:80"):
        assert connect_status(outside.gateway, address) == 403
    assert connect_status(inside.gateway, vip) == 200


def test_t04_a_cluster_ip_stays_for_life_and_leads_to_one_of_the_pods(
    web: emu.Cluster, inside: emu.Client
) -> None:
    vip = cluster_ip(web, "web")
    spec = service(web, "web").spec
    web.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "labels": {"touched": "yes"}},
            "spec": {
                "selector": {"app": "web"},
                "ports": [{"name": "grpc", "port": 80, "targetPort": 50051}],
            },
        }
    )
    changed = service(web, "web")
    assert changed.spec.ports[0].target_port == 50051
    assert (changed.metadata.labels, changed.spec.cluster_ip) == (
        {"touched": "yes"},
        spec.cluster_ip,
    )
    behind = {p.metadata.name: p.status.pod_ip for p in pods(web)}
    for call in ok(inside.run(vip, emu.Plan(count=4))):
        assert call.pod_ip == behind[call.pod]
        assert call.hops[0].cluster_ip == vip
        assert call.hops[0].endpoint == f"{call.pod_ip}:50051"


@pytest.mark.parametrize("count", [7, 30])
def test_t05_cluster_ip_spreads_round_robin(
    web: emu.Cluster, inside: emu.Client, count: int
) -> None:
    calls = ok(inside.run("service/web", emu.Plan(count=count)))
    by_pod = Counter(call.pod for call in calls)
    assert set(by_pod) == {p.metadata.name for p in pods(web)}
    assert max(by_pod.values()) - min(by_pod.values()) <= 1
    order = [call.pod for call in calls]
    assert order[3:] == order[:-3], "in turn"


def test_t06_a_node_port_is_open_on_every_node(web: emu.Cluster, outside: emu.Client) -> None:
    port = service(web, "web-nodeport").spec.ports[0].node_port
    assert port == 30080
    assert 30000 <= (service(web, "web-lb").spec.ports[0].node_port or 0) <= 32767
    for machine in web.machines():
        if machine.kind == "node":
            [call] = ok(outside.run(f"{machine.address}:{port}", emu.Plan()))
            assert call.path[:2] == ("outside", f"{machine.name}:{port}")


def test_t07_a_node_port_service_has_a_cluster_ip_which_is_on_its_path(
    web: emu.Cluster, outside: emu.Client, inside: emu.Client
) -> None:
    vip = cluster_ip(web, "web-nodeport")
    ok(inside.run(vip, emu.Plan()))
    behind = {p.metadata.name: p for p in pods(web)}
    for call in ok(outside.run("service/web-nodeport", emu.Plan(count=3), node="node-2")):
        there = behind[call.pod].spec.node_name
        onwards = () if there == "node-2" else (there,)
        assert call.path == ("outside", "node-2:30080", vip, *onwards)
        last = call.hops[-1]
        assert last.out_peer is not None
        assert last.out_peer[0] == behind[call.pod].status.pod_ip


def test_t08_inside_the_cluster_ip_is_the_shorter_way(web: emu.Cluster, inside: emu.Client) -> None:
    own = pod(web, "client").spec.node_name
    other = next(name for name in nodes(web) if name != own)
    vip = cluster_ip(web, "web-nodeport")
    direct = {c.pod: len(c.hops) for c in ok(inside.run(vip, emu.Plan(count=3)))}
    detour = {
        c.pod: len(c.hops)
        for c in ok(inside.run("service/web-nodeport", emu.Plan(count=3), node=other))
    }
    assert set(direct) == set(detour)
    assert all(direct[name] <= detour[name] for name in direct)
    assert sum(direct.values()) < sum(detour.values())


def test_t09_a_node_port_balances_over_pods_but_never_between_nodes(
    web: emu.Cluster, outside: emu.Client
) -> None:
    calls = ok(outside.run("service/web-nodeport", emu.Plan(count=12), node="node-3"))
    assert entries(calls) == {"node-3": 12}
    behind = {p.metadata.name for p in pods(web)}
    assert {call.pod for call in calls} == behind, "pods elsewhere answer all the same"
    assert {call.node for call in calls} - {"node-3"}
    recorded = {
        hop.host
        for hop in web.flows(since_s=calls[0].started_s).hops
        if hop.kind == "node-port" and hop.service == "default/web-nodeport"
    }
    assert recorded == {"node-3"}, "the others are idle"


def test_t11_a_node_port_service_has_as_many_addresses_as_nodes(
    web: emu.Cluster, outside: emu.Client
) -> None:
    balancer = service(web, "web-nodeport").status.load_balancer
    assert balancer is None or not balancer.ingress, "no single address of its own"
    dialled = {outside.resolve("service/web-nodeport", node=n).words() for n in nodes(web)}
    assert len(dialled) == len(nodes(web)) == 3
    assert all(ok(outside.run(address, emu.Plan())) for address in dialled)


def test_t13_a_load_balancer_has_its_own_address_before_node_port_and_cluster_ip(
    web: emu.Cluster, outside: emu.Client, inside: emu.Client
) -> None:
    other = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "second-lb"},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "web"},
            "ports": [{"port": 8080, "targetPort": 50051}],
        },
    }
    web.apply(other)
    until(lambda: service(web, "second-lb").status.load_balancer.ingress, "an address")
    addresses = [
        service(web, name).status.load_balancer.ingress[0].ip for name in ("web-lb", "second-lb")
    ]
    web.delete("service/second-lb")
    assert len(set(addresses)) == 2
    assert not set(addresses) & {m.address for m in web.machines() if m.kind == "node"}

    vip, port = cluster_ip(web, "web-lb"), service(web, "web-lb").spec.ports[0].node_port
    ok(inside.run(vip, emu.Plan()))
    for call in ok(outside.run(f"{addresses[0]}:8080", emu.Plan(count=6))):
        entry = next(hop.host for hop in call.hops if hop.kind == "node-port")
        onwards = () if call.node == entry else (call.node,)
        assert call.path == ("outside", "lb/default/web-lb:8080", f"{entry}:{port}", vip, *onwards)


def test_t14_a_load_balancer_spreads_over_the_nodes(web: emu.Cluster, outside: emu.Client) -> None:
    calls = ok(outside.run("service/web-lb", emu.Plan(count=60, concurrency=4)))
    by_entry = entries(calls)
    assert set(by_entry) == set(nodes(web))
    assert max(by_entry.values()) < 45, "by hash: uneven, but none gets nearly all"


def test_t17_an_external_name_stands_for_a_name_outside(
    web: emu.Cluster, inside: emu.Client, legacy: str
) -> None:
    answer = ask(web, "legacy.default.svc.cluster.local")
    assert [(r.rdtype.name, r[0].to_text()) for r in answer][:1] == [("CNAME", "legacy.example.")]
    [call] = ok(inside.run("service/legacy:50051", emu.Plan(message="hello")))
    assert (call.pod, call.message) == ("legacy", "hello")
    flows = [h for h in web.flows(since_s=call.started_s).hops if h.kind == "outside"]
    assert [f"{h.out_peer[0]}:{h.out_peer[1]}" for h in flows if h.out_peer] == [legacy]


def test_t18_a_headless_service_leads_straight_to_the_pods(
    web: emu.Cluster, inside: emu.Client
) -> None:
    behind = {p.metadata.name: p.status.pod_ip for p in pods(web)}
    [records] = ask(web, "web-headless.default.svc.cluster.local")
    assert {record.address for record in records} == set(behind.values())
    calls = ok(inside.run("service/web-headless", emu.Plan(count=6)))
    assert {call.pod for call in calls} == set(behind)
    for call in calls:
        assert {hop.kind for hop in call.hops} <= {"pod-ip", "tunnel"}
        assert {hop.cluster_ip for hop in call.hops} == {""}
        assert call.hops[0].endpoint == f"{behind[call.pod]}:50051", "the client chose the pod"
