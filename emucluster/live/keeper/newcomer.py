"""A Service that is newer than a fault: who takes no updates knows nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Any

from emucluster.core.addresses import DNS_PORT, GATEWAY_PORT, node_gateway
from emucluster.core.errors import EmuclusterError, Unreachable
from emucluster.core.faults.compared import knows
from emucluster.core.faults.witness import Sample
from emucluster.live.clock import now_s
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.places import samples_of
from emucluster.live.network.looking import Looker
from emucluster.live.rpc.pb import lab_pb2

NAMESPACE = "kube-system"
PORT = 80
KNOWN_S = 1.0
"""The API's own names must know it by then, or nobody can tell who is behind."""
BEHIND_S = 0.4
"""Who is well knows it so long after the API's own names do."""
SILENCE_S = 0.4
AGAIN_S = 0.05


class Newcomers:
    """Makes such a Service, asks after it, and takes it away again.

    It selects nobody and has no endpoints: kube-proxy refuses connections to its ClusterIP at once
    (REJECT), and those to a ClusterIP that it does not know get no answer.
    """

    def __init__(self, machines: Machines, agents: Agents, looker: Looker) -> None:
        self._machines = machines
        self._agents = agents
        self._looker = looker

    def can_ask(self, node: str) -> bool:
        """Whether its gateway and its DNS server can be reached from here."""
        machine = self._machines.get(node)
        return machine is not None and machine.here

    async def asked(self, node: str, observer: str) -> tuple[Sample, Sample] | None:
        """What the kube-proxy (`proxy`) or DNS server (`dns`) of a node says, and the API's names.

        None where nobody here can ask: the node is on another host, or there is no API to tell.
        """
        machine, plane = self._machines.get(node), self._machines.get("control-plane")
        if machine is None or plane is None or not self.can_ask(node) or plane.state != "running":
            return None
        api = str(plane.told.get("api", ""))
        name = f"emucluster-witness-{secrets.token_hex(4)}"
        try:
            service = await self._agents.create(api, _service(name))
        except Unreachable:
            return None
        try:
            others = await self._known_to(str(plane.told.get("dns", "")), name)
            await asyncio.sleep(BEHIND_S)
            ip = str(service["spec"]["clusterIP"])
            return await self._ask(machine, observer, name, ip), others
        finally:
            with contextlib.suppress(EmuclusterError):
                await self._agents.delete(api, "Service", NAMESPACE, name)

    async def _known_to(self, server: str, name: str) -> Sample:
        until_s = now_s() + KNOWN_S
        while True:
            sample = await self._named(server, name)
            if knows(sample) or now_s() >= until_s:
                return sample
            await asyncio.sleep(AGAIN_S)

    async def _ask(self, machine: Machine, observer: str, name: str, ip: str) -> Sample:
        if observer == "dns":
            return await self._named(f"{machine.address}:{DNS_PORT}", name)
        gateway = node_gateway(machine.address, str(machine.config.get("pod_cidr", "")))
        request = lab_pb2.ProbeRequest(
            how="connect",
            address=f"{ip}:{PORT}",
            via="gateway",
            gateway=f"{gateway}:{GATEWAY_PORT}",
            timeout_s=SILENCE_S,
        )
        return samples_of("connect", await self._looker.look(request))[0]

    async def _named(self, server: str, name: str) -> Sample:
        request = lab_pb2.ProbeRequest(
            how="dns",
            address=server,
            host=f"{name}.{NAMESPACE}.svc.cluster.local",
            timeout_s=SILENCE_S,
        )
        return samples_of("dns", await self._looker.look(request))[0]


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"ports": [{"port": PORT}]},
    }
