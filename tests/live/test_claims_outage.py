"""What tutorials claim of a node that fails: one loss of power in mid-traffic, told by calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

import emucluster as emu
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.watching import (
    Load,
    entries,
    nodes,
    pod,
    pod_on,
    pods,
    restarts,
    statuses,
    until,
)

pytestmark = pytest.mark.live


@dataclass
class Outage:
    """What each kind of client saw; `silent` holds calls that began while the node was dark."""

    victim: str
    victim_addresses: set[str]
    mechanism: str = ""
    silent: dict[str, list[emu.Call]] = field(default_factory=dict)
    late: dict[str, list[emu.Call]] = field(default_factory=dict)
    """In a row, without a failure, at the end of the silence."""
    after: list[emu.Call] = field(default_factory=list)
    held_until_reboot: bool = False
    held_status: str = ""
    restarts: tuple[int, int] = (0, 0)
    pids: tuple[int, int] = (0, 0)
    ips: tuple[str, str] = ("", "")
    remembered: tuple[int, int] = (0, 0)


@pytest.fixture(scope="module")
def outage(started: emu.Cluster) -> Iterator[Outage]:
    away = pod(started, "client").spec.node_name
    victim = next(p.spec.node_name for p in pods(started) if p.spec.node_name != away)
    struck = pod_on(started, victim).metadata.name
    with ExitStack() as stack:
        yield run_outage(started, stack, victim, struck)
    started.clear_faults()
    started.wait_ready(60)


def run_outage(cluster: emu.Cluster, stack: ExitStack, victim: str, struck: str) -> Outage:
    other = next(name for name in nodes(cluster) if name != victim)
    address = next(m.address for m in cluster.machines() if m.name == victim)
    seen = Outage(victim, {address, pod(cluster, struck).status.pod_ip or ""})
    clients = {name: stack.enter_context(cluster.client()) for name in ("named", "other", "lb")}
    insider = stack.enter_context(cluster.client("pod/client"))
    memory = stack.enter_context(insider.channel(f"pod/{struck}"))
    first = echo_pb2_grpc.EchoStub(memory).Call(echo_pb2.EchoRequest(id="kept?"), timeout=10)
    channel = stack.enter_context(clients["named"].channel("service/web-nodeport", node=victim))
    held = echo_pb2_grpc.EchoStub(channel).Call.future(echo_pb2.EchoRequest(delay_s=60))
    counted = restarts(cluster, struck)

    loads = {
        "named": Load(clients["named"], "service/web-nodeport", node=victim),
        "other": Load(clients["other"], "service/web-nodeport", node=other, concurrency=4),
        "lb": Load(clients["lb"], "service/web-lb", concurrency=4),
    }
    for load in loads.values():
        stack.enter_context(load)
    for load in loads.values():
        load.streak(12)

    seen.mechanism = cluster.inject("power-off", f"node/{victim}").mechanism
    dark_s = time.time()
    loads["named"].more(3)
    seen.late = {name: loads[name].streak(40) for name in ("lb", "other")}
    seen.held_until_reboot = not held.done()
    light_s = time.time()
    seen.silent = {name: load.begun_since(dark_s) for name, load in loads.items()}
    for calls in seen.silent.values():
        calls[:] = [call for call in calls if call.ended_s < light_s]

    cluster.clear_faults()
    seen.held_status = status_of(held)
    cluster.wait_ready(60)
    seen.after = loads["named"].streak(12)
    again = until(lambda: remembered(memory), "the pod answers again")
    seen.remembered = (int(first.executed), again["kept?"])
    seen.pids = (first.pid, again["pid"])
    seen.restarts = (counted, restarts(cluster, struck))
    seen.ips = (first.pod_ip, pod(cluster, struck).status.pod_ip or "")
    return seen


def status_of(held: Any) -> str:
    try:
        held.result(timeout=30)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def remembered(memory: grpc.Channel) -> dict[str, int]:
    """How often the pod thinks it has executed that call, and its pid; empty while it is down."""
    stub = echo_pb2_grpc.EchoStub(memory)
    try:
        executed = stub.Seen(echo_pb2.SeenRequest(ids=["kept?"]), timeout=2).executed
        pid = stub.Call(echo_pb2.EchoRequest(), timeout=2).pid
    except grpc.RpcError:
        return {}
    return {"kept?": executed.get("kept?", 0), "pid": pid}


def touches(call: emu.Call, addresses: set[str]) -> bool:
    """Whether one of the call's hops is at, or leads to, one of these addresses."""
    ends = {end[0] for hop in call.hops for end in (hop.in_local, hop.out_peer) if end}
    chosen = {hop.endpoint.partition(":")[0] for hop in call.hops}
    return bool((ends | chosen) & addresses)


def test_t10_node_port_clients_of_a_failed_node_are_left_hanging(outage: Outage) -> None:
    calls = outage.silent["named"]
    assert len(calls) >= 3
    assert statuses(calls) == {"DEADLINE_EXCEEDED"}, "no refusal, no reset: nothing at all"
    assert {hop.kind for call in calls for hop in call.hops} == {"edge"}, "no node has seen them"
    assert outage.held_until_reboot, "an open connection hangs as well"


def test_t15_only_the_calls_that_hit_the_failed_node_fail(outage: Outage) -> None:
    calls = outage.silent["lb"]
    failed = [call for call in calls if not call.ok]
    assert failed
    assert len(failed) < len(calls) / 2
    for call in failed:
        assert touches(call, outage.victim_addresses), (call.path, call.error, call.hops)


def test_t16_health_checks_take_the_failed_node_out(outage: Outage) -> None:
    late = entries(outage.late["lb"])
    assert sum(late.values()) == 40
    assert outage.victim not in late
    assert len(late) == 2, "both others are used"
    assert outage.victim not in {call.node for call in outage.late["lb"]}, "nor its pods"


def test_the_other_nodes_serve_once_the_dead_pods_are_out_of_the_slices(outage: Outage) -> None:
    failed = [call for call in outage.silent["other"] if not call.ok]
    assert failed, "a healthy node goes on choosing a dead node's pod until its lease has run out"
    assert all(touches(call, outage.victim_addresses) for call in failed)
    assert outage.victim not in {call.node for call in outage.late["other"]}


def test_on_return_old_connections_are_reset_and_new_ones_served(outage: Outage) -> None:
    assert outage.held_status == "UNAVAILABLE"
    assert entries(outage.after) == {outage.victim: 12}
    assert outage.victim in {call.node for call in outage.after}, "its pod serves again"


def test_a_pod_that_lost_power_has_restarted_and_forgotten(outage: Outage) -> None:
    assert outage.restarts[1] == outage.restarts[0] + 1
    assert outage.pids[0] != outage.pids[1]
    assert outage.remembered == (1, 0)
    assert outage.ips[0] == outage.ips[1], "it is the same pod"
