"""Crash and freeze of a node, by a fault and by a signal, on old and new connections."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import pytest

import emucluster as emu
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.watching import (
    Load,
    alive,
    entries,
    ok,
    pid_of,
    pod,
    pod_on,
    pods,
    restarts,
    statuses,
    until,
)

pytestmark = pytest.mark.live


@dataclass
class Struck:
    """A node that is about to fail, and its pod of the web Deployment."""

    node: str
    pod: str
    address: str
    pid: int
    restarts: int


@pytest.fixture
def struck(web: emu.Cluster) -> Struck:
    away = pod(web, "client").spec.node_name
    node = next(p.spec.node_name for p in pods(web) if p.spec.node_name != away)
    name = pod_on(web, node).metadata.name
    address = next(m.address for m in web.machines() if m.name == node)
    return Struck(node, name, address, pid_of(web, node), restarts(web, name))


@contextmanager
def held_call(channel: grpc.Channel, delay_s: float) -> Iterator[grpc.Future]:
    """A call that is under way, on a connection that was there before."""
    stub = echo_pb2_grpc.EchoStub(channel)
    stub.Call(echo_pb2.EchoRequest(), timeout=10)
    future = stub.Call.future(echo_pb2.EchoRequest(delay_s=delay_s), timeout=60)
    yield future
    future.cancel()


def status_of(future: grpc.Future) -> str:
    error = future.exception(timeout=30)
    return error.code().name if isinstance(error, grpc.RpcError) else "OK"


def crash(cluster: emu.Cluster, struck: Struck) -> None:
    cluster.inject("crash", f"node/{struck.node}")


def kill(cluster: emu.Cluster, struck: Struck) -> None:
    os.kill(struck.pid, signal.SIGKILL)
    until(lambda: any(f.mechanism.startswith("process") for f in cluster.faults()), "it is listed")


def freeze(cluster: emu.Cluster, struck: Struck) -> Callable[[], object]:
    cluster.inject("freeze", f"node/{struck.node}")
    return cluster.clear_faults


def stop(cluster: emu.Cluster, struck: Struck) -> Callable[[], object]:
    os.kill(struck.pid, signal.SIGSTOP)
    return lambda: os.kill(struck.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    "strike", [crash, pytest.param(kill, marks=[pytest.mark.slow, pytest.mark.rare])]
)
def test_a_crashed_node_resets_and_refuses_at_once_and_takes_its_pods_along(
    web: emu.Cluster, struck: Struck, strike: Callable[[emu.Cluster, Struck], None]
) -> None:
    pids = {call.pid for call in ok(web_calls(web, struck)) if call.node == struck.node}
    assert pids
    with (
        web.client() as named,
        web.client() as balanced,
        named.channel("service/web-nodeport", node=struck.node) as channel,
        held_call(channel, 60) as held,
        Load(named, "service/web-nodeport", node=struck.node) as hits,
        Load(balanced, "service/web-lb", concurrency=4) as load,
    ):
        load.streak(8)
        strike(web, struck)
        assert status_of(held) == "UNAVAILABLE", "reset"
        hits.more(5)
        assert statuses(hits.calls[-5:]) == {"UNAVAILABLE"}, "refused"
        assert not any(alive(pid) for pid in pids)
        late = load.streak(40)
        assert struck.node not in entries(late)
        web.clear_faults()
        until(lambda: restarts(web, struck.pod) == struck.restarts + 1, "its pod restarted")
        hits.streak(6)
    machine = next(m for m in web.machines() if m.name == struck.node)
    assert (machine.state, machine.address) == ("running", struck.address)
    assert (machine.pid != struck.pid) == (strike is kill)


@pytest.mark.parametrize(
    "strike", [freeze, pytest.param(stop, marks=[pytest.mark.slow, pytest.mark.rare])]
)
def test_a_frozen_node_accepts_and_never_answers_and_goes_on_as_it_was(
    web: emu.Cluster,
    struck: Struck,
    strike: Callable[[emu.Cluster, Struck], Callable[[], object]],
) -> None:
    with (
        web.client() as named,
        web.client("pod/client") as insider,
        named.channel("service/web-nodeport", node=struck.node) as old,
        insider.channel(f"pod/{struck.pod}") as memory,
    ):
        stub = echo_pb2_grpc.EchoStub(memory)
        kept = f"before {strike.__name__}"
        stub.Call(echo_pb2.EchoRequest(id=kept), timeout=10)
        connections = stub.Control(echo_pb2.EchoControl(), timeout=10).connections
        with held_call(old, 1.5) as held:
            thaw = strike(web, struck)
            try:
                new = named.attempt("service/web-nodeport", node=struck.node, timeout_s=1.5)
                assert new.status == "DEADLINE_EXCEEDED"
                assert new.hops[0].is_connected, "the node's kernel has accepted it"
                assert not held.done()
            finally:
                thaw()
            assert status_of(held) == "OK", "the old connection goes on"
        assert stub.Seen(echo_pb2.SeenRequest(ids=[kept]), timeout=30).executed[kept] == 1
        assert stub.Control(echo_pb2.EchoControl(), timeout=10).connections >= connections
    web.wait_ready()
    assert restarts(web, struck.pod) == struck.restarts
    assert pid_of(web, struck.node) == struck.pid


def test_a_fault_ends_by_itself_though_its_injector_is_gone(
    web: emu.Cluster, struck: Struck, outside: emu.Client
) -> None:
    program = (
        "import os, sys, emucluster as emu\n"
        "emu.connect(sys.argv[1]).inject('crash', sys.argv[2], for_s=1.5)\n"
        "os._exit(0)\n"
    )
    arguments = [sys.executable, "-c", program, web.name, f"node/{struck.node}"]
    subprocess.run(arguments, check=True, timeout=30)
    [fault] = web.faults()
    assert (fault.kind, fault.target) == ("crash", f"node/{struck.node}")
    failed = outside.attempt("service/web-nodeport", node=struck.node, timeout_s=1)
    assert failed.status == "UNAVAILABLE"
    until(lambda: not web.faults(), "the node has ended it")
    until(lambda: restarts(web, struck.pod) == struck.restarts + 1, "its pod restarted")
    web.wait_ready()
    ok(outside.run("service/web-nodeport", emu.Plan(count=3), node=struck.node))


@pytest.mark.slow
def test_the_load_balancer_needs_no_control_plane_to_take_a_dead_node_out(
    web: emu.Cluster, struck: Struck, outside: emu.Client
) -> None:
    pid = pid_of(web, "control-plane")
    with Load(outside, "service/web-lb", concurrency=4) as load:
        load.streak(8)
        os.kill(pid, signal.SIGSTOP)
        try:
            web.inject("power-off", f"node/{struck.node}")

            def is_out() -> bool:
                last = [c for c in load.calls[-40:] if any(h.kind == "node-port" for h in c.hops)]
                return len(last) >= 30 and struck.node not in entries(last)

            until(is_out, "the last calls entered by the others")
            web.clear_faults()
        finally:
            os.kill(pid, signal.SIGCONT)
        web.wait_ready()
        load.streak(20)
    assert pid_of(web, "control-plane") == pid


def web_calls(cluster: emu.Cluster, struck: Struck) -> list[emu.Call]:
    with cluster.client("pod/client") as client:
        return list(client.run("service/web", emu.Plan(count=len(pods(cluster)))))
