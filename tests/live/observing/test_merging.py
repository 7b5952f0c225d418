"""The keeper merges what machines observe, what the API tells, and what becomes of processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

import grpc.aio
import pytest

from emucluster.core.objects import (
    EndpointSlice,
    Node,
    NodeCondition,
    NodeStatus,
    Object,
    ObjectMeta,
    ObjectReference,
    codec,
    replace,
)
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.observing import Observing
from emucluster.live.observing.board import ObservationBoard
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc, lab_pb2_grpc
from tests.core.kubeproxy.objects import endpoint, slice_of

pytestmark = pytest.mark.live
GONE_S = 123.0


class Agent(lab_pb2_grpc.AgentServicer):
    """Observes what the test puts on its board."""

    def __init__(self) -> None:
        self.board = ObservationBoard()

    async def Observe(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async with contextlib.aclosing(self.board.watch()) as batches:
            async for batch in batches:
                yield batch


class Mute(lab_pb2_grpc.AgentServicer):
    """Takes the question and never answers."""

    async def Observe(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield None


class Api(api_pb2_grpc.ApiServicer):
    """Lists `objects` to everybody who asks, then tells what is put into `changes`."""

    def __init__(self, *objects: Object) -> None:
        self.objects = objects
        self.changes: asyncio.Queue[Any] = asyncio.Queue()

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if not request.HasField("after_version"):
            yield api_pb2.WatchEvents(events=[event("ADDED", obj) for obj in self.objects])
        yield api_pb2.WatchEvents(state_done=True, version=1)
        while True:
            change = await self.changes.get()
            if change is None:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "crashed")
            yield api_pb2.WatchEvents(events=[change], version=2)


def event(type_: str, obj: Object) -> Any:
    return api_pb2.WatchEvent(type=type_, kind=obj.kind, version=1, json=codec.encode_json(obj))


async def serve(servicer: Any) -> tuple[grpc.aio.Server, str]:
    server = grpc.aio.server()
    if isinstance(servicer, Api):
        api_pb2_grpc.add_ApiServicer_to_server(servicer, server)
    else:
        lab_pb2_grpc.add_AgentServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"


class Lab:
    """Machines that are servers of this loop, and one watcher of them all."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.held: dict[tuple[str, str, str, str], str] = {}
        self.at_s: dict[str, float] = {}
        self.silent: list[str] = []
        self._servers: list[grpc.aio.Server] = []
        self._agents = Agents("token")

    async def add(self, name: str, servicer: Any, *, pid: int = 1) -> grpc.aio.Server:
        """A machine, or a new process of it."""
        server, address = await serve(servicer)
        self._servers.append(server)
        plane = isinstance(servicer, Api)
        self.machines[name] = machine = self.machines.get(name) or Machine(
            name=name,
            kind="control-plane" if plane else "node",
            implementation="",
            config={},
            address="",
            zone="zone-a",
            here=False,
        )
        machine.pid, machine.state = pid, "running"
        machine.agent = "" if plane else address
        machine.told = {"api": address} if plane else {}
        return server

    def __iter__(self) -> Any:
        return iter(list(self.machines.values()))

    def get(self, name: str) -> Machine | None:
        return self.machines.get(name)

    async def watch(self) -> Any:
        """The stream, with its present state taken."""
        stream = Observing(cast(Machines, self), self._agents, "token").stream()
        async for batch in stream:
            self._take(batch)
            if batch.state_done:
                self.silent = list(batch.silent)
                return stream
        raise AssertionError("the stream ended")

    async def until(self, stream: Any, condition: Callable[[], bool]) -> None:
        while not condition():
            self._take(await anext(stream))

    def _take(self, batch: Any) -> None:
        for each in batch.observations:
            observer = "truth" if each.truth else each.observer
            self.held[observer, each.where, each.subject, each.service] = each.state
            self.at_s[each.subject] = each.at_s

    def state(
        self, subject: str, observer: str = "truth", where: str = "", service: str = ""
    ) -> str:
        return self.held.get((observer, where, subject, service), "")

    async def close(self) -> None:
        await self._agents.close()
        await asyncio.gather(*(server.stop(None) for server in self._servers))


def run(scenario: Callable[[Lab], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            lab = Lab()
            try:
                await scenario(lab)
            finally:
                await lab.close()

    asyncio.run(bounded())


def with_pod(agent: Agent, node: str, pod: str) -> Agent:
    agent.board.truth(f"node/{node}", "up", "running", node=node)
    agent.board.truth(f"pod/default/{pod}", "up", "running", node=node)
    return agent


def test_the_present_state_of_all_comes_first_and_names_who_does_not_tell_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("emucluster.live.keeper.observing.ANSWER_S", 0.5)

    async def scenario(lab: Lab) -> None:
        await lab.add("node-1", with_pod(Agent(), "node-1", "a"))
        await lab.add("node-2", Mute())
        stream = await lab.watch()
        assert lab.state("node/node-1") == lab.state("pod/default/a") == "up"
        assert lab.silent == ["node-2"]
        await stream.aclose()

    run(scenario)


def test_machines_that_come_later_are_followed_too() -> None:
    async def scenario(lab: Lab) -> None:
        stream = await lab.watch()
        agent = with_pod(Agent(), "node-1", "a")
        await lab.add("node-1", agent)
        await lab.until(stream, lambda: lab.state("pod/default/a") == "up")
        agent.board.truth("pod/default/a", "down", "not running")
        await lab.until(stream, lambda: lab.state("pod/default/a") == "down")
        await stream.aclose()

    run(scenario)


def test_a_process_that_goes_takes_node_and_pods_down_at_the_time_of_its_end() -> None:
    async def scenario(lab: Lab) -> None:
        server = await lab.add("node-1", with_pod(Agent(), "node-1", "a"))
        stream = await lab.watch()
        await server.stop(None)
        lab.machines["node-1"].state, lab.machines["node-1"].gone_wall_s = "gone", GONE_S
        await lab.until(stream, lambda: lab.state("pod/default/a") == "down")
        assert lab.state("node/node-1") == "down"
        assert lab.at_s["node/node-1"] == lab.at_s["pod/default/a"] == GONE_S
        await stream.aclose()

    run(scenario)


def test_a_new_process_tells_what_is_so_and_what_it_does_not_know_is_gone() -> None:
    async def scenario(lab: Lab) -> None:
        first = with_pod(Agent(), "node-1", "a")
        first.board.belief("proxy", "pod/default/a", "in", "", where="node-1", service="d/web")
        server = await lab.add("node-1", first)
        stream = await lab.watch()
        assert lab.state("pod/default/a", "proxy", "node-1", "d/web") == "in"
        await server.stop(None)
        await lab.add("node-1", with_pod(Agent(), "node-1", "b"), pid=2)
        await lab.until(stream, lambda: lab.state("pod/default/a") == "gone")
        assert lab.state("pod/default/b") == lab.state("node/node-1") == "up"
        assert lab.state("pod/default/a", "proxy", "node-1", "d/web") == "out"
        await stream.aclose()

    run(scenario)


def node(ready: str) -> Node:
    condition = NodeCondition(type="Ready", status=ready)
    return Node(
        metadata=ObjectMeta(name="node-1", uid="u", resource_version="1"),
        status=NodeStatus(conditions=(condition,)),
    )


def web(*ready: str) -> EndpointSlice:
    ends = (
        replace(
            endpoint(f"127.32.1.{n}", conditions="ready" if pod in ready else "unready"),
            target_ref=ObjectReference(kind="Pod", namespace="default", name=pod),
        )
        for n, pod in enumerate(("a", "b"), start=2)
    )
    return slice_of(*ends)


def test_the_api_tells_leases_and_endpoints_and_is_followed_through_a_crash() -> None:
    async def scenario(lab: Lab) -> None:
        api = Api(node("True"), web("a", "b"))
        await lab.add("control-plane", api)
        stream = await lab.watch()
        assert lab.state("node/node-1", "lease") == "in"
        assert lab.state("pod/default/a", "endpoints", service="default/web") == "in"
        api.changes.put_nowait(event("MODIFIED", web("a")))
        await lab.until(
            stream,
            lambda: lab.state("pod/default/b", "endpoints", service="default/web") == "out",
        )
        api.changes.put_nowait(None)  # the watch breaks
        api.changes.put_nowait(event("MODIFIED", node("Unknown")))
        await lab.until(stream, lambda: lab.state("node/node-1", "lease") == "out")
        assert lab.state("pod/default/a", "endpoints", service="default/web") == "in"
        await stream.aclose()

    run(scenario)


def test_nothing_goes_on_once_nobody_watches() -> None:
    async def scenario(lab: Lab) -> None:
        await lab.add("node-1", with_pod(Agent(), "node-1", "a"))
        await lab.add("control-plane", Api(node("True")))
        before = asyncio.all_tasks()
        stream = await lab.watch()
        await stream.aclose()
        left = {
            task.get_name() for task in asyncio.all_tasks() - before if "observe" in task.get_name()
        }
        assert left == set()

    run(scenario)
