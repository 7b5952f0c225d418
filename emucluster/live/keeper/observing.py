"""Merges what all machines observe, what the API server tells, and what becomes of processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any

import grpc.aio

from emucluster.live.clock import wall_s
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.api_beliefs import ApiBeliefs
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.observing.board import Key, ObservationBoard, key_of
from emucluster.live.rpc.pb import lab_pb2

LOOK_S = 0.2
"""How often it is looked for machines that came or whose process went; the time of an end is
known exactly all the same."""
ANSWER_S = 2.0
"""Who has not told his present state by then counts as silent."""
RETRY_S = 0.3

GONE = "process gone"
STOPPED = "process stopped"

log = logging.getLogger(__name__)


class Observing:
    """One watcher's view of the whole cluster, for as long as `stream` is read."""

    def __init__(self, machines: Machines, agents: Agents, token: str) -> None:
        self._machines = machines
        self._agents = agents
        self._token = token
        self._board = ObservationBoard()
        self._follows: dict[str, _Follow] = {}
        self._api: ApiBeliefs | None = None

    async def stream(self) -> AsyncGenerator[Any, None]:
        """The present state of everybody who answers, `state_done`, then each change."""
        looking: asyncio.Task[None] | None = None
        try:
            self._look()
            looking = asyncio.create_task(self._look_again(), name="observe")
            silent = await self._present_state()
            async with contextlib.aclosing(self._board.watch()) as batches:
                async for batch in batches:
                    if batch.state_done:
                        batch.silent.extend(silent)
                    yield batch
        finally:
            if looking is not None:
                looking.cancel()
            await self._stop()

    async def _present_state(self) -> list[str]:
        """Wait for everybody's; the names of those who do not tell it in time."""
        waits: dict[str, Coroutine[Any, Any, object]]
        waits = {name: follow.told.wait() for name, follow in self._follows.items()}
        if self._api is not None:
            waits["control-plane"] = self._api.synced()
        tasks = {name: asyncio.create_task(wait) for name, wait in waits.items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=ANSWER_S)
        silent = [name for name, task in tasks.items() if not task.done()]
        for task in tasks.values():
            task.cancel()
        return sorted(silent)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._look()

    def _look(self) -> None:
        """Follow machines that are new, and tell of processes that ended or were stopped."""
        for machine in self._machines:
            if machine.kind == "control-plane":
                self._look_at_plane(machine)
                continue
            follow = self._follows.get(machine.name)
            if follow is None:
                follow = self._follows[machine.name] = _Follow(self, machine)
            follow.look()
        for name in [name for name in self._follows if self._machines.get(name) is None]:
            self._follows.pop(name).leave()

    def _look_at_plane(self, machine: Machine) -> None:
        api = str(machine.told.get("api", ""))
        if self._api is None and api:
            self._api = ApiBeliefs(self._board, api, self._token)
            self._api.start()

    async def _stop(self) -> None:
        follows, self._follows = list(self._follows.values()), {}
        await asyncio.gather(*(follow.stop() for follow in follows))
        if self._api is not None:
            await self._api.stop()

    # --- what each follower tells

    def put(self, observation: Any) -> None:
        self._board.put(observation, forget=ends(observation))

    def drop(self, keys: set[Key]) -> None:
        """These are no more: nobody told that they ended, but their observer has none of them."""
        for key in keys:
            known = self._board.present(key)
            if known is not None:
                last = lab_pb2.Observation()
                last.CopyFrom(known)
                last.at_s = wall_s()
                last.state = "gone" if known.truth else "out"
                last.word = "not known any more"
                self._board.put(last, forget=True)

    def whole_machine(self, machine: Machine, state: Any, word: str, at_s: float) -> None:
        """What became of a node's process is so of the node and of all its pods."""
        if machine.kind != "node":
            return
        self._board.truth(
            f"node/{machine.name}",
            state,
            word,
            at_s=at_s,
            node=machine.name,
            zone=machine.zone,
        )
        for pod in self._board.truths():
            if pod.node == machine.name and pod.subject.startswith("pod/"):
                self._board.truth(
                    pod.subject,
                    state,
                    word,
                    at_s=at_s,
                    node=pod.node,
                    zone=pod.zone,
                    services=pod.services,
                )

    async def watch(self, machine: Machine) -> AsyncIterator[Any]:
        """What one machine's Agent tells."""
        async for batch in self._agents.observe(machine.agent):
            yield batch


def ends(observation: Any) -> bool:
    """Whether it is the last of its kind: a pod that left a Service is no part of what is so."""
    if observation.truth:
        return bool(observation.state == "gone")
    left = observation.observer in ("proxy", "dns", "endpoints")
    return bool(left and observation.state == "out")


class _Follow:
    """Follows the Agent of one machine from process to process."""

    def __init__(self, all_: Observing, machine: Machine) -> None:
        self._all = all_
        self._machine = machine
        self._keys: set[Key] = set()
        self._process: tuple[int, str] = (0, "")
        self._stopped = False
        self._task: asyncio.Task[None] | None = None
        self.told = asyncio.Event()
        """Set once its present state was told, or it is known that it has none."""

    def look(self) -> None:
        """Act on what became of the process."""
        machine = self._machine
        if machine.state == "gone":
            self._end()
        elif machine.state == "running" and machine.agent:
            if self._process != (machine.pid, machine.agent):
                self._begin()
            if machine.stopped != self._stopped:
                self._note_stopped(machine.stopped)

    def leave(self) -> None:
        """The machine was removed in good order."""
        self._cancel()
        self._all.drop(self._keys)

    async def stop(self) -> None:
        self._cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self) -> None:
        self._cancel()
        self._process = (self._machine.pid, self._machine.agent)
        self._task = asyncio.create_task(self._follow(), name=f"observe {self._machine.name}")

    def _end(self) -> None:
        if self._process[0]:
            self._cancel()
            self._process, self._stopped = (0, ""), False
        self.told.set()
        self._all.whole_machine(self._machine, "down", GONE, self._machine.gone_wall_s or wall_s())

    def _note_stopped(self, stopped: bool) -> None:
        """By SIGSTOP from outside; the Agent tells what is so again once it goes on."""
        self._stopped = stopped
        if stopped:
            self._all.whole_machine(self._machine, "degraded", STOPPED, wall_s())
        else:
            self._begin()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        """Read its stream, and again when it breaks while the process lives."""
        while True:
            try:
                await self._read()
            except grpc.aio.AioRpcError as error:
                log.info("%s does not observe: %s", self._machine.name, error.code())
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    self.told.set()
                    return
            await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        fresh: set[Key] | None = set()
        async for batch in self._all.watch(self._machine):
            for observation in batch.observations:
                key = key_of(observation)
                (self._keys.discard if ends(observation) else self._keys.add)(key)
                if fresh is not None:
                    fresh.add(key)
                self._all.put(observation)
            if batch.state_done and fresh is not None:
                self._all.drop(self._keys - fresh)
                self._keys, fresh = fresh, None
                self.told.set()
