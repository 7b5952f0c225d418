"""Faults, relayed to their targets. Nobody but the target is told.

A machine whose process somebody killed is listed as a fault too: it is a crash that only clearing
ends. The control plane is crashed and frozen from here, by signals; its other faults are its own.
"""

import asyncio
import itertools
import logging
from typing import Any

from emucluster.core.addresses import Slice
from emucluster.core.errors import (
    BadRequest,
    EmuclusterError,
    NotFound,
    ServiceUnavailable,
    Unreachable,
    UsageError,
)
from emucluster.core.faults import GONE, FaultTarget, parse_target
from emucluster.live.clock import now_s, wall_s
from emucluster.live.fault_board import FaultBoard
from emucluster.live.fault_messages import read_request
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.cloud import Cloud, machine_name
from emucluster.live.keeper.leases import Leases
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.peers import Peers
from emucluster.live.keeper.plane_faults import SIGNALS, PlaneProcess, running_plane
from emucluster.live.keeper.pods import Pods
from emucluster.live.rpc.pb import lab_pb2

RENEW_PAUSE_S = 0.2
RENEW_WITHIN_S = 60.0

log = logging.getLogger(__name__)


class Faults:
    """Injects, lists and clears by way of the agents of the machines that hold the targets."""

    def __init__(
        self, machines: Machines, agents: Agents, cloud: Cloud, *, addresses: Slice
    ) -> None:
        self._machines = machines
        self._agents = agents
        self._cloud = cloud
        self._pods = Pods(machines, agents)
        self._peers = Peers(machines, addresses, self._pods.ip_of)
        self._plane_board = FaultBoard(PlaneProcess(machines))
        self._leases = Leases()
        self._renewing: set[asyncio.Task[None]] = set()
        machines.on_restarted = self._renew_all
        self._numbers = itertools.count(1)

    async def inject(self, request: Any) -> Any:
        """Have the target put the fault in force.

        Raises `BadRequest`, `NotFound`, or `Unreachable` for a target that does not answer.
        """
        try:
            asked = read_request(request, wall_s=wall_s())
        except UsageError as error:
            raise BadRequest(str(error)) from error
        relayed = lab_pb2.FaultRequest()
        relayed.CopyFrom(request)
        relayed.target = str(asked.target)
        relayed.id = request.id or self._new_id(request.kind)
        self._leases.check(relayed.id, relayed.kind, relayed.target)
        if asked.target.kind == "control-plane" and request.kind in SIGNALS:
            fault = await self._plane_board.inject(relayed)
            self._leases.ask("control-plane", relayed)
            return fault
        again = bool(self._leases.asked(relayed.id))
        machine, is_known = await self._machine_to_ask(asked.target, relayed.id)
        self._leases.ask(machine.name, relayed)
        del relayed.peers[:], relayed.networks[:]
        relayed.peers.extend(asked.peers)
        try:
            relayed.networks.extend(await self._peers.networks(asked.peers))
        except NotFound as error:
            if not again:
                self._leases.refused(relayed.id)
                raise
            raise ServiceUnavailable(str(error)) from error  # a peer is away, not the target
        try:
            return await self._relay(machine, relayed)
        except Unreachable:
            raise  # it may have been taken
        except NotFound as error:
            if again and is_known:
                # Its node's process may be new, and its pods take a while to come.
                raise ServiceUnavailable(f"{machine.name}: {error}, not yet again") from error
            self._leases.lost(relayed.id)
            self._leases.refused(relayed.id)
            raise
        except EmuclusterError:
            self._leases.refused(relayed.id)
            raise

    def _new_id(self, kind: str) -> str:
        """One that nobody has given a fault."""
        while True:
            fault_id = f"{kind}-{next(self._numbers)}"
            if not self._leases.asked(fault_id):
                return fault_id

    async def _relay(self, machine: Machine, request: Any) -> Any:
        agent = agent_of(machine)
        fault = await self._agents.call(agent, "InjectFault", request, who=machine.name)
        self._leases.note(machine.name, request, fault, wall_s=wall_s())
        return fault

    async def in_force(self) -> Any:
        """All faults in force, and those that ended lately; and which machines did not tell."""
        asked = [*running(self._machines), *self._plane_agent()]
        replies, silent = await self._agents.gather(
            asked, "ListFaults", lab_pb2.ListFaultsRequest()
        )
        known = {name for name, _ in asked}
        # The faults of a process that is gone went with it.
        silent += [m.name for m in self._machines if m.name not in known and not _is_gone(m)]
        found: list[Any] = [fault for reply in replies for fault in reply.faults]
        found += self._plane_board.list()
        found += [_gone(machine) for machine in self._machines if _is_gone(machine)]
        return lab_pb2.FaultList(faults=sorted(found, key=_injected), silent=silent)

    async def clear(self, request: Any) -> Any:
        """End one fault by id, or all. Raises `NotFound` for an id that nobody has in force.

        All machines are told: one that is asked for this id later does nothing.
        """
        if not request.all and not request.id:
            raise BadRequest("clear: a fault's id, or all, is required")
        fault_id = None if request.all else request.id
        relayed = self._leases.clear(fault_id, wall_s=wall_s())
        cleared = await self._plane_board.clear(fault_id)
        replies, silent = await self._agents.gather(running(self._machines), "ClearFaults", request)
        of_plane, _ = await self._agents.gather(self._plane_agent(), "ClearFaults", request)
        cleared += [fault for reply in (*replies, *of_plane) for fault in reply.faults]
        cleared += [_ended(each.fault) for each in relayed if self._is_lost(each.machine)]
        cleared += await self._revive(request)
        if request.id and not cleared:
            listed = f" ({', '.join(silent)} did not answer)" if silent else ""
            raise NotFound(f'fault "{request.id}" not found{listed}')
        return lab_pb2.FaultList(faults=cleared)

    def stop(self) -> None:
        """Forget the timers of what the keeper itself holds."""
        self._plane_board.stop()
        for task in self._renewing:
            task.cancel()

    async def _revive(self, request: Any) -> list[Any]:
        lost = [
            machine
            for machine in self._machines
            if _is_gone(machine) and (request.all or request.id == _gone(machine).id)
        ]
        ended = [_gone(machine, state="ended") for machine in lost]
        await asyncio.gather(*(self._revive_one(machine) for machine in lost))
        return ended

    async def _revive_one(self, machine: Machine) -> None:
        if machine.kind == "load-balancer":
            await self._cloud.revive(machine)
        else:
            await self._machines.restart(machine)
        self._renew_all(machine)

    def _renew_all(self, machine: Machine) -> None:
        for request in self._leases.renew(machine.name, wall_s=wall_s()):
            task = asyncio.create_task(self._renew(machine, request), name=f"renew {request.id}")
            self._renewing.add(task)
            task.add_done_callback(self._renewing.discard)

    async def _renew(self, machine: Machine, request: Any) -> None:
        """Have a new process put in force what the old one had; its pods take a while to come."""
        give_up_s = now_s() + RENEW_WITHIN_S
        while self._leases.holds(request.id, wall_s=wall_s()) and now_s() < give_up_s:
            try:
                agent = agent_of(machine)
                await self._agents.call(agent, "InjectFault", request, who=machine.name)
                return
            except EmuclusterError as error:
                log.info("%s has %s not again yet: %s", machine.name, request.id, error)
            await asyncio.sleep(RENEW_PAUSE_S)

    def _is_lost(self, name: str) -> bool:
        machine = self._machines.get(name)
        return machine is None or _is_gone(machine)

    async def _machine_to_ask(self, target: FaultTarget, fault_id: str) -> tuple[Machine, bool]:
        """The one that holds the target, or held it: a zombie's first ask deletes its pod. Also
        whether there is such a target, for all that is known."""
        try:
            return await self._holder(target), True
        except NotFound:
            machine = self._machines.get(self._leases.asked(fault_id))
            if machine is None:
                raise
            return machine, False

    async def _holder(self, target: FaultTarget) -> Machine:
        """The machine to ask: of a pod, its node."""
        if target.kind == "control-plane":
            return running_plane(self._machines)
        if target.kind == "pod":
            name = await self._pods.node_of(target.namespace, target.name)
        elif target.kind == "lb":
            name = machine_name(target.namespace, target.name)
        else:
            name = target.name
        machine = self._machines.get(name)
        if machine is None or (machine.kind == "load-balancer") != (target.kind == "lb"):
            kind = target.kind if target.kind in ("lb", "pod") else "node"
            raise NotFound(f'{kind} "{target.name}" not found')
        if machine.state != "running":
            raise Unreachable(f"{name} is {machine.state}; `fault clear {GONE}{name}` restarts it")
        return machine

    async def node_of(self, namespace: str, pod: str) -> str:
        """The node of a pod. Raises `NotFound` also while it has none."""
        return await self._pods.node_of(namespace, pod)

    async def pod(self, namespace: str, name: str) -> dict[str, Any]:
        """A pod as the API server has it. Raises `NotFound` or `Unreachable`."""
        plane = running_plane(self._machines)
        if plane.stopped:
            raise Unreachable("the control plane is stopped")
        return await self._agents.pod(agent_of(plane), namespace, name)

    def _plane_agent(self) -> list[tuple[str, str]]:
        """The control plane's own Agent, unless it cannot answer."""
        plane = self._machines.get("control-plane")
        if plane is None or plane.state != "running" or plane.stopped:
            return []
        return [(plane.name, agent_of(plane))]


def agent_of(machine: Machine) -> str:
    """Where its Agent is served: the control plane's, by its API server."""
    if machine.kind == "control-plane":
        return str(machine.told.get("api", ""))
    return machine.agent


def running(machines: Machines) -> list[tuple[str, str]]:
    """Name and agent of all nodes and load balancers whose processes live."""
    return [
        (machine.name, machine.agent)
        for machine in machines
        if machine.kind != "control-plane" and machine.state == "running" and machine.agent
    ]


def _ended(fault: Any) -> Any:
    fault.state, fault.ended_by = "ended", "clear"
    return fault


def _is_gone(machine: Machine) -> bool:
    return machine.state == "gone"


def _gone(machine: Machine, *, state: str = "in force") -> Any:
    named = f"node/{machine.name}" if machine.kind == "node" else str(parse_target(machine.name))
    return lab_pb2.Fault(
        id=f"{GONE}{machine.name}",
        kind="crash",
        target=named,
        injected_wall_s=machine.gone_wall_s,
        mechanism="process killed from outside",
        state=state,
    )


def _injected(fault: Any) -> float:
    return float(fault.injected_wall_s)
