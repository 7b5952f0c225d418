"""The cloud's own API: load balancers as machines, with addresses of the cloud's choosing."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format

from emucluster.core.addresses import Slice
from emucluster.core.errors import EmuclusterError, ServiceUnavailable
from emucluster.live.keeper import plan
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.belief import Belief
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.keeper.settings import KeeperSettings
from emucluster.live.network.sockets import Address
from emucluster.live.rpc.pb import lab_pb2

DELETE_GRACE_S = 1.0
_LAST_ADDRESS = 65_000

log = logging.getLogger(__name__)


def machine_name(namespace: str, service: str) -> str:
    """`lb/default/web-lb`: also how faults and traces name it."""
    return f"lb/{namespace}/{service}"


class Cloud:
    """Creates, configures and removes load balancers, one per Service.

    An address is not given out again while another was never used, so that a client that still
    dials a deleted load balancer does not reach somebody else's. A load balancer whose process died
    stays dead, as long as nobody lifts it: `ensure` then only notes what was asked for.
    """

    def __init__(
        self,
        settings: KeeperSettings,
        machines: Machines,
        agents: Agents,
        *,
        several_hosts: bool,
        host: str,
        ray_id: str | None,
    ) -> None:
        self._belief: Belief | None = None
        self._specs: dict[str, Any] = {}
        self._told: dict[str, Any] = {}
        self._settings = settings
        self._machines = machines
        self._agents = agents
        self._several_hosts = several_hosts
        self._host = host
        self._ray_id = ray_id
        self._cursor = 0
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ensure(self, spec: Any) -> Any:
        """The load balancer for `spec.namespace/spec.service`, made or changed to be as `spec`."""
        name = machine_name(spec.namespace, spec.service)
        async with self._locks[name]:
            machine = self._machines.get(name)
            if machine is None:
                machine = self._new(spec)
                self._machines.create(machine)
                try:
                    await self._machines.start(machine)
                except EmuclusterError:
                    await self._machines.remove(machine, grace_s=0.0)
                    raise
            machine.late = _late(spec)
            self._specs[name] = spec
            if machine.state != "running":
                return lab_pb2.LoadBalancerInfo(
                    address=machine.address, agent=machine.agent, state=machine.state
                )
            return await self._configure(machine, spec)

    async def delete(self, namespace: str, service: str) -> None:
        """Remove the load balancer, if there is one."""
        name = machine_name(namespace, service)
        async with self._locks[name]:
            machine = self._machines.get(name)
            self._specs.pop(name, None)
            self._told.pop(name, None)
            if machine is not None:
                await self._machines.remove(machine, grace_s=DELETE_GRACE_S)

    def follow(self, belief: Belief) -> None:
        """Learn from `belief` where targets on other machines are reached; see `refresh`."""
        self._belief = belief

    async def refresh(self) -> None:
        """Tell load balancers where their targets are reached now."""
        for name in list(self._specs):
            async with self._locks[name]:
                machine, spec = self._machines.get(name), self._specs.get(name)
                if machine is None or spec is None or machine.state != "running":
                    continue
                if self._told.get(name) == self._reachable(spec):
                    continue
                try:
                    await self._configure(machine, spec)
                except EmuclusterError as error:
                    log.warning("%s: not told where its targets are: %s", name, error)

    async def revive(self, machine: Machine) -> None:
        """Bring a dead load balancer back: same address, what was last asked for."""
        async with self._locks[machine.name]:
            if machine.state == "gone":
                await self._machines.restart(machine)
                if (spec := self._specs.get(machine.name)) is not None:
                    await self._configure(machine, spec)

    def _reachable(self, spec: Any) -> Any:
        """`spec` with the places of its targets, less those that have none yet.

        A node that shares its machine is no target before it has announced its ports: at its own
        address a health check would find nobody, or somebody else.
        """
        full = lab_pb2.LoadBalancerSpec()
        full.CopyFrom(spec)
        del full.targets[:]
        for target in spec.targets:
            ports = self._published(target.node)
            if ports is not None and any(port.node_port not in ports for port in spec.ports):
                continue
            copy = full.targets.add()
            copy.CopyFrom(target)
            for port, (ip, at) in (ports or {}).items():
                copy.published[port].ip, copy.published[port].port = ip, at
        return full

    def _published(self, node: str) -> Mapping[int, Address] | None:
        """Where the node's ports are reached; None: at its own address."""
        machine = self._machines.get(node)
        if self._belief is None or machine is None or not machine.config.get("publish"):
            return None
        place = self._belief.node(node)
        return place.published if place is not None else {}

    async def _configure(self, machine: Machine, spec: Any) -> Any:
        full = self._reachable(spec)
        info = await self._agents.call(
            machine.agent, "ConfigureLoadBalancer", full, who=machine.name
        )
        self._told[machine.name] = full
        machine.told["addresses"] = list(info.addresses)
        if not info.address:
            info.address = machine.address
        if not info.agent:
            info.agent = machine.agent
        return info

    def _new(self, spec: Any) -> Machine:
        address = self._next_address()
        return Machine(
            name=machine_name(spec.namespace, spec.service),
            kind="load-balancer",
            implementation=self._settings.implementations.load_balancer,
            config=plan.load_balancer(
                self._settings,
                namespace=spec.namespace,
                service=spec.service,
                address=address,
                several_hosts=self._several_hosts,
            ),
            address=address,
            host=self._host,
            ray_id=self._ray_id,
            late=_late(spec),
        )

    def _next_address(self) -> str:
        """The next address that no load balancer has; the cursor goes round."""
        taken = {machine.address for machine in self._machines.of_kind("load-balancer")}
        for _ in range(_LAST_ADDRESS):
            self._cursor = self._cursor % _LAST_ADDRESS + 1
            address = Slice(self._settings.slice).load_balancer(self._cursor)
            if address not in taken:
                return address
        raise ServiceUnavailable(f"all {_LAST_ADDRESS} load balancer addresses are in use")


def _late(spec: Any) -> dict[str, Any]:
    """What a process that is started, now or again, has to be as."""
    return {"spec": json_format.MessageToDict(spec, preserving_proto_field_name=True)}
