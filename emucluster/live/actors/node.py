"""A worker node as an actor: a thin shell around `live.node`. Its pods are actors of its own."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

from emucluster.core.addresses import (
    AGENT_PORT,
    DNS_PORT,
    GATEWAY_PORT,
    METRICS_PORT,
    SERVICE_CIDR,
    Slice,
)
from emucluster.core.durations import Speed
from emucluster.live.actors import niceness
from emucluster.live.agent import Agent
from emucluster.live.fault_board import FaultBoard
from emucluster.live.logs import log_to_file
from emucluster.live.metrics.machine import FaultCollector, FlowCollector, StateCollector
from emucluster.live.metrics.page import MachineRoom
from emucluster.live.metrics.pods import PodCollector
from emucluster.live.metrics.rig import RigCollector
from emucluster.live.node.insides import NodeInsides
from emucluster.live.node.machine import Machine, NodeConfig, default_tunnel
from emucluster.live.pods.actor_pods import ActorPods
from emucluster.live.pods.in_process import InProcessPods
from emucluster.live.pods.inside import inside_environment
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.rpc.pb import lab_pb2_grpc
from emucluster.live.rpc.server import bind, make_server

REGISTERED_WITHIN_S = 10.0


class WorkerNode:
    """Kubelet, kube-proxy, tunnel, gateways, DNS and Agent of one node.

    `config`: cluster, slice, number, name, zone, address, pod_cidr, directory, token, speed,
    packing, api, stand_in, outside, several_hosts, kube_proxy_mode, and optionally `tunnel`,
    `machine_address`, `publish` (see `NodeConfig`) and crowd (see `niceness`).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    async def start(self) -> dict[str, Any]:
        """Boot the node and return pid and agent."""
        niceness.stand_back(int(self._config.get("crowd", 1)))
        config = _node_config(self._config)
        config.directory.mkdir(parents=True, exist_ok=True)
        log_to_file(config.directory / "node.log")
        runtime = _runtime(config)
        self._machine = Machine(config, runtime)
        self._faults = FaultBoard(self._machine.faults, hides=self._machine.faults.hides)
        self._faults.on_change = self._machine.observer.take_faults
        self._machine.faults.tell(self._faults)
        await self._machine.start()
        self._server = make_server(config.token)
        agent = Agent(
            config.name,
            faults=self._faults,
            flows=self._machine.forwarding.flows,
            describe=self._machine.describe,
            insides=NodeInsides(runtime),
            board=self._machine.observer.board,
            looker=self._machine.looker(),
        )
        self._agent = agent
        lab_pb2_grpc.add_AgentServicer_to_server(agent, self._server)
        place = f"{config.address}:{bind(self._server, config.address, AGENT_PORT)}"
        if config.publish:
            place = f"{config.machine_address}:{bind(self._server, config.machine_address, 0)}"
        await self._server.start()
        # A node that is "up" can be scheduled to: else the first pods would crowd on the others.
        # Without a control plane it is up all the same, as a machine is.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._machine.kubelet.registered.wait(), REGISTERED_WITHIN_S)
        metrics = self._machine.metrics.places | self._serve_metrics(config, runtime)
        return {"pid": os.getpid(), "agent": place, "metrics": metrics}

    def _serve_metrics(self, config: NodeConfig, runtime: PodRuntime) -> dict[str, str]:
        """What the machine room tells of this node and its pods."""
        machine, pods = self._machine, PodCollector(runtime)
        self._room = MachineRoom(config.name)
        return self._room.listen(
            config.machine_address if config.publish else config.address,
            StateCollector(config.name, "node", config.zone, state=lambda: machine.power.state),
            FaultCollector(self._faults.list),
            FlowCollector(machine.forwarding.flows),
            RigCollector(self._agent.rig),
            pods,
            port=0 if config.publish else METRICS_PORT,
            prepare=pods.ask,
        )

    async def stop(self, grace_s: float) -> None:
        """Stop pods, then the node."""
        self._faults.stop()
        self._agent.close()
        await self._server.stop(0)
        await self._room.aclose()
        await self._machine.stop(grace_s)


def _node_config(config: dict[str, Any]) -> NodeConfig:
    address = str(config["address"])
    return NodeConfig(
        cluster=config["cluster"],
        slice=Slice(config["slice"]),
        name=config["name"],
        zone=config["zone"],
        address=address,
        pod_cidr=config["pod_cidr"],
        directory=Path(config["directory"]),
        token=config["token"],
        speed=Speed(config["speed"]),
        packing=config["packing"],
        api=config["api"],
        kube_proxy_mode=config.get("kube_proxy_mode") or "rr",
        stand_in=bool(config.get("stand_in")),
        several_hosts=bool(config.get("several_hosts")),
        tunnel=config.get("tunnel") or default_tunnel(address),
        machine_address=config.get("machine_address") or "",
        publish=bool(config.get("publish")),
        outside=dict(config.get("outside") or {}),
    )


def _runtime(config: NodeConfig) -> PodRuntime:
    def inside(pod_ip: str) -> dict[str, str]:
        dns = f"{config.address}:{DNS_PORT}"
        return inside_environment(pod_ip, GATEWAY_PORT, dns, SERVICE_CIDR, str(config.slice.pods))

    if config.packing == "node":
        return InProcessPods(config.directory, inside=inside)
    return ActorPods(config.directory, spawn=_spawn_pod_actor, inside=inside)


def _spawn_pod_actor(pod_config: dict[str, Any]) -> Any:
    """Ask Ray for a process for a pod, on this very machine; it dies with this node's process."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from emucluster.live.actors.pod import PodActor

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": 0, "scheduling_strategy": here}
    actor = ray.remote(PodActor).options(**options).remote(pod_config)
    return actor, actor.start.remote()
