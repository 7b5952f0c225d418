"""Loads of real calls to real echo servers: every call that was due is told, with how it ended."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

import pytest

from emucluster.live.load.channels import flow_id
from emucluster.live.load.rows import rows
from emucluster.live.network import gateway
from emucluster.live.network.routes import Refuse, Route
from emucluster.live.rpc.pb import load_pb2
from tests.live.load.lab import Relay, batches, echo_pod, engine, group, outcome_of, until
from tests.live.network.lab import forwarding

pytestmark = pytest.mark.live

RETRIES = """{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.01s",
"maxBackoff":"0.02s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}"""


def clients(count: int, address: str = "") -> list[load_pb2.LoadClient]:
    return [load_pb2.LoadClient(number=n, gateway=address) for n in range(1, count + 1)]


def test_each_call_is_recorded_with_its_pod_and_executed_once_under_its_id(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod:
            calls = await outcome_of(group(pod.address, request_bytes=64))
            executed = pod.echo.memory.executed([])
        assert len(calls) == 20
        assert {(c.status, c.outcome, c.pod, c.node, c.zone) for c in calls} == {
            ("OK", "ok", pod.name, "node-1", "a")
        }
        assert executed == {call.id: 1 for call in calls}
        assert all(c.intended_s <= c.started_s <= c.first_reply_s <= c.ended_s for c in calls)
        spacing = sorted(c.intended_s for c in calls)
        assert spacing[-1] - spacing[0] == pytest.approx(19 / 200)
        assert all(c.sent_bytes > 64 and c.received_bytes > 64 for c in calls)
        assert len({c.connection for c in calls}) == 1
        assert calls[0].connection_opened_s <= calls[0].ended_s

    on_uvloop(scenario)


def test_the_calls_of_a_seed_are_due_at_the_same_offsets_again(on_uvloop) -> None:
    async def offsets(address: str, seed: str) -> list[float]:
        arrival = load_pb2.OpenLoop(poisson=True)
        arrival.segments.add(duration_s=0.1, from_per_s=300, to_per_s=300)
        load = engine(group(address, open=arrival), seed=seed)
        calls = [row for batch in await batches(load) for row in rows(batch)]
        return sorted(round(call.intended_s - load.start_s, 5) for call in calls)

    async def scenario() -> None:
        async with echo_pod() as pod:
            first = await offsets(pod.address, "7")
            assert first == await offsets(pod.address, "7")
            assert first != await offsets(pod.address, "8")

    on_uvloop(scenario)


@pytest.mark.parametrize("method", ["unary", "server-stream", "client-stream", "chat"])
def test_all_four_kinds_of_call_count_their_replies(on_uvloop, method: str) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod:
            calls = await outcome_of(
                group(pod.address, count=4, method=method, messages=3, reply_bytes=500)
            )
        replies = 3 if method in ("server-stream", "chat") else 1
        assert [(c.outcome, c.replies, c.pod) for c in calls] == [("ok", replies, pod.name)] * 4
        assert all(c.received_bytes > 500 * replies for c in calls)

    on_uvloop(scenario)


def test_connections_are_one_a_client_a_pool_or_one_a_call(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod:
            for connection, connections in (("shared", 2), ("pool:3", 6), ("per-call", 24)):
                before = pod.echo.memory.connections
                calls = await outcome_of(
                    group(pod.address, count=24, clients=clients(2), connection=connection)
                )
                assert {c.outcome for c in calls} == {"ok"}
                assert pod.echo.memory.connections - before == connections
                assert len({c.connection for c in calls}) == connections
                assert Counter(c.client for c in calls) == {1: 12, 2: 12}

    on_uvloop(scenario)


def test_a_schedule_and_its_ids_are_the_same_on_one_generator_and_on_two(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod:
            found = []
            for homes in ([range(3)], [(0, 2), (1,)]):
                calls = []
                for home in homes:
                    own = [load_pb2.LoadClient(number=number) for number in home]
                    made = group(pod.address, count=20, clients=own, clients_in_all=3)
                    calls += await outcome_of(made)
                found.append(sorted(c.id for c in calls))
        assert found[0] == found[1]
        assert found[0] == sorted(f"run/web/{n % 3}/{n + 1}" for n in range(20))

    on_uvloop(scenario)


def test_beyond_the_bound_calls_are_late_or_told_as_never_begun(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod(EMU_SLOW_S="0.2") as pod:
            made = group(pod.address, count=100, max_in_flight=5, start_within_s=0.1)
            load = engine(made)
            got = await batches(load)
        calls = [row for batch in got for row in rows(batch)]
        begun = [c for c in calls if c.outcome == "ok"]
        never = [c for c in calls if c.outcome == "not-started"]
        assert len(calls) == 100
        assert begun
        assert never
        assert len({c.id for c in calls}) == 100
        assert {(c.started_s, c.status, c.connection) for c in never} == {(0.0, "", "")}
        assert sum(b.health.started for b in got) == len(begun)
        expired = sum(b.health.expired_waiting + b.health.expired_late for b in got)
        assert expired == len(never)

    on_uvloop(scenario)


def test_a_closed_loop_has_as_many_in_flight_as_callers_and_waits_for_each(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod(EMU_SLOW_S="0.01") as pod:
            closed = load_pb2.ClosedLoop(concurrency=3, think_s=0.01, duration_s=0.3)
            calls = await outcome_of(group(pod.address, closed=closed, clients=clients(2)))
        edges = [(c.started_s, 1) for c in calls] + [(c.ended_s, -1) for c in calls]
        now = most = 0
        for _, step in sorted(edges):
            now += step
            most = max(most, now)
        assert {c.outcome for c in calls} == {"ok"}
        assert most == 6
        assert {c.client for c in calls} == {1, 2}

    on_uvloop(scenario)


def test_refused_connections_are_definite_failures(on_uvloop) -> None:
    async def scenario() -> None:
        with socket.socket() as taken:
            taken.bind(("127.60.1.9", 0))  # bound and not listening: refused
            address = "{}:{}".format(*taken.getsockname())
            for connection in ("shared", "per-call"):
                calls = await outcome_of(group(address, count=4, connection=connection))
                assert {(c.status, c.outcome, c.pod) for c in calls} == {
                    ("UNAVAILABLE", "failed", "")
                }
                assert all("Connection refused" in c.detail for c in calls)

    on_uvloop(scenario)


@pytest.mark.parametrize("connection", ["shared", "per-call"])
def test_a_deadline_is_definite_only_if_there_never_was_a_connection(
    on_uvloop, connection: str
) -> None:
    async def scenario() -> None:
        with socket.socket() as silent:
            silent.bind(("127.60.1.10", 0))
            silent.listen()  # the kernel accepts, nobody answers
            address = "{}:{}".format(*silent.getsockname())
            calls = await outcome_of(group(address, count=3, connection=connection, deadline_s=0.2))
        assert {(c.status, c.outcome) for c in calls} == {("DEADLINE_EXCEEDED", "failed")}
        async with echo_pod(EMU_HANG="1") as pod:
            calls = await outcome_of(
                group(pod.address, count=3, connection=connection, deadline_s=0.5)
            )
        assert {(c.status, c.outcome) for c in calls} == {("DEADLINE_EXCEEDED", "unknown")}

    on_uvloop(scenario)


def test_a_pods_injected_error_is_definite_and_it_did_not_execute_the_call(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod(EMU_ERROR_RATE="1", EMU_ERROR_STATUS="INTERNAL") as pod:
            calls = await outcome_of(group(pod.address, count=4))
            assert pod.echo.memory.executed([]) == {}
        assert {(c.status, c.outcome) for c in calls} == {("INTERNAL", "failed")}
        assert all(c.connection for c in calls)

    on_uvloop(scenario)


def test_retries_of_the_service_config_are_grpcs_own_and_counted_by_who_answers(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod(EMU_ERROR_RATE="0.5") as pod:
            plain = await outcome_of(group(pod.address, count=60))
            retried = await outcome_of(group(pod.address, count=60, service_config=RETRIES))
        failed = [sum(c.outcome != "ok" for c in calls) for calls in (plain, retried)]
        assert failed[1] < failed[0]
        assert {c.outcome for c in plain} == {"ok", "failed"}
        # The last attempt's refusal proves nothing about the ones before.
        assert {c.outcome for c in retried} <= {"ok", "unknown"}
        assert {c.attempts for c in plain} == {0, 1}
        answered = {c.attempts for c in retried if c.outcome == "ok"}
        assert 1 in answered
        assert answered & {2, 3, 4}
        assert answered <= {1, 2, 3, 4}

    on_uvloop(scenario)


def test_calls_after_a_restart_are_on_a_connection_that_is_younger_than_it(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod:
            endless = load_pb2.OpenLoop()
            endless.segments.add(from_per_s=100, to_per_s=100)
            load = engine(
                group(pod.address, open=endless, wait_for_ready=True),
                batch_s=0.02,
            )
            await until(lambda: load.calls > 10)
            await pod.stop()
            cut_s = load._bench.clock.now_s()
            await pod.start()
            answered = pod.echo.calls
            await until(lambda: pod.echo.calls > answered + 10)
            await load.stop(5)
            got = await batches(load)
        calls = [row for batch in got for row in rows(batch) if row.outcome == "ok"]
        opened = sorted({c.connection_opened_s for c in calls})
        assert len(opened) == 2
        assert opened[0] < cut_s < opened[1]
        # A reply that had come before the cut may be read after it.
        assert all(c.connection_opened_s > cut_s for c in calls if c.started_s > cut_s)
        states = [event.state for batch in got for event in batch.events]
        assert states.count("READY") == 2
        assert "IDLE" in states

    on_uvloop(scenario)


def test_keepalive_gives_up_a_connection_that_fell_silent_and_opens_another(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod, Relay(pod.ip, pod.port).running() as relay:
            endless = load_pb2.OpenLoop()
            endless.segments.add(from_per_s=50, to_per_s=50)
            keepalive = load_pb2.Keepalive(time_s=0.2, timeout_s=0.2)
            load = engine(group(relay.address, open=endless, keepalive=keepalive))
            await until(lambda: load.calls > 5)
            relay.silence()
            silent = pod.echo.calls
            await until(lambda: pod.echo.calls > silent + 5)
            await load.stop(5)
            calls = [row for batch in await batches(load) for row in rows(batch)]
        lost = [c for c in calls if c.outcome != "ok"]
        assert {(c.status, c.outcome) for c in lost} == {("UNAVAILABLE", "unknown")}
        assert all("ping timeout" in c.detail for c in lost)
        old, new = sorted({(c.connection_opened_s, c.connection) for c in calls})
        assert {c.connection for c in lost} == {old[1]}
        assert new[1] in {c.connection for c in calls if c.outcome == "ok"}

    on_uvloop(scenario)


def test_inside_clients_go_through_their_gateway_and_name_their_connections(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod, forwarding() as host:
            asked: list[tuple[str, int]] = []

            def decide(name: str, number: int, client: tuple[str, int]) -> Route:
                asked.append((name, number))
                return Route((pod.ip, pod.port), source="127.60.7.7")

            listener = gateway.listen(host, "127.60.1.4", 0, decide, hop="cluster-ip")
            places = clients(1, f"127.60.1.4:{listener.port}")
            by_name = load_pb2.LoadTarget(name="web.default:80")
            vip = load_pb2.LoadTarget(addresses=["10.96.12.7:80"])
            for target in (by_name, vip):
                calls = await outcome_of(
                    group("", count=3, target=target, clients=places, connection="per-call")
                )
                assert {c.outcome for c in calls} == {"ok"}
                flows = {flow.id for flow in host.flows.recent()}
                assert {flow_id(c.id) for c in calls} <= flows
            assert set(asked) == {("web.default", 80), ("10.96.12.7", 80)}
            shared = await outcome_of(group("", count=3, target=vip, clients=places))
            assert {c.client_address.split(":")[0] for c in shared} == {"127.60.7.7"}

    on_uvloop(scenario)


def test_a_gateways_refusal_is_a_definite_failure(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            listener = gateway.listen(
                host, "127.60.1.5", 0, lambda *_: Refuse("no endpoints"), hop="cluster-ip"
            )
            calls = await outcome_of(
                group("10.96.0.9:80", count=3, clients=clients(1, f"127.60.1.5:{listener.port}"))
            )
        assert {(c.status, c.outcome) for c in calls} == {("UNAVAILABLE", "failed")}

    on_uvloop(scenario)


@pytest.mark.parametrize("config", ["", RETRIES])
def test_round_robin_spreads_the_calls_of_one_channel_over_all_addresses(
    on_uvloop, config: str
) -> None:
    async def scenario() -> None:
        async with echo_pod() as one, echo_pod() as two:
            target = load_pb2.LoadTarget(addresses=[one.address, two.address], round_robin=True)
            calls = await outcome_of(group("", count=40, target=target, service_config=config))
        assert {c.pod for c in calls} == {one.name, two.name}
        assert {c.outcome for c in calls} == {"ok"}
        assert len({c.connection for c in calls}) == 2
        by_pod = {(c.pod, c.connection) for c in calls}
        assert len(by_pod) == 2

    on_uvloop(scenario)


def test_stopping_tells_calls_in_flight_as_cancelled_and_forgets_none(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod(EMU_HANG="1") as pod:
            load = engine(group(pod.address, count=1000, rate=100, deadline_s=0))
            await until(lambda: load.in_flight > 5)
            began = load.in_flight
            await load.stop(0)
            got = await batches(load)
        calls = [row for batch in got for row in rows(batch)]
        assert len(calls) >= began
        assert load.in_flight == 0
        assert {c.status for c in calls} == {"CANCELLED"}
        assert "unknown" in {c.outcome for c in calls}
        assert [batch.last for batch in got] == [False] * (len(got) - 1) + [True]
        await until(lambda: len(asyncio.all_tasks()) == 1)  # this one

    on_uvloop(scenario)


def test_every_batch_tells_what_the_generator_was_capable_of(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod:
            got = await batches(engine(group(pod.address, count=40)))
        assert len(got) > 1
        for batch in got:
            health = batch.health
            assert health.from_s < health.to_s
            assert health.cpu_s > 0
            assert 0 <= health.lag_p50_s <= health.lag_p99_s <= health.lag_max_s
        assert sum(batch.health.started for batch in got) == 40

    on_uvloop(scenario)
