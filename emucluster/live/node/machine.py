"""A worker node: what it consists of, and its power states.

Everything that leaves or enters the node passes through its `Forwarding`, so a fault of the node
acts on established connections as well as on new ones. Its pods' processes talk to nobody but the
node, so that none of them can give the node's death away.
"""

import logging
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emucluster.core.addresses import (
    DNS_PORT,
    GATEWAY_PORT,
    TUNNEL_PORT,
    Slice,
    node_gateway,
)
from emucluster.core.dns.records import DnsView
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease, parse_target
from emucluster.core.kubelet.commands import RuntimeCommand, StartContainer, StopPod
from emucluster.core.kubelet.kubelet import Kubelet, ObjectEvent
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.objects import Node, Object, Pod
from emucluster.core.routing.node_routing import Caller
from emucluster.live.clock import now_s, stamp
from emucluster.live.dns_server import DnsServer
from emucluster.live.network import gateway, tunnel
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener
from emucluster.live.network.routes import Decision, Drop, GatewayDecision, Refuse, Route
from emucluster.live.network.sockets import Address
from emucluster.live.node import annotations
from emucluster.live.node.announcer import Announcer
from emucluster.live.node.informer import Informer
from emucluster.live.node.kubelet_driver import KubeletDriver
from emucluster.live.node.pod_logs import stream_logs
from emucluster.live.node.published_ports import PublishedPorts
from emucluster.live.node.routing import Routing
from emucluster.live.node.service_ports import ServicePorts
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.rpc.channel import connect_aio

log = logging.getLogger("emucluster.node")

KINDS = ("ConfigMap", "EndpointSlice", "Node", "Pod", "Service")

Power = Literal["running", "silent", "frozen", "crashed"]


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What the keeper knows of a node."""

    cluster: str
    slice: Slice
    name: str
    zone: str
    address: str
    pod_cidr: str
    directory: Path
    token: str
    speed: Speed
    packing: str
    api: str
    kube_proxy_mode: Literal["rr", "random"]
    stand_in: bool
    several_hosts: bool
    tunnel: str
    """host:port of the tunnel; port 0 lets the kernel choose one, which is then announced."""
    outside: dict[str, str]
    machine_address: str = ""
    """With several hosts, the address by which other machines reach this one."""
    publish: bool = False
    """Whether `address` is in 127.0.0.0/8 while other machines are there."""


class Machine:
    """A node from boot to stop; the target of faults on itself and on its pods."""

    def __init__(self, config: NodeConfig, runtime: PodRuntime) -> None:
        self.config = config
        self.power: Power = "running"
        self.mechanism = ""
        self.forwarding = Forwarding(config.name)
        self._runtime = runtime
        rng = random.Random()
        self._table = RouteTable()
        self._proxy = NodeProxy(config.name, self._table, mode=config.kube_proxy_mode, rng=rng)
        self._dns = DnsView(outside=config.outside)
        self._dns_server = DnsServer(self._dns, config.address, DNS_PORT)
        self._pod_gateway_ip = config.pod_cidr.rsplit(".", 1)[0] + ".1"
        self.routing = Routing(
            node_name=config.name,
            address=config.address,
            masquerade_ip=self._pod_gateway_ip if config.several_hosts else config.address,
            slice_=config.slice,
            proxy=self._proxy,
            dns=self._dns,
            real_port=runtime.real_port,
            token=config.token,
            outside=config.outside,
            rng=rng,
            machine_address=config.machine_address,
        )
        self._channel = connect_aio(config.api)
        self._announcer = Announcer(self._channel, config.token, config.name, rng=rng)
        self._kubelet = Kubelet(config.name, _kubelet_settings(config), rng=rng)
        self.kubelet = KubeletDriver(
            self._kubelet,
            self._channel,
            config.token,
            node_name=config.name,
            run_action=self._run_action,
        )
        runtime.on_event = self.kubelet.handle
        self.informer = Informer(
            self._channel,
            config.token,
            KINDS,
            node_name=config.name,
            on_event=self._take,
            on_listed=self._listed,
            rng=rng,
        )
        self._gateways: dict[str, Listener] = {}
        self._pod_names: dict[tuple[str, str], str] = {}

    async def start(self) -> None:
        """Open the node's own ports, follow the API server, and begin to work."""
        config = self.config
        await self._runtime.start()
        await self._dns_server.start()
        self.ports = ServicePorts(
            self.forwarding,
            config.address,
            self._proxy,
            self.routing,
            published=self._published_ports() if config.publish else None,
        )
        self._open_tunnels()
        node_ip = node_gateway(config.address, config.pod_cidr)
        self._open_gateway(Caller("node", node_ip, "default"))
        self._announcer.start()
        self.informer.start()
        self.kubelet.start()

    def _published_ports(self) -> PublishedPorts:
        def announce(ports: Mapping[int, Address]) -> None:
            self._announcer.announce(annotations.PUBLISHED, annotations.encode_ports(ports))

        config = self.config
        return PublishedPorts(self.forwarding, config.address, config.machine_address, announce)

    def _open_tunnels(self) -> None:
        """The tunnel from other nodes; on several hosts another one, from the keeper's machine.

        By the latter a client there stands with a pod here: it leads to gateways and nowhere else,
        and is not part of the path that its traffic then takes.
        """
        config, token = self.config, self.config.token.encode()
        ip, _, port = config.tunnel.rpartition(":")
        listener = tunnel.listen(
            self.forwarding,
            ip,
            int(port),
            lambda arrival: self.routing.tunnelled(arrival.destination, arrival.source),
            token=token,
        )
        if listener.port != TUNNEL_PORT:
            self._announcer.announce(annotations.TUNNEL, f"{ip}:{listener.port}")
        if config.machine_address:
            door = tunnel.listen(
                self.forwarding,
                config.machine_address,
                0,
                lambda arrival: self._to_gateway(arrival.destination),
                token=token,
                record=False,
            )
            place = f"{config.machine_address}:{door.port}"
            self._announcer.announce(annotations.GATEWAYS, place)

    def _to_gateway(self, destination: Address) -> Decision:
        if destination[0] in self._gateways and destination[1] == GATEWAY_PORT:
            return Route(destination, source=self._pod_gateway_ip)
        return Refuse(f"no gateway at {destination[0]}:{destination[1]}")

    def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        tail: int | None,
        previous: bool,
        follow: bool,
    ) -> AsyncIterator[bytes]:
        """See `stream_logs`."""
        return stream_logs(
            self._runtime.logs,
            namespace,
            pod,
            container=container,
            tail=tail,
            previous=previous,
            follow=follow,
        )

    async def stop(self, grace_s: float) -> None:
        """End pods, then everything else."""
        await self.informer.stop()
        await self._announcer.stop()
        await self.kubelet.stop()
        await self._runtime.stop(grace_s)
        await self._dns_server.close()
        await self.forwarding.aclose()
        await self._channel.close()

    def describe(self) -> dict[str, Any]:
        """The node as it is: power, ports, pods and what it has heard of the API server."""
        return {
            "state": self.power,
            "mechanism": self.mechanism,
            "version": self.informer.version,
            "synced": self.informer.synced.is_set(),
            "node_ports": self.ports.open_ports,
            "gateways": sorted(self._gateways),
            "pods": self._runtime.describe(),
        }

    # --- faults

    async def break_(self, lease: FaultLease) -> str:
        """Put a fault on the node or one of its pods into effect; the mechanism is returned."""
        target = parse_target(lease.target)
        if target.kind == "pod":
            return await self._break_pod(lease, target.namespace, target.name)
        self.kubelet.halt()
        self.informer.pause()
        self._announcer.halt(True)
        self._dns_server.set_mode("silent")
        match lease.kind:
            case "power-off":
                self.power = "silent"
                self.mechanism = self.forwarding.silence()
                await self._runtime.freeze_all()
            case "freeze":
                self.power = "frozen"
                self.mechanism = "process stopped serving"
                self.forwarding.freeze()
                await self._runtime.freeze_all()
            case _:
                self.power = "crashed"
                self.mechanism = "sockets reset"
                self.forwarding.close_all_with_reset()
                await self._runtime.kill_all()
        return self.mechanism

    async def mend(self, lease: FaultLease) -> None:
        """Lift a fault: a frozen node goes on, a silent or crashed one boots."""
        target = parse_target(lease.target)
        if target.kind == "pod":
            await self._mend_pod(lease, target.namespace, target.name)
            return
        was, self.power, self.mechanism = self.power, "running", ""
        self._announcer.halt(False)
        if was == "frozen":
            await self._runtime.thaw_all()
            self.forwarding.resume()
            self._dns_server.set_mode("open")
            self.informer.resume(reconnect=False)
            self.kubelet.go_on()
            return
        await self._runtime.kill_all()
        self.forwarding.resume()
        self._dns_server.set_mode("open")
        self.informer.resume(reconnect=True)
        self.kubelet.reboot()

    async def _break_pod(self, lease: FaultLease, namespace: str, name: str) -> str:
        uid = self._pod_uid(namespace, name)
        if self.power != "running":
            raise EmuclusterError(f"{self.config.name} is {self.power}; its pods cannot be reached")
        if lease.kind == "crash":
            return await self._runtime.crash(uid)
        return await self._runtime.freeze(uid)

    async def _mend_pod(self, lease: FaultLease, namespace: str, name: str) -> None:
        if lease.kind == "freeze" and (namespace, name) in self._pod_names:
            await self._runtime.thaw(self._pod_names[namespace, name])

    def _pod_uid(self, namespace: str, name: str) -> str:
        uid = self._pod_names.get((namespace, name))
        if uid is None:
            raise EmuclusterError(f'pod "{namespace}/{name}" does not run on {self.config.name}')
        return uid

    # --- what drives it

    def _take(self, type_: ObjectEvent, obj: Object, _old: Object | None) -> None:
        """One change of the cluster, to all who care."""
        if isinstance(obj, Pod):
            meta = obj.metadata
            self._pod_names.pop((meta.namespace, meta.name), None)
            if type_ == "DELETED":
                self._runtime.forget_logs(meta.namespace, meta.name, meta.uid)
            else:
                self._pod_names[meta.namespace, meta.name] = meta.uid
            if self.informer.version is not None:  # else it comes with the list
                self.kubelet.take_object(type_, obj)
            return
        self._proxy.health.queued(now_s=now_s())
        self._table.handle(type_, obj)
        self._dns.handle(type_, obj)
        self.routing.take_object(type_, obj)
        if isinstance(obj, Node) and type_ != "DELETED":
            self._announcer.take(obj)
        self.ports.sync()
        self._proxy.health.updated(stamp=stamp())
        self.kubelet.take_object(type_, obj)

    def _listed(self) -> None:
        """The whole state is known: what is not in it is gone."""
        pods = [obj for obj in self.informer.objects.values() if isinstance(obj, Pod)]
        self.kubelet.take_pods(pods)

    def _run_action(self, command: RuntimeCommand) -> None:
        if isinstance(command, StartContainer):
            if command.pod.ip not in self._gateways:
                caller = Caller("pod", command.pod.ip, command.pod.namespace)
                self._open_gateway(caller, pod=command.pod.name)
        elif isinstance(command, StopPod):
            self._close_gateway(self._runtime.ip_of(command.pod_uid))
        self._runtime.perform(command)

    def _open_gateway(self, caller: Caller, pod: str = "") -> None:
        """Serve the gateway of the node itself, or of a pod with this name as long as it lives."""

        def on_connect(host: str, port: int, _client: Address) -> GatewayDecision:
            condition = self._runtime.condition_of(caller.ip) if pod else "running"
            if condition == "frozen":
                return Drop(f"pod {pod} is frozen")
            if condition == "stopped":
                return Refuse(f"pod {pod} is not running")
            return self.routing.connect(caller, host, port)

        try:
            self._gateways[caller.ip] = gateway.listen(
                self.forwarding, caller.ip, GATEWAY_PORT, on_connect, hop="pod-ip"
            )
        except OSError as error:
            log.error("gateway of %s cannot be opened: %s", caller.ip, error)

    def _close_gateway(self, ip: str | None) -> None:
        listener = self._gateways.pop(ip or "", None)
        if listener is not None:
            self.forwarding.close_listener(listener)


def _kubelet_settings(config: NodeConfig) -> KubeletSettings:
    return KubeletSettings(
        address=config.address,
        pod_cidr=config.pod_cidr,
        zone=config.zone,
        speed=config.speed,
        stand_in=config.stand_in,
    )


def default_tunnel(address: str) -> str:
    """Where a node's tunnel is served when nothing else is said."""
    return f"{address}:{TUNNEL_PORT}"
