"""Where pods are: as the API server has it, and while that is away, as the nodes themselves say."""

from __future__ import annotations

import json
from typing import Any

from emucluster.core.errors import NotFound, Unreachable
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.machines import Machines
from emucluster.live.rpc.pb import lab_pb2


class Pods:
    """Node and address of pods by namespace and name."""

    def __init__(self, machines: Machines, agents: Agents) -> None:
        self._machines = machines
        self._agents = agents

    async def node_of(self, namespace: str, name: str) -> str:
        """The node of a pod. Raises `NotFound` also while it has none."""
        node = (await self._find(namespace, name))[0]
        if not node:
            raise NotFound(f'pod "{name}" is not scheduled to a node yet')
        return node

    async def ip_of(self, namespace: str, name: str) -> str:
        """The address of a pod. Raises `NotFound` also while it has none."""
        address = (await self._find(namespace, name))[1]
        if not address:
            raise NotFound(f'pod "{name}" has no address yet')
        return address

    async def _find(self, namespace: str, name: str) -> tuple[str, str]:
        plane = self._machines.get("control-plane")
        if plane is not None and plane.state == "running" and not plane.stopped:
            try:
                pod = await self._agents.pod(str(plane.told.get("api", "")), namespace, name)
            except Unreachable:
                pass  # a fault may have taken it away, and the nodes know as well
            else:
                node = str(pod.get("spec", {}).get("nodeName") or "")
                return node, str(pod.get("status", {}).get("podIP") or "")
        return await self._ask_nodes(namespace, name)

    async def _ask_nodes(self, namespace: str, name: str) -> tuple[str, str]:
        nodes = [
            (node.name, node.agent)
            for node in self._machines.of_kind("node")
            if node.state == "running"
        ]
        replies, silent = await self._agents.gather(nodes, "Describe", lab_pb2.DescribeRequest())
        for reply in replies:
            known: list[dict[str, Any]] = json.loads(reply.json).get("pods", [])
            for pod in known:
                if (pod["namespace"], pod["name"]) == (namespace, name):
                    return reply.name, str(pod["ip"])
        raise Unreachable(
            f'pod "{name}": the control plane does not answer, and no node has it'
            + (f" ({', '.join(silent)} did not answer)" if silent else "")
        )
