"""What a machine was asked for, when its process is new, and when the target is gone."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from emucluster.core.addresses import Slice
from emucluster.core.errors import NotFound, ServiceUnavailable
from emucluster.live.keeper.faults import Faults
from emucluster.live.keeper.leases import Leases
from emucluster.live.rpc.pb import lab_pb2

NOW_S = 1000.0


def request(**fields: Any) -> Any:
    return lab_pb2.FaultRequest(
        id="run.freeze.0", kind="freeze", target="pod/default/a", follow="identity", **fields
    )


def in_force(*, ends_s: float | None) -> Any:
    fault = lab_pb2.Fault(id="run.freeze.0", kind="freeze", target="pod/default/a")
    fault.state = "in force"
    if ends_s is not None:
        fault.ends_wall_s = ends_s
    return fault


def relayed(*, ends_s: float | None) -> Leases:
    leases = Leases()
    leases.ask("node-1", request())
    leases.note("node-1", request(), in_force(ends_s=ends_s), wall_s=NOW_S)
    return leases


def test_a_new_process_is_asked_for_what_is_left_of_its_time() -> None:
    leases = relayed(ends_s=NOW_S + 5)
    (again,) = leases.renew("node-1", wall_s=NOW_S + 4)
    assert again.until_s == NOW_S + 5
    assert leases.holds("run.freeze.0", wall_s=NOW_S + 4)


def test_what_is_over_by_its_time_is_neither_held_nor_asked_for_nor_said_to_end_now() -> None:
    assert not relayed(ends_s=NOW_S + 5).holds("run.freeze.0", wall_s=NOW_S + 5)
    assert relayed(ends_s=NOW_S + 5).renew("node-1", wall_s=NOW_S + 5) == []
    assert relayed(ends_s=NOW_S + 5).clear(None, wall_s=NOW_S + 5) == []
    assert relayed(ends_s=NOW_S + 5).clear("run.freeze.0", wall_s=NOW_S + 5) == []


def test_what_ended_with_its_target_is_not_asked_for_again() -> None:
    leases = relayed(ends_s=None)
    leases.lost("run.freeze.0")
    assert leases.renew("node-1", wall_s=NOW_S + 1) == []


def test_what_a_machine_calls_over_is_not_asked_for_again() -> None:
    leases = relayed(ends_s=None)
    over = in_force(ends_s=None)
    over.state = "ended"
    leases.note("node-1", request(), over, wall_s=NOW_S + 1)
    assert leases.renew("node-1", wall_s=NOW_S + 1) == []


class Cluster:
    """One node, of which the API server has a pod as long as `pod_is_there`."""

    def __init__(self) -> None:
        self.pod_is_there, self.node_has_it = True, True
        plane = machine("control-plane", "control-plane", told={"api": "api"})
        found = {m.name: m for m in (plane, machine("node-1", "node"))}
        machines = SimpleNamespace(
            get=found.get,
            of_kind=lambda kind: [m for m in found.values() if m.kind == kind],
            on_restarted=None,
        )
        agents = SimpleNamespace(pod=self.pod, call=self.call)
        self.faults = Faults(machines, agents, None, addresses=Slice(0))  # type: ignore[arg-type]

    async def pod(self, _api: str, _namespace: str, name: str) -> dict[str, Any]:
        if not self.pod_is_there:
            raise NotFound.of("pods", name)
        return {"spec": {"nodeName": "node-1"}, "status": {"podIP": "10.0.0.1"}}

    async def call(self, _agent: str, _method: str, asked: Any, *, who: str) -> Any:
        if not self.node_has_it:
            raise NotFound('pod "default/a" does not run here')
        return in_force(ends_s=asked.until_s)

    async def ask(self) -> str:
        return str((await self.faults.inject(request(until_s=time.time() + 60))).state)


def machine(name: str, kind: str, **fields: Any) -> Any:
    return SimpleNamespace(
        name=name, kind=kind, state="running", stopped=False, agent=name, **{"told": {}, **fields}
    )


def test_a_pod_that_neither_node_nor_api_has_any_more_is_not_found() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        assert await cluster.ask() == "in force"
        cluster.pod_is_there = False
        assert await cluster.ask() == "in force", "its node still has it, as a zombie"
        cluster.node_has_it = False
        with pytest.raises(NotFound, match="does not run here"):
            await cluster.ask()

    asyncio.run(scenario())


def test_a_pod_that_its_node_has_not_again_yet_is_only_away() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        await cluster.ask()
        cluster.node_has_it = False
        with pytest.raises(ServiceUnavailable, match="not yet again"):
            await cluster.ask()

    asyncio.run(scenario())


def test_a_peer_that_is_deleted_is_not_the_target() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        link = lab_pb2.FaultRequest(
            id="run.latency.0",
            kind="latency",
            target="node/node-1",
            peers=["pod/default/a"],
            params=b'{"delay": "10ms"}',
            until_s=time.time() + 60,
        )
        await cluster.faults.inject(link)
        cluster.pod_is_there = False
        with pytest.raises(ServiceUnavailable, match='"a" not found'):
            await cluster.faults.inject(link)

    asyncio.run(scenario())
