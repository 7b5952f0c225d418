"""A generator behind its service: checked at the door, watched, stopped; its bounded journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.live.actors.load_generator import LoadGenerator
from emucluster.live.load.journal import Journal
from emucluster.live.load.rows import rows
from emucluster.live.load.settings import read_settings
from emucluster.live.metrics.load import LoadCollector
from emucluster.live.metrics.page import registry_of
from emucluster.live.rpc.channel import connect_aio, credentials
from emucluster.live.rpc.errors import translate
from emucluster.live.rpc.pb import load_pb2, load_pb2_grpc
from tests.live.load.lab import echo_pod, engine, group, until

TOKEN = "a token"


@contextlib.asynccontextmanager
async def generator(directory: Path) -> AsyncIterator[Any]:
    """A stub of a generator's service."""
    actor = LoadGenerator(
        {
            "name": "generator-3",
            "token": TOKEN,
            "directory": str(directory),
            "address": "127.60.2.2",
        }
    )
    started = await actor.start()
    try:
        async with connect_aio(started["agent"]) as channel:
            yield load_pb2_grpc.LoadStub(channel)
    finally:
        await actor.stop(1.0)


def spec(*groups: Any) -> load_pb2.LoadSpec:
    return load_pb2.LoadSpec(run="run", seed="1", batch_s=0.02, groups=groups)


WITH_TOKEN = {"metadata": credentials(TOKEN)}


async def watched(stub: Any, after: int = 0) -> list[Any]:
    request = load_pb2.LoadWatchRequest(after=after)
    return [batch async for batch in stub.Watch(request, **WITH_TOKEN)]


@pytest.mark.live
def test_a_load_is_started_watched_to_its_end_and_another_may_follow(
    on_uvloop, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod, generator(tmp_path) as stub:
            for _ in range(2):
                info = await stub.Start(spec(group(pod.address)), **WITH_TOKEN)
                assert info.state == "running"
                got = await watched(stub)
                calls = [row for batch in got for row in rows(batch)]
                assert len(calls) == 20
                assert calls[0].connection.startswith("generator-3/web/1/1/")
                assert [batch.sequence for batch in got] == list(range(1, len(got) + 1))
                info = await stub.Describe(load_pb2.LoadDescribeRequest(), **WITH_TOKEN)
                assert (info.state, info.calls, info.in_flight) == ("ended", 20, 0)

    on_uvloop(scenario)


def test_prometheus_is_told_what_became_of_the_calls(on_uvloop) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod:
            load = engine(group(pod.address, max_in_flight=1, no_waiting=True, delay_s=0.05))
            registry = registry_of(LoadCollector(load.counts, lambda: load.in_flight))
            await load.wait()
        calls = {"emucluster_load_calls_total", "emucluster_load_calls_in_flight"}
        told = {
            (sample.name, sample.labels.get("outcome")): sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name in calls
        }
        ok, never = (told["emucluster_load_calls_total", word] for word in ("ok", "not-started"))
        assert ok + never == 20
        assert ok
        assert never
        assert told["emucluster_load_calls_in_flight", None] == 0

    on_uvloop(scenario)


@pytest.mark.live
def test_stop_ends_a_load_without_end_and_its_watchers_get_the_last_batch(
    on_uvloop, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with echo_pod() as pod, generator(tmp_path) as stub:
            closed = load_pb2.ClosedLoop(concurrency=2, think_s=0.001)
            await stub.Start(spec(group(pod.address, closed=closed)), **WITH_TOKEN)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Start(spec(group(pod.address)), **WITH_TOKEN)
            assert isinstance(translate(refused.value), EmuclusterError)
            watcher = asyncio.ensure_future(watched(stub))
            await until(lambda: pod.echo.calls > 20)
            info = await stub.Stop(load_pb2.LoadStopRequest(drain_s=5), **WITH_TOKEN)
            assert info.state == "ended"
            got = await watcher
            assert got[-1].last
            assert sum(len(batch.calls.number) for batch in got) == info.calls == pod.echo.calls

    on_uvloop(scenario)


@pytest.mark.live
def test_nobody_without_the_clusters_token_starts_a_load(on_uvloop, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with generator(tmp_path) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Start(spec(group("127.60.2.3:1")))
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED

    on_uvloop(scenario)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "push"}, "groups[0].method: one of unary, server-stream"),
        ({"connection": "pool:0"}, "groups[0].connection: shared, pool:N"),
        ({"service_config": "{"}, "groups[0].service_config: no JSON"),
        ({"deadline_s": -1.0}, "groups[0].deadline_s: must be 0 or more, got -1"),
        ({"clients": []}, "groups[0].clients: 1 to 10000, got 0"),
        ({"target": load_pb2.LoadTarget()}, "groups[0].target: needs one of"),
        ({"closed": load_pb2.ClosedLoop()}, "groups[0].closed.concurrency: must be at least 1"),
        ({"open": load_pb2.OpenLoop()}, "groups[0].open.segments: at least one"),
        (
            {"open": load_pb2.OpenLoop(segments=[load_pb2.RateSegment(to_per_s=3)])},
            "groups[0].open.segments[0]: a ramp needs duration_s",
        ),
        (
            {"arguments": [load_pb2.ChannelArgument(name="keepalive", number=1)]},
            "groups[0].arguments[0].name: begins with grpc.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_settings(spec(group("127.60.2.3:1", **change)))
    assert str(refused.value).startswith(message)


def test_keepalive_becomes_grpcs_channel_arguments() -> None:
    keepalive = load_pb2.Keepalive(time_s=1.5, timeout_s=0.5, without_calls=True)
    (made,) = read_settings(spec(group("127.60.2.3:1", keepalive=keepalive))).groups
    assert dict(made.arguments) == {
        "grpc.keepalive_time_ms": 1500,
        "grpc.keepalive_timeout_ms": 500,
        "grpc.http2.ping_timeout_ms": 500,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.max_pings_without_data": 0,
    }


def batch(*, last: bool = False) -> load_pb2.LoadBatch:
    return load_pb2.LoadBatch(run="x" * 1000, last=last)


def test_a_watcher_who_comes_back_gets_what_it_had_not_yet_taken(on_uvloop) -> None:
    async def scenario() -> None:
        journal = Journal()
        for last in (False, False, False, True):
            journal.append(batch(last=last))
        seen = []
        async for got in journal.follow(0):
            seen.append(got.sequence)
            if len(seen) == 2:
                break
        assert seen == [1, 2]
        assert [got.sequence async for got in journal.follow(1)] == [2, 3, 4]
        assert [got.sequence async for got in journal.follow(0)] == [4]

    on_uvloop(scenario)


def test_a_journal_that_nobody_watches_is_bounded_and_counts_what_it_gave_up(on_uvloop) -> None:
    async def scenario() -> None:
        journal = Journal(retained_bytes=3500)
        for _ in range(9):
            journal.append(batch())
        journal.append(batch(last=True))
        got = [one async for one in journal.follow(0)]
        assert [one.sequence for one in got] == [8, 9, 10]
        assert journal.lost == 7
        assert got[-1].lost_batches == 6  # before this one was added

    on_uvloop(scenario)
