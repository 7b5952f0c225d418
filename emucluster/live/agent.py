"""The Agent service of a node or load balancer: its fault leases, its flows, its logs.

It is the machine room's line to this machine and no part of the machine: it answers while the
machine is silent, frozen or switched off.
"""

import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Protocol

from emucluster.core.errors import EmuclusterError
from emucluster.live.fault_board import FaultBoard
from emucluster.live.network.flows import Flow, FlowLog
from emucluster.live.network.looking import Looker
from emucluster.live.observing.board import ObservationBoard
from emucluster.live.rig.meter import RigMeter
from emucluster.live.rpc.errors import abort, translated
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc

FLOWS_MAX = 20_000

Configure = Callable[[Any], Any]


class Insides(Protocol):
    """What a node lets others see of its containers, and do in them."""

    def logs(self, request: Any) -> AsyncIterator[bytes]: ...

    def exec(self, requests: AsyncIterator[Any]) -> AsyncGenerator[Any, None]: ...

    async def usage(self) -> Any: ...


class Agent(lab_pb2_grpc.AgentServicer):
    """`insides` and `configure` are None where the machine has neither, `board` where it observes
    nothing, `looker` where it looks at nobody. The process is measured from now on until `close`.
    """

    def __init__(
        self,
        name: str,
        *,
        faults: FaultBoard,
        flows: FlowLog,
        describe: Callable[[], dict[str, Any]],
        insides: Insides | None = None,
        configure: Configure | None = None,
        board: ObservationBoard | None = None,
        looker: Looker | None = None,
    ) -> None:
        self._name = name
        self._faults = faults
        self._flows = flows
        self._describe = describe
        self._insides = insides
        self._configure = configure
        self._board = board or ObservationBoard()
        self._looker = looker
        self._rig = RigMeter(name)
        self._rig.start()

    def close(self) -> None:
        """Measure no more, and let go of what is held open."""
        self._rig.stop()
        if self._looker is not None:
            self._looker.close()

    @property
    def rig(self) -> RigMeter:
        """What measures this process."""
        return self._rig

    @translated
    async def InjectFault(self, request: Any, context: Any) -> Any:
        return await self._faults.inject(request)

    @translated
    async def ListFaults(self, request: Any, context: Any) -> Any:
        return lab_pb2.FaultList(faults=self._faults.list())

    @translated
    async def ClearFaults(self, request: Any, context: Any) -> Any:
        cleared = await self._faults.clear(None if request.all else request.id)
        return lab_pb2.FaultList(faults=cleared)

    @translated
    async def Flows(self, request: Any, context: Any) -> Any:
        found = self._flows.recent(since_s=request.since_s, address=request.address or None)
        limit = min(request.limit or FLOWS_MAX, FLOWS_MAX)
        return lab_pb2.FlowList(flows=[flow_message(flow) for flow in found[-limit:]])

    async def Logs(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if self._insides is None:
            await abort(context, EmuclusterError(f"{self._name} keeps no logs"))
            return
        try:
            async for data in self._insides.logs(request):
                yield lab_pb2.LogChunk(data=data)
        except EmuclusterError as error:
            await abort(context, error)

    async def Exec(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        """A process in a container; it ends when the caller goes."""
        if self._insides is None:
            await abort(context, EmuclusterError(f"{self._name} has no containers"))
            return
        async with contextlib.aclosing(self._insides.exec(requests)) as outputs:
            try:
                async for output in outputs:
                    yield output
            except EmuclusterError as error:
                await abort(context, error)

    @translated
    async def Usage(self, request: Any, context: Any) -> Any:
        """What the node's processes take."""
        if self._insides is None:
            raise EmuclusterError(f"{self._name} has no containers")
        return await self._insides.usage()

    @translated
    async def Describe(self, request: Any, context: Any) -> Any:
        facts = self._describe()
        return lab_pb2.AgentInfo(
            name=self._name,
            pid=os.getpid(),
            state=str(facts.get("state", "running")),
            json=json.dumps(facts).encode(),
        )

    async def Observe(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """What is so here and what is believed here: as it is now, then each change."""
        async with contextlib.aclosing(self._board.watch()) as batches:
            async for batch in batches:
                yield batch

    @translated
    async def Probe(self, request: Any, context: Any) -> Any:
        """Look at another machine; see `Looker`."""
        if self._looker is None:
            raise EmuclusterError(f"{self._name} looks at nobody")
        return await self._looker.look(request)

    @translated
    async def Rig(self, request: Any, context: Any) -> Any:
        return lab_pb2.RigReport(processes=[self._rig.report(request.since_s)])

    @translated
    async def ConfigureLoadBalancer(self, request: Any, context: Any) -> Any:
        if self._configure is None:
            raise EmuclusterError(f"{self._name} is no load balancer")
        return await self._configure(request)


def flow_message(flow: Flow) -> lab_pb2.Flow:
    """`flow` as it crosses between processes."""
    message = lab_pb2.Flow(
        id=flow.id,
        hop=flow.hop,
        host=flow.host,
        service=flow.service,
        endpoint=flow.endpoint,
        start_s=flow.start_s,
        bytes_in=flow.bytes_in,
        bytes_out=flow.bytes_out,
        closed_by=flow.closed_by,
        how=flow.how,
        reason=flow.reason,
        asked=flow.asked,
        cluster_ip=flow.cluster_ip,
    )
    for name in ("in_peer", "in_local", "out_local", "out_peer"):
        end = getattr(flow, name)
        if end is not None:
            getattr(message, name).CopyFrom(lab_pb2.Endpoint(ip=end[0], port=end[1]))
    if flow.end_s is not None:
        message.end_s = flow.end_s
    return message
