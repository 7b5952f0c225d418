"""The keeper has others look at a target; one that acknowledges and does nothing is found out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

import grpc.aio
import pytest

from emucluster.core.addresses import AGENT_PORT, HEALTHZ_PORT, TUNNEL_PORT, Slice
from emucluster.core.errors import NotFound
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.faults import Faults
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.observing import Observing
from emucluster.live.keeper.places import Places
from emucluster.live.keeper.samples import Samples
from emucluster.live.keeper.witness import Witnesses
from emucluster.live.network import healthz, tunnel
from emucluster.live.network.dialer import dial
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.healthz import Answer
from emucluster.live.network.looking import Looker
from emucluster.live.network.routes import Route
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc

pytestmark = pytest.mark.live
KEEPER = "127.62.4.9"
ADDRESSES = {"node-1": "127.62.4.1", "node-2": "127.62.4.2"}


class Agent(lab_pb2_grpc.AgentServicer):
    """Looks where it is asked to."""

    def __init__(self, looker: Looker) -> None:
        self._looker = looker

    async def Probe(self, request: Any, context: Any) -> Any:
        return await self._looker.look(request)


class Node:
    """A host with health port and tunnel, and its Agent."""

    def __init__(self, name: str) -> None:
        self.name, self.address = name, ADDRESSES[name]
        self.host = Forwarding(name)

    async def start(self) -> Machine:
        ip = self.address
        self.looker = Looker(dial, ip, token="token")
        healthz.listen(self.host, ip, HEALTHZ_PORT, lambda path: Answer(200, {}, b""))
        own = Route((ip, AGENT_PORT), source=ip)
        tunnel.listen(self.host, ip, TUNNEL_PORT, lambda arrival: own, token=b"token")
        self._server = grpc.aio.server()
        lab_pb2_grpc.add_AgentServicer_to_server(Agent(self.looker), self._server)
        agent = f"{ip}:{self._server.add_insecure_port(f'{ip}:{AGENT_PORT}')}"
        await self._server.start()
        return Machine(
            name=self.name,
            kind="node",
            implementation="",
            config={},
            address=ip,
            agent=agent,
            state="running",
            here=False,
        )

    async def stop(self) -> None:
        self.looker.close()
        await self.host.aclose()
        await self._server.stop(None)


class Lab:
    """Two nodes; faults are acknowledged, and `effect` is what the target really does."""

    def __init__(self, nodes: list[Node], effect: Callable[[Node], object]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._effect = effect
        self.machines: dict[str, Machine] = {}
        self.agents = Agents("token")
        self.outside = Looker(dial, KEEPER, token="token")
        machines = cast(Machines, self)
        places = Places(machines, self.agents, Slice(0), self.outside)
        samples = Samples(
            machines, self.agents, self.pod, lambda: Observing(machines, self.agents, "token")
        )
        self.witnesses = Witnesses(places, samples, cast(Faults, self))

    # as `Machines`

    def __iter__(self) -> Any:
        return iter(list(self.machines.values()))

    def get(self, name: str) -> Machine | None:
        return self.machines.get(name)

    def of_kind(self, kind: str) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.kind == kind]

    # as `Faults`

    async def pod(self, namespace: str, name: str) -> dict[str, Any]:
        raise NotFound("no pods here")

    async def in_force(self) -> Any:
        return lab_pb2.FaultList()

    async def inject(self, request: Any) -> Any:
        self._effect(self._nodes[request.target.partition("/")[2]])
        return lab_pb2.Fault(id="f-1", kind=request.kind, target=request.target, state="in force")

    async def seen(self, kind: str, *, timeout_s: float = 0.1, **more: Any) -> Any:
        params = json.dumps(more.pop("params", {})).encode()
        request = lab_pb2.FaultRequest(kind=kind, target="node/node-2", params=params, **more)
        fault = await self.witnesses.inject(request)
        return await self.witnesses.seen(
            lab_pb2.WitnessRequest(fault_id=fault.id, timeout_s=timeout_s)
        )


def nothing(node: Node) -> None:
    """Acknowledge and do nothing."""


def run(
    scenario: Callable[[Lab], Coroutine[Any, Any, None]],
    effect: Callable[[Node], object] = nothing,
) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            nodes = [Node(name) for name in ADDRESSES]
            lab = Lab(nodes, effect)
            lab.machines = {node.name: await node.start() for node in nodes}
            try:
                await scenario(lab)
            finally:
                lab.outside.close()
                await lab.agents.close()
                for node in nodes:
                    await node.stop()

    asyncio.run(bounded())


BY_NODES = [
    ("power-off", {}),
    ("crash", {}),
    ("freeze", {}),
    ("reboot", {}),
    ("flap", {}),
    ("slow", {}),
]
BY_PEERS = [
    ("partition", {}),
    ("latency", {}),
    ("loss", {}),
    ("bandwidth", {"bytesPerSecond": 10_000}),
    ("reset", {}),
    ("half-open", {}),
]


def test_a_target_that_acknowledges_and_does_nothing_is_seen_to_be_well() -> None:
    async def scenario(lab: Lab) -> None:
        for number, (kind, params) in enumerate([*BY_NODES, *BY_PEERS]):
            peers = ["node/node-1"] if number >= len(BY_NODES) else []
            witnessed = await lab.seen(kind, params=params, peers=peers, id=f"f-{number}")
            assert not witnessed.seen, (kind, witnessed.what)
            assert witnessed.what.startswith("node/node-1: "), kind

    run(scenario)


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        ("power-off", lambda node: node.host.silence()),
        ("crash", lambda node: node.host.close_all_with_reset()),
        ("freeze", lambda node: node.host.freeze()),
        ("flap", lambda node: node.host.silence()),
    ],
)
def test_what_a_target_really_has_is_seen_by_another_node(
    kind: str, effect: Callable[[Node], object]
) -> None:
    async def scenario(lab: Lab) -> None:
        witnessed = await lab.seen(kind)
        assert (witnessed.seen, witnessed.by) == (True, "node/node-1"), witnessed.what

    run(scenario, effect)


def test_a_connection_from_before_that_is_reset_is_seen_by_who_held_it() -> None:
    async def scenario(lab: Lab) -> None:
        witnessed = await lab.seen("reset", peers=["node/node-1"])
        assert (witnessed.seen, witnessed.by) == (True, "node/node-1"), witnessed.what

    run(scenario, lambda node: node.host.reset_where(lambda flow: True, reason="reset"))


def test_outside_peers_look_from_an_outside_clients_address() -> None:
    seen: list[str] = []

    async def scenario(lab: Lab) -> None:
        await lab.seen("latency", peers=["outside"])
        flows = lab._nodes["node-2"].host.flows.recent()
        seen.extend(flow.in_peer[0] for flow in flows)

    run(scenario)
    assert set(seen) == {"127.224.255.254"}


def test_nobody_who_is_hurt_himself_is_a_witness_and_then_the_keeper_looks() -> None:
    async def scenario(lab: Lab) -> None:
        hurt = lab_pb2.Fault(kind="freeze", target="node/node-1", state="in force")

        async def in_force() -> Any:
            return lab_pb2.FaultList(faults=[hurt])

        lab.in_force = in_force  # type: ignore[method-assign]
        assert (await lab.seen("crash")).by == "keeper"

    run(scenario)


def test_of_a_fault_that_nobody_asked_for_here_nothing_is_known() -> None:
    async def scenario(lab: Lab) -> None:
        with pytest.raises(NotFound):
            await lab.witnesses.seen(lab_pb2.WitnessRequest(fault_id="other"))

    run(scenario)


def test_an_ask_that_is_repeated_is_compared_with_what_was_before_the_first() -> None:
    async def scenario(lab: Lab) -> None:
        request = lab_pb2.FaultRequest(id="f-1", kind="slow", target="node/node-2")
        await lab.witnesses.inject(request)
        flows = len(lab._nodes["node-2"].host.flows.recent())
        assert flows > 0
        await lab.witnesses.inject(request)
        assert len(lab._nodes["node-2"].host.flows.recent()) == flows

    run(scenario)


def test_who_has_no_way_to_a_target_is_no_witness() -> None:
    """Its address is one of 127.0.0.0/8, which is another host's own there."""

    async def scenario(lab: Lab) -> None:
        lab.machines["node-1"].host = "10.0.0.1"
        lab.machines["node-2"].host = ""
        assert (await lab.seen("crash")).by == "keeper"
        lab.machines["node-2"].host = "10.0.0.1"
        assert (await lab.seen("crash")).by == "node/node-1"

    run(scenario)
