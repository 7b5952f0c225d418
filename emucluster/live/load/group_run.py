"""One client group at work: begins its calls, and records how each ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from emucluster.live.load.calls import Caller, Progress, body_of
from emucluster.live.load.channels import Link, flow_id, open_channel
from emucluster.live.load.clock import LoadClock
from emucluster.live.load.connections import IDLE, READY
from emucluster.live.load.health import HealthMeter
from emucluster.live.load.outcome import Outcome, outcome
from emucluster.live.load.pacer import OpenLoop
from emucluster.live.load.records import Records
from emucluster.live.load.settings import ClientPlace, Closed, Group, Open, Settings
from emucluster.live.load.timer import PreciseTimer
from emucluster.live.rpc.pb import echo_pb2

NO_SLOT = "as many calls in flight as allowed"
TOO_LATE = "the generator came too late"
STOPPED = "the load was stopped before it could begin"


@dataclass(frozen=True, slots=True)
class Bench:
    """What the groups of a load share."""

    settings: Settings
    clock: LoadClock
    records: Records
    health: HealthMeter
    connection_ids: Iterator[int]


class Client:
    """One client with its channels; `next_link` takes them in turn, None for one of its own."""

    def __init__(self, place: ClientPlace, group: Group, body: bytes, bench: Bench) -> None:
        self.number = place.number
        self.gateway = place.gateway
        self.group = group = group.of(place)
        self.prefix = f"{bench.settings.run}/{group.name}/{place.number}/"
        self.links = [
            Link(
                f"{group.name}/{place.number}/{index}",
                group,
                place.gateway,
                run=bench.settings.run,
                clock=bench.clock,
                new_id=lambda: next(bench.connection_ids),
                on_state=bench.records.event,
            )
            for index in range(1, group.channels + 1)
        ]
        callers = [Caller(link.channel, group, body, bench.clock) for link in self.links]
        self._turn = itertools.cycle(list(zip(self.links, callers, strict=True)))

    def next_link(self) -> tuple[Link, Caller]:
        """The channel whose turn it is."""
        return next(self._turn)


class GroupRun:
    """Runs one group from `start_s` of the clock until its schedule ends or it is stopped."""

    def __init__(self, index: int, group: Group, bench: Bench, *, start_s: float) -> None:
        self._index = index
        self._group = group
        self._bench = bench
        self._start_s = start_s
        self._body = body_of(group)
        self._clients = [Client(place, group, self._body, bench) for place in group.clients]
        self._turns = zip(
            itertools.cycle(zip(self._clients, group.positions, strict=True)), itertools.count()
        )
        self._numbers = itertools.count(1)
        self._calls: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._scheduled = asyncio.Event()  # nothing more will be begun
        self._pacer: OpenLoop | None = None
        self._timer = PreciseTimer(self._wake)
        self._cancelled = False
        self.in_flight = 0
        self.ended = 0

    def start(self) -> None:
        """Begin; calls are due from `start_s` on."""
        loop = self._group.loop
        if isinstance(loop, Closed):
            self._spawn(self._closed(loop))
        else:
            self._pacer = self._paced(loop)
            self._timer.at(max(0.0, self._start_s - self._bench.clock.now_s()))

    async def wait(self) -> None:
        """Until the schedule has ended and with it every call."""
        await self._scheduled.wait()
        while self._calls:
            await asyncio.wait(self._calls)

    def stop(self) -> None:
        """Begin no more calls; those in flight go on."""
        self._stopping.set()
        if self._pacer is not None:
            self._not_started(self._pacer.stop(), STOPPED)
            self._scheduled.set()
        self._timer.cancel()

    def cancel(self) -> None:
        """Give up the calls in flight; each is recorded as cancelled."""
        self._cancelled = True
        for task in self._calls:
            task.cancel()

    async def aclose(self) -> None:
        """Close timer and channels."""
        self._timer.close()
        for client in self._clients:
            for link in client.links:
                await link.aclose()

    # --- pacing -------------------------------------------------------------------------------

    def _paced(self, loop: Open) -> OpenLoop:
        rng = self._group.rng(self._bench.settings.seed, "arrivals")
        return OpenLoop(
            loop.offsets(
                rng, positions=frozenset(self._group.positions), of=self._group.clients_in_all
            ),
            start_s=self._start_s,
            max_in_flight=self._group.max_in_flight,
            start_within_s=self._group.start_within_s,
            waits=self._group.waits,
        )

    def _wake(self) -> None:
        pacer, health = self._pacer, self._bench.health
        assert pacer is not None
        now_s = self._bench.clock.now_s()
        due = pacer.wake(now_s)
        for intended_s in due.begin_delayed:
            health.delayed()
            self._spawn(self._paced_call(intended_s))
        for intended_s in due.begin:
            health.started(now_s - intended_s)
            self._spawn(self._paced_call(intended_s))
        if due.expired_late or due.expired_waiting:
            health.expired(late=len(due.expired_late), waiting=len(due.expired_waiting))
            self._not_started(due.expired_late, TOO_LATE)
            self._not_started(due.expired_waiting, NO_SLOT)
        wake_s = pacer.next_wake_s()
        if wake_s < float("inf"):
            self._timer.at(max(0.0, wake_s - self._bench.clock.now_s()))
        else:
            self._scheduled.set()

    async def _paced_call(self, intended_s: float) -> None:
        try:
            await self._call(*self._next(), intended_s)
        finally:
            assert self._pacer is not None
            if self._pacer.ended():
                self._wake()

    async def _closed(self, loop: Closed) -> None:
        await self._pause(self._start_s - self._bench.clock.now_s())
        callers = [
            self._caller(loop, client, index)
            for client in self._clients
            for index in range(loop.concurrency)
        ]
        for caller in callers:
            self._spawn(caller)
        self._scheduled.set()

    async def _caller(self, loop: Closed, client: Client, index: int) -> None:
        rng = self._group.rng(self._bench.settings.seed, f"think/{client.number}/{index}")
        end_s = self._start_s + loop.duration_s
        intended_s = self._bench.clock.now_s()
        for pause_s in loop.pauses(rng):
            if self._stopping.is_set() or self._cancelled or intended_s >= end_s:
                return
            self._bench.health.started(self._bench.clock.now_s() - intended_s)
            await self._call(client, next(self._numbers), intended_s)
            intended_s = self._bench.clock.now_s() + pause_s
            if pause_s:
                await self._pause(min(pause_s, end_s - self._bench.clock.now_s()))

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    # --- calls --------------------------------------------------------------------------------

    def _next(self) -> tuple[Client, int]:
        """Whose turn it is, and the number that the call has on any number of generators."""
        (client, position), turn = next(self._turns)
        round_ = turn // len(self._clients)
        return client, round_ * self._group.clients_in_all + position + 1

    async def _call(self, client: Client, number: int, intended_s: float) -> None:
        """Make one call and record it."""
        call_id = f"{client.prefix}{number}"
        now_s = self._bench.clock.now_s
        self.in_flight += 1
        started_s = now_s()
        try:
            if self._group.channels:
                link, caller = client.next_link()
                progress = await caller.call(call_id)
                ended_s = now_s()
                connected = progress.status is _OK or link.connected_since(started_s)
            else:
                link = None
                progress, connected = await self._call_alone(client, call_id)
                ended_s = now_s()
        finally:
            self.in_flight -= 1
        self._record(client, number, link, progress, connected, (intended_s, started_s, ended_s))

    async def _call_alone(self, client: Client, call_id: str) -> tuple[Progress, bool]:
        """On a connection of its own; whether that may have been established."""
        flow = flow_id(call_id) if client.gateway else ""
        channel = open_channel(client.group, client.gateway, flow)
        try:
            progress = await Caller(channel, self._group, self._body, self._bench.clock).call(
                call_id
            )
            # Of retries nobody watched the channel: any of them may have reached a server.
            state = READY if self._group.retrying else channel.get_state().name
            return progress, state in (READY, IDLE)
        finally:
            await channel.close()

    def _record(
        self,
        client: Client,
        number: int,
        link: Link | None,
        progress: Progress,
        connected: bool,
        times: tuple[float, float, float],
    ) -> None:
        self.ended += 1
        records, pod, executed, attempts, connection = self._bench.records, 0, 0, 0, 0
        if progress.replies:
            reply = echo_pb2.EchoReply.FromString(progress.last)
            pod, executed, attempts = records.pod(reply), reply.executed, reply.attempts
            if link is not None:
                carried = link.connections.answered(
                    reply.client, started_s=times[1], ended_s=times[2]
                )
                connection = records.connection(carried)
        elif link is not None:
            # Without a connection meanwhile, it was a new one that the call wanted.
            connection = records.connection(link.connections.failed() if connected else None)
        status = progress.status
        ended = Outcome.OK if status is _OK else self._judge(progress, connected)
        records.add(
            self._index,
            client.number,
            number,
            *times,
            status.value[0],
            ended,
            pod,
            connection,
            progress.sent,
            progress.received,
            progress.replies,
            progress.first_s,
            executed,
            attempts,
            records.detail(progress.detail) if progress.detail else 0,
        )

    def _judge(self, progress: Progress, connected: bool) -> Outcome:
        return outcome(
            progress.status.name,
            progress.detail,
            connected=connected,
            replies=progress.replies,
            retrying=self._group.retrying,
        )

    def _not_started(self, intended: list[float], why: str) -> None:
        records, now_s = self._bench.records, self._bench.clock.now_s()
        for intended_s in intended:
            client, number = self._next()
            self.ended += 1
            row: list[float] = [self._index, client.number, number, intended_s, 0.0, now_s]
            row += [0, Outcome.NOT_STARTED, *[0] * 5, 0.0, 0, 0, records.detail(why)]
            records.add(*row)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


_OK = grpc.StatusCode.OK
