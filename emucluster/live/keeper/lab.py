"""The `Lab` service: the truth about machines, and the world outside the cluster."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from emucluster.core.errors import EmuclusterError, NotFound, Unreachable
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.cloud import Cloud
from emucluster.live.keeper.edge import Edge
from emucluster.live.keeper.faults import Faults, running
from emucluster.live.keeper.generators import Generators
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.observing import Observing
from emucluster.live.keeper.rig import ClusterRig
from emucluster.live.keeper.witness import Witnesses
from emucluster.live.rpc.errors import abort, translated
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc

FLOWS_LIMIT = 10_000


class Lab(lab_pb2_grpc.LabServicer):
    """Thin: each request goes to the part that knows."""

    def __init__(
        self,
        *,
        status: Callable[[], Any],
        machines: Machines,
        agents: Agents,
        faults: Faults,
        cloud: Cloud,
        edge: Edge,
        rig: ClusterRig,
        witnesses: Witnesses,
        observing: Callable[[], Observing],
        generators: Generators,
        down: Callable[[float], None],
    ) -> None:
        self._status = status
        self._machines = machines
        self._agents = agents
        self._faults = faults
        self._cloud = cloud
        self._edge = edge
        self._rig = rig
        self._witnesses = witnesses
        self._observing = observing
        self._generators = generators
        self._down = down

    @translated
    async def Status(self, _request: Any, _context: Any) -> Any:
        status = self._status()
        status.faults.extend((await self._faults.in_force()).faults)
        return status

    @translated
    async def InjectFault(self, request: Any, _context: Any) -> Any:
        return await self._witnesses.inject(request)

    @translated
    async def ListFaults(self, _request: Any, _context: Any) -> Any:
        return await self._faults.in_force()

    @translated
    async def ClearFaults(self, request: Any, _context: Any) -> Any:
        return await self._faults.clear(request)

    @translated
    async def Flows(self, request: Any, _context: Any) -> Any:
        """The newest `limit` flows of all hosts by start; and who kept silent."""
        asked = running(self._machines)
        replies, silent = await self._agents.gather(asked, "Flows", request)
        known = {name for name, _ in asked}
        silent += [
            machine.name
            for machine in self._machines
            if machine.kind != "control-plane" and machine.name not in known
        ]
        flows = [flow for reply in replies for flow in reply.flows]
        flows += self._edge.flows(since_s=request.since_s, address=request.address or None)
        flows.sort(key=lambda flow: flow.start_s)
        return lab_pb2.FlowList(flows=flows[-(request.limit or FLOWS_LIMIT) :], silent=silent)

    async def Logs(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """A pod's log from its node: the one named, or the one the API server knows."""
        try:
            namespace = request.namespace or "default"
            node = request.node or await self._faults.node_of(namespace, request.pod)
            machine = self._machines.get(node)
            if machine is None:
                raise NotFound(f'node "{node}" not found')
            if machine.state != "running":
                raise Unreachable(f"{node} is {machine.state}")
            async for chunk in self._agents.logs(machine.agent, request, who=node):
                yield chunk
        except EmuclusterError as error:
            await abort(context, error)

    async def OpenClient(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """An outside client's address and gateway, until the caller ends the stream."""
        try:
            client = self._edge.open(request.label)
        except EmuclusterError as error:
            await abort(context, error)
        try:
            yield lab_pb2.OutsideClient(address=client.address, gateway=client.gateway)
            await asyncio.get_running_loop().create_future()
        finally:
            client.close()

    async def Observe(self, _request: Any, _context: Any) -> AsyncIterator[Any]:
        """What is so and what everybody believes, until the caller ends the stream."""
        async with contextlib.aclosing(self._observing().stream()) as batches:
            async for batch in batches:
                yield batch

    @translated
    async def Witness(self, request: Any, _context: Any) -> Any:
        """Whether somebody other than its target sees a fault, or sees that it is over."""
        if request.over:
            return await self._witnesses.over(request)
        return await self._witnesses.seen(request)

    @translated
    async def Rig(self, request: Any, _context: Any) -> Any:
        return await self._rig.report(request.since_s)

    async def OpenGenerators(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Load generators, until the caller ends the stream or is gone."""
        try:
            opened = await self._generators.open(request.count)
        except EmuclusterError as error:
            await abort(context, error)
        try:
            yield lab_pb2.Generators(generators=[_generator(machine) for machine in opened])
            await asyncio.get_running_loop().create_future()
        finally:
            self._generators.release(opened)

    @translated
    async def EnsureLoadBalancer(self, request: Any, _context: Any) -> Any:
        return await self._cloud.ensure(request)

    @translated
    async def DeleteLoadBalancer(self, request: Any, _context: Any) -> Any:
        await self._cloud.delete(request.namespace, request.service)
        return request

    @translated
    async def Down(self, request: Any, _context: Any) -> Any:
        """Begin to take the cluster down; the answer comes before its end."""
        self._down(request.grace_s)
        return lab_pb2.DownResponse()


def _generator(machine: Machine) -> Any:
    return lab_pb2.Generator(
        name=machine.name, agent=machine.agent, pid=machine.pid, host=machine.host
    )
