"""A load balancer as an actor: a thin shell around `live.balancer`."""

import os
from pathlib import Path
from typing import Any

from emucluster.core.addresses import AGENT_PORT
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease
from emucluster.live.agent import Agent
from emucluster.live.balancer.balancer import Balancer
from emucluster.live.fault_board import FaultBoard
from emucluster.live.logs import log_to_file
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc
from emucluster.live.rpc.server import bind, make_server


class LoadBalancer:
    """One Service's load balancer at `address`, with its Agent at port 10250 of it.

    `config`: cluster, namespace, service, address, directory, token, speed, and with several
    hosts machine_address. What to serve comes by `ConfigureLoadBalancer`; until then nothing
    listens.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._balancer: Balancer | None = None

    async def start(self) -> dict[str, Any]:
        """Serve the Agent and return pid and agent."""
        config = self._config
        name = f"lb/{config['namespace']}/{config['service']}"
        log_to_file(Path(config["directory"]) / "load-balancer.log")
        self._forwarding = Forwarding(name)
        self._faults = FaultBoard(self)
        agent = Agent(
            name,
            faults=self._faults,
            flows=self._forwarding.flows,
            describe=self._describe,
            configure=self._configure,
        )
        self._server = make_server(config["token"])
        lab_pb2_grpc.add_AgentServicer_to_server(agent, self._server)
        bind(self._server, config["address"], AGENT_PORT)
        await self._server.start()
        return {"pid": os.getpid(), "agent": f"{config['address']}:{AGENT_PORT}"}

    async def stop(self, grace_s: float) -> None:
        """Close everything."""
        self._faults.stop()
        await self._server.stop(0)
        if self._balancer is not None:
            await self._balancer.aclose()
        else:
            await self._forwarding.aclose()

    async def break_(self, lease: FaultLease) -> str:
        """See `Balancer.break_`."""
        return await self._running.break_(lease)

    async def mend(self, lease: FaultLease) -> None:
        """See `Balancer.mend`."""
        await self._running.mend(lease)

    @property
    def _running(self) -> Balancer:
        if self._balancer is None:
            raise EmuclusterError(f"{self._forwarding.host} is not configured yet")
        return self._balancer

    def _describe(self) -> dict[str, Any]:
        return {"state": "starting"} if self._balancer is None else self._balancer.describe()

    async def _configure(self, spec: Any) -> Any:
        config = self._config
        if self._balancer is None:
            self._balancer = Balancer(
                self._forwarding,
                config["address"],
                spec,
                speed=Speed(config["speed"]),
                machine_address=config.get("machine_address") or "",
            )
        else:
            self._balancer.configure(spec)
        return lab_pb2.LoadBalancerInfo(
            address=config["address"],
            addresses=self._balancer.addresses,
            agent=f"{config['address']}:{AGENT_PORT}",
            state=self._forwarding.state,
        )
