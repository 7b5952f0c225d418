"""Where a fault's target is looked at, by whom, and by which way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emucluster.core.addresses import AGENT_PORT, DNS_PORT, GATEWAY_PORT, HEALTHZ_PORT, Slice
from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import OUTSIDE, FaultTarget, parse_target
from emucluster.core.faults.witness import How, Sample
from emucluster.live.keeper.agents import Agents
from emucluster.live.keeper.cloud import machine_name
from emucluster.live.keeper.faults import agent_of
from emucluster.live.keeper.machines import Machine, Machines
from emucluster.live.network.looking import Looker
from emucluster.live.rpc.pb import lab_pb2

KEEPER = "keeper"


@dataclass(frozen=True, slots=True)
class Place:
    """A target as others get at it.

    Attributes:
        kind: of the target.
        machine: that holds it: a node, a load balancer, the control plane.
        address: ip:port where an HTTP/2 server of it answers; empty: none is known.
        via: how it is reached, as `ProbeRequest` has it.
    """

    kind: str
    machine: str
    address: str = ""
    via: str = ""
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who can look.

    Attributes:
        name: as a target.
        source: of what it sends, if not its own.
        gateway: by which it gets at pods, if not its own.
        host: where it is.
    """

    name: str
    look: Callable[[Any], Awaitable[Any]]
    source: str = ""
    host: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class PodAt:
    """Where a pod is: on this node, at this address."""

    node: str
    ip: str


class Places:
    """Knows where targets are, and who else there is."""

    def __init__(
        self, machines: Machines, agents: Agents, addresses: Slice, outside: Looker
    ) -> None:
        self._machines = machines
        self._agents = agents
        self._outside = outside
        self._client = str(addresses.outside_clients.broadcast_address - 1)

    def machine_of(self, target: FaultTarget, pod: Any) -> str:
        """Name of the machine that holds a target; `pod` is the API's object of a pod."""
        match target.kind:
            case "pod":
                return str(pod.get("spec", {}).get("nodeName") or "")
            case "lb":
                return machine_name(target.namespace, target.name)
            case "control-plane":
                return "control-plane"
        return target.name

    def of(self, target: FaultTarget, pod: Any) -> Place:
        """Raises EmuclusterError for a machine that is not there."""
        name = self.machine_of(target, pod)
        machine = self._machines.get(name)
        if machine is None:
            raise EmuclusterError(f"nobody knows where {target} is")
        match target.kind:
            case "pod":
                return _pod_place(name, pod)
            case "lb":
                ports = [port["port"] for port in machine.late.get("spec", {}).get("ports", ())]
                address = f"{machine.address}:{ports[0]}" if ports else ""
                return Place("lb", name, address, ip=machine.address)
            case "control-plane":
                return Place("control-plane", name, agent_of(machine), ip=machine.address)
        agent = f"{machine.address}:{AGENT_PORT}"
        return Place(target.kind, name, agent, via="tunnel", ip=machine.address)

    def witnesses(
        self,
        target: FaultTarget,
        place: Place,
        peers: Collection[str],
        hurt: Collection[str],
        pods: Mapping[str, PodAt] | None = None,
    ) -> list[Witness]:
        """Who can look: of a link, the peers whose packets it hits; else whoever is well.

        `hurt` are machines with faults of their own, who are no witnesses. Nor is who has no way
        to the target, and would see it refuse whatever it does. For a peer that is a pod, `pods`
        has where; its node looks on its behalf, from its address and by its gateway, as the keeper
        does for the control plane.
        """
        found = self._candidates(target, place, peers, hurt, pods or {})
        return [witness for witness in found if self._has_way(witness, place)]

    def _has_way(self, witness: Witness, place: Place) -> bool:
        """An address of 127.0.0.0/8 is another machine's own there; gateways go through tunnels."""
        machine = self._machines.get(place.machine)
        near = machine is None or machine.host == witness.host
        return near or place.via == "gateway" or not place.ip.startswith("127.")

    def _candidates(
        self,
        target: FaultTarget,
        place: Place,
        peers: Collection[str],
        hurt: Collection[str],
        pods: Mapping[str, PodAt],
    ) -> list[Witness]:
        if peers:
            found = [witness for peer in peers for witness in self._peer(peer, pods.get(peer))]
            return [w for w in found if w.name != str(target)]
        others = [
            self._by_agent(machine)
            for machine in self._machines.of_kind("node")
            if machine.state == "running" and machine.name not in hurt
        ]
        if target.kind == "lb":
            return [self._by_outside()]
        if target.kind == "pod":
            far = [w for w in others if w.name != f"node/{place.machine}"]
            return far or others
        apart = [w for w in others if w.name != f"node/{place.machine}"]
        if any(self._has_way(witness, place) for witness in apart):
            return apart
        return [Witness(KEEPER, self._outside.look, host=self._keepers_host)]

    @property
    def _keepers_host(self) -> str:
        return next((machine.host for machine in self._machines if machine.here), "")

    def _peer(self, peer: str, pod: PodAt | None) -> Iterator[Witness]:
        if peer == OUTSIDE:
            yield self._by_outside()
            return
        if pod is not None:
            node = self._machines.get(pod.node)
            if node is not None and node.state == "running":
                gateway = f"{pod.ip}:{GATEWAY_PORT}"
                yield replace(self._by_agent(node), name=peer, source=pod.ip, gateway=gateway)
            return
        target = parse_target(peer)
        if target.kind == "control-plane":
            plane = self._machines.get("control-plane")
            if plane is not None:
                # It runs beside the keeper, who can send from its address.
                yield Witness(peer, self._outside.look, plane.address, self._keepers_host)
            return
        name = machine_name(target.namespace, target.name) if target.kind == "lb" else target.name
        machine = self._machines.get(name)
        if target.kind in ("node", "lb") and machine is not None and machine.state == "running":
            yield self._by_agent(machine)

    def _by_outside(self) -> Witness:
        """An outside client, with an address that no real client is given."""
        return Witness(OUTSIDE, self._outside.look, self._client, self._keepers_host)

    def _by_agent(self, machine: Machine) -> Witness:
        name = machine.name if machine.kind == "load-balancer" else f"node/{machine.name}"

        async def look(request: Any) -> Any:
            return await self._agents.probe(machine.agent, request, who=machine.name)

        return Witness(str(parse_target(name)), look, host=machine.host)


def request_for(how: How, place: Place, witness: Witness, *, timeout_s: float) -> Any:
    """One look at a place, as the witness is asked for it."""
    request = lab_pb2.ProbeRequest(how=how, timeout_s=timeout_s, source=witness.source)
    if place.via == "gateway":
        request.gateway = witness.gateway
    match how:
        case "http":
            request.address, request.host = f"{place.ip}:{HEALTHZ_PORT}", "/healthz"
        case "dns":
            request.address = f"{place.ip}:{DNS_PORT}"
            request.host = "kubernetes.default.svc.cluster.local"
        case _:
            request.address, request.via = place.address, place.via
    return request


def samples_of(how: How, reply: Any) -> list[Sample]:
    """A reply's samples, as those are judged."""
    return [
        Sample(
            how=how,
            outcome=each.outcome,
            answer_s=each.answer_s,
            connected=each.connect_s > 0,
            retransmits=each.retransmits,
            detail=each.detail,
        )
        for each in reply.samples
    ]


def _pod_place(node: str, pod: Any) -> Place:
    ip = str(pod.get("status", {}).get("podIP") or "")
    containers = pod.get("spec", {}).get("containers", ())
    ports = [port for each in containers for port in each.get("ports", ())]
    port = ports[0]["containerPort"] if ports else 0
    address = f"{ip}:{port}" if ip and port else ""
    return Place("pod", node, address, via="gateway", ip=ip)
