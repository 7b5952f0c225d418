"""Small actors in place of control plane, node and load balancer: real processes and sockets."""

import json
import os
import time
from typing import Any

from emucluster.core.addresses import AGENT_PORT, API_PORT, DNS_PORT
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc, lab_pb2, lab_pb2_grpc
from emucluster.live.rpc.server import bind, make_server


class _Api(api_pb2_grpc.ApiServicer):  # type: ignore[misc]
    """Knows pods whose names end in the name of their node, as `web.node-2`."""

    async def Get(self, request: Any, _context: Any) -> Any:
        node = request.name.partition(".")[2]
        pod = {"kind": "Pod", "metadata": {"name": request.name}, "spec": {"nodeName": node}}
        return api_pb2.Object(json=json.dumps(pod).encode())


class FakeControlPlane:
    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    async def start(self) -> dict[str, Any]:
        address = self._config["address"]
        self._server = make_server(self._config["token"])
        api_pb2_grpc.add_ApiServicer_to_server(_Api(), self._server)
        bind(self._server, address, API_PORT)
        await self._server.start()
        told = {"api": f"{address}:{API_PORT}", "dns": f"{address}:{DNS_PORT}"}
        return {"pid": os.getpid(), **told}

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(0)


class _Agent(lab_pb2_grpc.AgentServicer):  # type: ignore[misc]
    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._faults: dict[str, Any] = {}

    async def InjectFault(self, request: Any, _context: Any) -> Any:
        fault = lab_pb2.Fault(
            id=request.id,
            kind=request.kind,
            target=request.target,
            injected_wall_s=time.time(),
            mechanism="process",
            state="in force",
        )
        self._faults[fault.id] = fault
        return fault

    async def ListFaults(self, _request: Any, _context: Any) -> Any:
        return lab_pb2.FaultList(faults=self._faults.values())

    async def ClearFaults(self, request: Any, _context: Any) -> Any:
        wanted = [key for key in self._faults if request.all or key == request.id]
        return lab_pb2.FaultList(faults=[self._faults.pop(key) for key in wanted])

    async def Flows(self, _request: Any, _context: Any) -> Any:
        host = self._config.get("name", "lb")
        return lab_pb2.FlowList(flows=[lab_pb2.Flow(id=host, host=host, start_s=time.time())])

    async def Logs(self, request: Any, _context: Any) -> Any:
        for word in (self._config["name"], request.pod):
            yield lab_pb2.LogChunk(data=f"{word}\n".encode())

    async def ConfigureLoadBalancer(self, request: Any, _context: Any) -> Any:
        ports = json.dumps([port.port for port in request.ports])
        return lab_pb2.LoadBalancerInfo(state="running", json=ports.encode())


class FakeMachine:
    """A node or a load balancer: an Agent at its address."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    async def start(self) -> dict[str, Any]:
        address = self._config["address"]
        self._server = make_server(self._config["token"])
        lab_pb2_grpc.add_AgentServicer_to_server(_Agent(self._config), self._server)
        bind(self._server, address, AGENT_PORT)
        await self._server.start()
        return {"pid": os.getpid(), "agent": f"{address}:{AGENT_PORT}"}

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(0)


class NeverUp(FakeMachine):
    async def start(self) -> dict[str, Any]:
        raise OSError("no power")


class SlowToStart(FakeMachine):
    """Tells that it is being started, and takes its time."""

    async def start(self) -> dict[str, Any]:
        import asyncio

        await asyncio.sleep(60)
        return await super().start()
