"""Crash and freeze of pods and load balancers, by a fault and by an outsider's signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

import emucluster as emu
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc
from tests.live.watching import (
    Load,
    alive,
    ok,
    pid_of,
    pod,
    pods,
    restarts,
    service,
    statuses,
    until,
)

pytestmark = pytest.mark.live

BALANCER = "lb/default/web-lb"
Undo = Callable[[], object]


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


def by_fault(kind: str) -> Callable[[emu.Cluster, str, int], Undo]:
    def strike(cluster: emu.Cluster, target: str, pid: int) -> Undo:
        cluster.inject(kind, target)
        return cluster.clear_faults

    return strike


def by_signal(number: signal.Signals) -> Callable[[emu.Cluster, str, int], Undo]:
    def strike(cluster: emu.Cluster, target: str, pid: int) -> Undo:
        os.kill(pid, number)
        if number == signal.SIGSTOP:
            return lambda: os.kill(pid, signal.SIGCONT)
        return cluster.clear_faults

    return strike


crashes = pytest.mark.parametrize(
    "strike",
    [
        by_fault("crash"),
        pytest.param(by_signal(signal.SIGKILL), marks=[pytest.mark.slow, pytest.mark.rare]),
    ],
    ids=["fault", "kill -9"],
)
freezes = pytest.mark.parametrize(
    "strike",
    [
        by_fault("freeze"),
        pytest.param(by_signal(signal.SIGSTOP), marks=[pytest.mark.slow, pytest.mark.rare]),
    ],
    ids=["fault", "kill -STOP"],
)
Strike = Callable[[emu.Cluster, str, int], Undo]


@crashes
def test_a_crashed_pod_resets_its_connections_and_is_restarted_in_place(
    web: emu.Cluster, inside: emu.Client, strike: Strike
) -> None:
    answered = ok(inside.run("service/web", emu.Plan(count=3)))
    struck = min(answered, key=lambda call: restarts(web, call.pod))  # else back-off goes first
    before = pod(web, struck.pod)
    counted = restarts(web, struck.pod)
    with inside.channel(f"pod/{struck.pod}") as channel, held_call(channel, 60) as held:
        strike(web, f"pod/{struck.pod}", struck.pid)
        assert status_of(held) == "UNAVAILABLE"
        until(lambda: not alive(struck.pid), "its process is gone")
        until(lambda: restarts(web, struck.pod) == counted + 1, "it is restarted")
    web.wait_ready()
    [again] = ok(inside.run(f"pod/{struck.pod}", emu.Plan()))
    after = pod(web, struck.pod)
    assert again.pid != struck.pid
    assert (after.metadata.uid, after.status.pod_ip) == (before.metadata.uid, struck.pod_ip)


@freezes
def test_a_frozen_pod_accepts_and_never_answers_and_goes_on_as_it_was(
    web: emu.Cluster, inside: emu.Client, strike: Strike
) -> None:
    struck = ok(inside.run("service/web", emu.Plan()))[0]
    counted = restarts(web, struck.pod)
    with inside.channel(f"pod/{struck.pod}") as channel, held_call(channel, 1.0) as held:
        thaw = strike(web, f"pod/{struck.pod}", struck.pid)
        try:
            new = inside.attempt(f"pod/{struck.pod}", timeout_s=1)
            assert new.status == "DEADLINE_EXCEEDED"
            assert new.hops[-1].is_connected, "the pod's kernel has accepted it"
            assert not held.done()
        finally:
            thaw()
        assert status_of(held) == "OK"
    [again] = ok(inside.run(f"pod/{struck.pod}", emu.Plan()))
    assert (again.pid, restarts(web, struck.pod)) == (struck.pid, counted)


def test_a_frozen_pod_opens_no_connections_and_does_again_once_thawed(
    web: emu.Cluster, inside: emu.Client
) -> None:
    web.inject("freeze", "pod/client")
    mute = inside.attempt("service/web", timeout_s=1)
    assert (mute.status, mute.hops[-1].how) == ("DEADLINE_EXCEEDED", "dropped")
    web.clear_faults()
    ok(inside.run("service/web", emu.Plan()))


@pytest.mark.slow
def test_nobody_calls_from_a_pod_while_no_container_of_it_runs(
    web: emu.Cluster, inside: emu.Client
) -> None:
    def struck() -> emu.Call | None:
        """The call from a pod that is in back-off: it is crashed until it is."""
        statuses = pod(web, "client").status.container_statuses
        if statuses and statuses[0].state.running is not None:
            web.inject("crash", "pod/client")
        call = inside.attempt("service/web", timeout_s=2)
        return None if call.ok else call

    refused = until(struck, "a call from a pod without a container fails")
    assert refused is not None
    assert (refused.status, refused.error.partition(": ")[2]) == (
        "UNAVAILABLE",
        "pod client is not running",
    )
    web.wait_ready(90)
    ok(inside.run("service/web", emu.Plan()))


@pytest.mark.slow
def test_a_frozen_pod_that_fails_its_readiness_probe_gets_no_new_connections(
    web: emu.Cluster, inside: emu.Client
) -> None:
    struck = ok(inside.run("service/web", emu.Plan()))[0]
    with Load(inside, "service/web", concurrency=3) as load:
        load.streak(6)
        web.inject("freeze", f"pod/{struck.pod}")
        late = load.streak(12)
        assert {call.pod for call in late} == {p.metadata.name for p in pods(web)} - {struck.pod}
        web.clear_faults()
        load.more(1, lambda call: call.pod == struck.pod)
    failed = [call for call in load.calls if not call.ok]
    assert {call.hops[0].endpoint for call in failed} == {f"{struck.pod_ip}:50051"}


def test_a_pod_deleted_under_load_is_replaced_and_nobody_notices_for_long(
    web: emu.Cluster, inside: emu.Client
) -> None:
    before = {p.metadata.name: p.status.pod_ip for p in pods(web)}
    victim = min(before)
    with Load(inside, "service/web", concurrency=2) as load:
        load.streak(6)
        web.delete(f"pod/{victim}", grace_period_s=2)
        web.wait_ready()
        late = load.streak(12)
    after = {p.metadata.name for p in pods(web)}
    assert victim not in after
    assert {call.pod for call in late} == after
    for call in load.calls:
        assert call.ok or call.hops[0].endpoint == f"{before[victim]}:50051", call


@crashes
def test_a_crashed_load_balancer_refuses_and_is_back_at_its_address(
    web: emu.Cluster, outside: emu.Client, strike: Strike
) -> None:
    address = service(web, "web-lb").status.load_balancer.ingress
    pid = pid_of(web, BALANCER)
    with outside.channel("service/web-lb") as channel, held_call(channel, 60) as held:
        back = strike(web, "lb/web-lb", pid)
        assert status_of(held) == "UNAVAILABLE", "reset"
        refused = outside.attempt("service/web-lb", timeout_s=2)
        assert refused.status == "UNAVAILABLE"
        ok(outside.run("service/web-nodeport", emu.Plan(count=3)))
        until(lambda: web.faults(), "it is listed")
        back()
    web.wait_ready()
    assert service(web, "web-lb").status.load_balancer.ingress == address
    ok(outside.run("service/web-lb", emu.Plan(count=6)))


@freezes
def test_a_frozen_load_balancer_accepts_and_never_answers_and_goes_on_as_it_was(
    web: emu.Cluster, outside: emu.Client, strike: Strike
) -> None:
    pid = pid_of(web, BALANCER)
    with outside.channel("service/web-lb") as channel, held_call(channel, 1.0) as held:
        thaw = strike(web, "lb/web-lb", pid)
        try:
            new = outside.attempt("service/web-lb", timeout_s=1)
            assert new.status == "DEADLINE_EXCEEDED"
            assert new.hops[0].is_connected
            assert not held.done()
        finally:
            thaw()
        assert status_of(held) == "OK"
    assert statuses(outside.run("service/web-lb", emu.Plan(count=6))) == {"OK"}
    assert pid_of(web, BALANCER) == pid
