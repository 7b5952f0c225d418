"""A load balancer as an actor: a thin shell around `live.balancer`."""

import os
from pathlib import Path
from typing import Any

from emucluster.core.addresses import AGENT_PORT
from emucluster.core.durations import Speed
from emucluster.live.agent import Agent
from emucluster.live.balancer.balancer import Balancer, spec_from
from emucluster.live.fault_board import FaultBoard
from emucluster.live.logs import log_to_file
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc
from emucluster.live.rpc.server import bind, make_server


class LoadBalancer:
    """One Service's load balancer at `address`, with its Agent at port 10250 of it.

    `config`: cluster, namespace, service, address, directory, token, speed, spec (as JSON), and
    several_hosts.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._balancer: Balancer | None = None

    async def start(self) -> dict[str, Any]:
        """Listen, begin to check, and return pid, agent and addresses."""
        config = self._config
        if self._balancer is None:
            await self._start()
        assert self._balancer is not None
        return {
            "pid": os.getpid(),
            "agent": f"{config['address']}:{AGENT_PORT}",
            "addresses": list(self._balancer.addresses),
        }

    async def stop(self, grace_s: float) -> None:
        """Close everything."""
        if self._balancer is not None:
            self._faults.stop()
            await self._server.stop(0)
            await self._balancer.aclose()
            self._balancer = None

    async def _start(self) -> None:
        config = self._config
        name = f"lb/{config['namespace']}/{config['service']}"
        log_to_file(Path(config["directory"]) / f"lb-{config['namespace']}-{config['service']}.log")
        balancer = Balancer(
            name,
            config["address"],
            spec_from(config["spec"]),
            speed=Speed(config["speed"]),
            foreign_sources=bool(config.get("several_hosts")),
        )
        self._faults = FaultBoard(balancer)
        agent = Agent(
            name,
            faults=self._faults,
            flows=balancer.forwarding.flows,
            describe=balancer.describe,
            configure=self._configure,
        )
        self._server = make_server(config["token"])
        lab_pb2_grpc.add_AgentServicer_to_server(agent, self._server)
        bind(self._server, config["address"], AGENT_PORT)
        await self._server.start()
        self._balancer = balancer

    async def _configure(self, spec: Any) -> Any:
        assert self._balancer is not None
        self._balancer.configure(spec)
        return lab_pb2.LoadBalancerInfo(
            address=self._config["address"],
            addresses=self._balancer.addresses,
            agent=f"{self._config['address']}:{AGENT_PORT}",
            state=self._balancer.forwarding.state,
        )
