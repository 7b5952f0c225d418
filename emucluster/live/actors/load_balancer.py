"""A load balancer as an actor: a thin shell around `live.balancer`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emucluster.core.addresses import AGENT_PORT
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease
from emucluster.live.agent import Agent
from emucluster.live.balancer.balancer import Balancer
from emucluster.live.balancer.observing import TargetBeliefs
from emucluster.live.fault_board import FaultBoard
from emucluster.live.logs import log_to_file
from emucluster.live.metrics.balancer import BalancerCollector
from emucluster.live.metrics.machine import FaultCollector, FlowCollector, StateCollector
from emucluster.live.metrics.page import MachineRoom
from emucluster.live.metrics.rig import RigCollector
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.looking import Looker
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
        self._beliefs = TargetBeliefs(f"{config['namespace']}/{config['service']}")
        self._agent = agent = Agent(
            name,
            faults=self._faults,
            flows=self._forwarding.flows,
            describe=self._describe,
            configure=self._configure,
            board=self._beliefs.board,
            looker=Looker(
                self._forwarding.links.dial,
                config["address"],
                elsewhere=config["machine_address"],
                token=config["token"],
            ),
        )
        self._server = make_server(config["token"])
        lab_pb2_grpc.add_AgentServicer_to_server(agent, self._server)
        bind(self._server, config["address"], AGENT_PORT)
        await self._server.start()
        self._room = MachineRoom(name)
        metrics = self._room.listen(
            config["address"],
            StateCollector(name, "load-balancer", state=lambda: self._forwarding.state),
            FaultCollector(self._faults.list),
            FlowCollector(self._forwarding.flows),
            RigCollector(agent.rig),
            BalancerCollector(self._describe, self._checks),
        )
        agent_at = f"{config['address']}:{AGENT_PORT}"
        return {"pid": os.getpid(), "agent": agent_at, "metrics": metrics}

    async def stop(self, grace_s: float) -> None:
        """Close everything."""
        self._faults.stop()
        self._agent.close()
        await self._server.stop(0)
        await self._room.aclose()
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

    def _checks(self) -> Mapping[tuple[str, str], int]:
        return {} if self._balancer is None else self._balancer.checks

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
                beliefs=self._beliefs,
            )
        else:
            self._balancer.configure(spec)
        return lab_pb2.LoadBalancerInfo(
            address=config["address"],
            addresses=self._balancer.addresses,
            agent=f"{config['address']}:{AGENT_PORT}",
            state=self._forwarding.state,
        )
