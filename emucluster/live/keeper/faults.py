"""Faults, relayed to their targets. Nobody but the target is told.

A machine whose process somebody killed is listed as a fault too: it is a crash that only clearing
ends. Faults of the control plane are done to its process, for it has no agent to ask.
"""

import asyncio
import itertools
import logging
import signal
from typing import Any

from emucluster.core.errors import BadRequest, EmuclusterError, NotFound, Unreachable, UsageError
from emucluster.core.faults import FaultTarget, check, parse_target
from emucluster.live.clock import wall_s
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.cloud import Cloud, machine_name
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.rpc.pb import lab_pb2

GONE = "gone-"

log = logging.getLogger(__name__)


class Faults:
    """Injects, lists and clears by way of the agents of nodes and load balancers."""

    def __init__(self, machines: Machines, agents: Agents, cloud: Cloud) -> None:
        self._machines = machines
        self._agents = agents
        self._cloud = cloud
        self._numbers = itertools.count(1)
        self._frozen: dict[str, tuple[Any, asyncio.TimerHandle | None]] = {}

    async def inject(self, request: Any) -> Any:
        """Apply `request.kind` to `request.target` until cleared, or for `duration_s`.

        Raises `BadRequest`, `NotFound`, or `Unreachable` for a target that does not answer.
        """
        try:
            target = parse_target(request.target)
            check(request.kind, target, _duration_s(request))
        except UsageError as error:
            raise BadRequest(str(error)) from error
        if target.kind == "control-plane":
            return self._inject_control_plane(request)
        machine = await self._agent_of(target)
        relayed = lab_pb2.FaultRequest()
        relayed.CopyFrom(request)
        relayed.target = str(target)
        if not relayed.id:
            relayed.id = f"{request.kind}-{next(self._numbers)}"
        return await self._agents.call(machine.agent, "InjectFault", relayed, who=machine.name)

    async def in_force(self) -> Any:
        """All faults in force; machines that do not answer are left out."""
        replies, _ = await self._agents.gather(
            running(self._machines), "ListFaults", lab_pb2.ListFaultsRequest()
        )
        found: list[Any] = [fault for reply in replies for fault in reply.faults]
        found += [fault for fault, _ in self._frozen.values()]
        found += [_gone(machine) for machine in self._machines if _is_gone(machine)]
        return lab_pb2.FaultList(faults=sorted(found, key=_injected))

    async def clear(self, request: Any) -> Any:
        """End one fault by id, or all. Raises `NotFound` for an id that nobody knows."""
        if not request.all and not request.id:
            raise BadRequest("clear: a fault's id, or all, is required")
        cleared = self._thaw(request)
        replies, silent = await self._agents.gather(running(self._machines), "ClearFaults", request)
        cleared += [fault for reply in replies for fault in reply.faults]
        cleared += await self._revive(request)
        if request.id and not cleared:
            listed = f" ({', '.join(silent)} did not answer)" if silent else ""
            raise NotFound(f'fault "{request.id}" not found{listed}')
        return lab_pb2.FaultList(
            faults=cleared,
        )

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

    async def _agent_of(self, target: FaultTarget) -> Machine:
        """The machine to ask: of a pod, its node, which only the API server knows."""
        if target.kind == "pod":
            name = await self.node_of(target.namespace, target.name)
        elif target.kind == "lb":
            name = machine_name(target.namespace, target.name)
        else:
            name = target.name
        machine = self._machines.get(name)
        if machine is None:
            raise NotFound(f'{target.kind} "{target.name}" not found')
        if machine.state != "running":
            raise Unreachable(f"{name} is {machine.state}; `fault clear {GONE}{name}` restarts it")
        return machine

    async def node_of(self, namespace: str, pod: str) -> str:
        """The node of a pod. Raises `NotFound` also while it has none."""
        found = await self._agents.pod(self._api(), namespace, pod)
        node = str(found.get("spec", {}).get("nodeName") or "")
        if not node:
            raise NotFound(f'pod "{pod}" is not scheduled to a node yet')
        return node

    def _api(self) -> str:
        return str(self._plane().told.get("api", ""))

    def _plane(self) -> Machine:
        plane = self._machines.get("control-plane")
        if plane is None or plane.state != "running":
            raise Unreachable("the control plane is not running")
        return plane

    def _inject_control_plane(self, request: Any) -> Any:
        plane = self._plane()
        now, freeze = wall_s(), request.kind == "freeze"
        fault = lab_pb2.Fault(
            id=request.id or f"{request.kind}-{next(self._numbers)}",
            kind=request.kind,
            target="control-plane",
            injected_wall_s=now,
            mechanism="SIGSTOP" if freeze else "SIGKILL",
            state="in force",
        )
        if not plane.kill(signal.SIGSTOP if freeze else signal.SIGKILL):
            raise EmuclusterError("the control plane's process is not on the keeper's host")
        if not freeze:
            # Ray starts it again at once; there is nothing to lift.
            fault.state, fault.ends_wall_s = "ended", now
            return fault
        timer, duration_s = None, _duration_s(request)
        if duration_s is not None:
            fault.ends_wall_s = now + duration_s
            loop = asyncio.get_running_loop()
            timer = loop.call_later(duration_s, self._thaw_one, fault.id)
        self._frozen[fault.id] = (fault, timer)
        return fault

    def _thaw(self, request: Any) -> list[Any]:
        wanted = [key for key in self._frozen if request.all or key == request.id]
        return [fault for key in wanted if (fault := self._thaw_one(key)) is not None]

    def _thaw_one(self, key: str) -> Any:
        fault, timer = self._frozen.pop(key, (None, None))
        if timer is not None:
            timer.cancel()
        plane = self._machines.get("control-plane")
        if fault is not None and not self._frozen and plane is not None:
            plane.kill(signal.SIGCONT)
        if fault is not None:
            fault.state = "ended"
        return fault


def running(machines: Machines) -> list[tuple[str, str]]:
    """Name and agent of all nodes and load balancers whose processes live."""
    return [
        (machine.name, machine.agent)
        for machine in machines
        if machine.kind != "control-plane" and machine.state == "running" and machine.agent
    ]


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


def _duration_s(request: Any) -> float | None:
    return float(request.duration_s) if request.HasField("duration_s") else None


def _injected(fault: Any) -> float:
    return float(fault.injected_wall_s)
