"""The other ends of links, as the addresses that their packets come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from emucluster.core.addresses import Slice, node_gateway
from emucluster.core.errors import NotFound
from emucluster.core.faults import OUTSIDE, FaultTarget, parse_target
from emucluster.live.keeper.cloud import machine_name
from emucluster.live.keeper.machines import Machine, Machines

PodIp = Callable[[str, str], Awaitable[str]]
"""The address of the pod of this namespace and name; raises NotFound."""


class Peers:
    """Resolves peers to networks."""

    def __init__(self, machines: Machines, addresses: Slice, pod_ip: PodIp) -> None:
        self._machines = machines
        self._addresses = addresses
        self._pod_ip = pod_ip

    async def networks(self, peers: Sequence[str]) -> list[str]:
        """CIDRs of all that `peers` send from, each once. Raises NotFound.

        A node's are its own, its gateway's and its pods'; outside clients have a range.
        """
        found: list[str] = []
        for peer in peers:
            found += await self._of(peer)
        return list(dict.fromkeys(found))

    async def _of(self, peer: str) -> list[str]:
        if peer == OUTSIDE:
            return [str(self._addresses.outside_clients)]
        target = parse_target(peer)
        if target.kind == "pod":
            return [f"{await self._pod_ip(target.namespace, target.name)}/32"]
        machine = self._machine(target)
        if target.kind == "node":
            cidr = str(machine.config.get("pod_cidr") or "")
            gateway = node_gateway(machine.address, cidr)
            return [f"{machine.address}/32", *([cidr] if cidr else []), f"{gateway}/32"]
        addresses = machine.told.get("addresses") or [machine.address]
        return [f"{address}/32" for address in addresses]

    def _machine(self, target: FaultTarget) -> Machine:
        name = {
            "lb": machine_name(target.namespace, target.name),
            "control-plane": "control-plane",
        }.get(target.kind, target.name)
        machine = self._machines.get(name)
        if machine is None:
            raise NotFound(f'{target.kind} "{target.name}" not found')
        return machine
