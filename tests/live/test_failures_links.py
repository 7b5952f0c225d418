"""Faults of links on a running cluster: who reaches whom, how late, and who is believed dead."""

from __future__ import annotations

import socket
import struct
import time
from typing import cast

import grpc
import pytest

import emucluster as emu
from emucluster.client.balancers import ask_balancers
from emucluster.core.objects import Node
from emucluster.live.network import packet_filter
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.watching import nodes, pod, pod_on, pods, until

pytestmark = [pytest.mark.live, pytest.mark.slow]

NODE_PORT = 30080
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
PING = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + bytes(8)


@pytest.fixture
def node(web: emu.Cluster) -> str:
    """A node with a pod of the web Deployment, and not with the client."""
    away = pod(web, "client").spec.node_name
    return next(p.spec.node_name for p in pods(web) if p.spec.node_name != away)


def is_ready(cluster: emu.Cluster, name: str) -> bool:
    found = cast(Node, cluster.get("Node", name))
    assert found.status is not None
    return any(c.type == "Ready" and c.status == "True" for c in found.status.conditions)


def address_of(cluster: emu.Cluster, node: str) -> str:
    return next(m.address for m in cluster.machines() if m.name == node)


@pytest.mark.parametrize("held_at", ["node", "control-plane"])
def test_a_node_cut_off_from_the_control_plane_is_not_ready_and_serves_on(
    web: emu.Cluster, outside: emu.Client, node: str, held_at: str
) -> None:
    ends = (f"node/{node}", "control-plane")
    target, peer = ends if held_at == "node" else ends[::-1]
    held = outside.channel("service/web-nodeport", node=node)
    stub = echo_pb2_grpc.EchoStub(held)
    stub.Call(echo_pb2.EchoRequest(), timeout=10)
    fault = web.inject("partition", target, peers=[peer], params={"direction": "to"})
    until(lambda: not is_ready(web, node), "the node is not ready")
    others = [name for name in nodes(web) if name != node]
    assert all(is_ready(web, name) for name in others)
    stub.Call(echo_pb2.EchoRequest(), timeout=10)
    held.close()
    web.clear_faults(fault.id)
    until(lambda: is_ready(web, node), "the node is ready again")


def test_a_partition_between_two_nodes_cuts_their_pods_and_nobody_else(
    web: emu.Cluster, outside: emu.Client, inside: emu.Client, node: str
) -> None:
    away = pod(web, "client").spec.node_name
    (third,) = (name for name in nodes(web) if name not in (node, away))
    cut = f"pod/{pod_on(web, node).metadata.name}"
    free = f"pod/{pod_on(web, third).metadata.name}"
    faults = [
        web.inject("partition", f"node/{a}", peers=[f"node/{b}"], params={"direction": "both"})
        for a, b in ((node, away), (away, node))
    ]
    assert inside.attempt(cut, timeout_s=1).status == "DEADLINE_EXCEEDED"
    assert inside.call(free).ok
    with web.client(f"node/{third}") as neighbour:
        assert neighbour.call(cut).ok
    assert is_ready(web, node)
    for fault in faults:
        web.clear_faults(fault.id)
    assert inside.call(cut).ok


def test_a_balancer_cut_off_from_a_node_finds_it_unhealthy_while_others_reach_it(
    web: emu.Cluster, outside: emu.Client, node: str
) -> None:
    """Its traffic keeps its clients' addresses, and is told from theirs all the same."""

    def state() -> str:
        [balancer] = ask_balancers(web.machines(), web.record.token)
        return next((t.state for t in balancer.targets if t.node == node), "")

    until(lambda: state() == "healthy", "the balancer finds the node healthy")
    fault = web.inject("partition", f"node/{node}", peers=["lb/web-lb"])
    for _ in range(5):
        assert outside.call("service/web-nodeport", node=node).ok
    until(lambda: state() == "unhealthy", "the balancer finds the node unhealthy")
    web.clear_faults(fault.id)
    until(lambda: state() == "healthy", "the balancer finds the node healthy again")


def test_no_call_is_quicker_than_the_latency_of_its_link(
    web: emu.Cluster, outside: emu.Client, node: str
) -> None:
    """By how much the median moves is measured in tests/lab/test_latencies.py."""
    channel = outside.channel("service/web-nodeport", node=node)
    stub = echo_pb2_grpc.EchoStub(channel)

    def quickest_s() -> float:
        took = []
        for _ in range(8):
            begin_s = time.monotonic()
            stub.Call(echo_pb2.EchoRequest(), timeout=10)
            took.append(time.monotonic() - begin_s)
        return min(took)

    before_s = quickest_s()
    fault = web.inject("latency", f"node/{node}", peers=["outside"], params={"delay": "200ms"})
    assert fault.mechanism == "held bytes"
    during_s = quickest_s()
    web.clear_faults(fault.id)
    after_s = quickest_s()
    channel.close()
    assert max(before_s, after_s) < 0.2 <= during_s, (before_s, during_s, after_s)


@pytest.mark.skipif(not packet_filter.available(), reason="this kernel lets us attach no filter")
def test_lost_packets_are_sent_again_by_tcp_itself(web: emu.Cluster, node: str) -> None:
    outside = next(iter(_outside_addresses(web)))
    fault = web.inject("loss", f"node/{node}", peers=["outside"], params={"share": "30%"})
    assert fault.mechanism == "kernel filter"
    with socket.create_connection(
        (address_of(web, node), NODE_PORT), timeout=30, source_address=(outside, 0)
    ) as sock:
        sock.sendall(PREFACE)

        def repeated() -> int:
            sock.sendall(PING)
            raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            return int(struct.unpack_from("=I", raw, 100)[0])

        until(repeated, "TCP has sent something again")


def _outside_addresses(cluster: emu.Cluster) -> list[str]:
    """One that no client has: the last of the slice's."""
    node = next(m.address for m in cluster.machines() if m.kind == "node")
    return [f"127.{int(node.split('.')[1]) - 16 + 224}.255.200"]


def test_a_half_open_connection_hangs_while_new_ones_work(
    web: emu.Cluster, inside: emu.Client, node: str
) -> None:
    """The peer has forgotten the connection; who holds it learns of it by its own deadline."""
    away = pod(web, "client").spec.node_name
    target = f"pod/{pod_on(web, node).metadata.name}"
    channel = inside.channel(target)
    stub = echo_pb2_grpc.EchoStub(channel)
    stub.Call(echo_pb2.EchoRequest(), timeout=10)
    web.inject("half-open", f"node/{away}", peers=[f"node/{node}"])
    with pytest.raises(grpc.RpcError) as hangs:
        stub.Call(echo_pb2.EchoRequest(), timeout=1)
    assert hangs.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
    assert inside.call(target).ok
    channel.close()
