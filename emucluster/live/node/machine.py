"""A worker node: what it consists of, and its power states.

Everything that leaves or enters the node passes through its `Forwarding`, so a fault of the node
acts on established connections as well as on new ones. Its pods' processes talk to nobody but the
node, so that none of them can give the node's death away.
"""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emucluster.core.addresses import (
    AGENT_PORT,
    DNS_PORT,
    GATEWAY_PORT,
    TUNNEL_PORT,
    Slice,
    node_gateway,
)
from emucluster.core.dns.records import DnsView
from emucluster.core.durations import Speed
from emucluster.core.kubelet.commands import RuntimeCommand, StartContainer, StopPod
from emucluster.core.kubelet.events import RuntimeEvent
from emucluster.core.kubelet.kubelet import Kubelet, ObjectEvent
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.objects import Node, Object, Pod
from emucluster.core.routing.node_routing import Caller
from emucluster.live.clock import now_s, stamp
from emucluster.live.dns_server import DnsServer
from emucluster.live.metrics.kube_proxy import ProxyCounts
from emucluster.live.metrics.node import serve_node
from emucluster.live.network import tunnel
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.link_faults import LinkFaults
from emucluster.live.network.looking import Looker
from emucluster.live.network.routes import Decision, GatewayDecision, Later, Refuse, Route
from emucluster.live.network.sockets import Address
from emucluster.live.node import annotations
from emucluster.live.node.announcer import Announcer
from emucluster.live.node.cpu_hog import CpuHog
from emucluster.live.node.dns_faults import DnsFaults
from emucluster.live.node.feed import Feed
from emucluster.live.node.gateways import Gateways
from emucluster.live.node.informer import Informer
from emucluster.live.node.kubelet_driver import KubeletDriver
from emucluster.live.node.node_faults import NodeFaults
from emucluster.live.node.observing import NodeObserver
from emucluster.live.node.pod_faults import PodFaults
from emucluster.live.node.power import Power
from emucluster.live.node.proxy_faults import ProxyFaults
from emucluster.live.node.published_ports import PublishedPorts
from emucluster.live.node.routing import Routing
from emucluster.live.node.service_ports import ServicePorts
from emucluster.live.node.uplink import Uplink
from emucluster.live.pods.runtime import PodRuntime

log = logging.getLogger("emucluster.node")

KINDS = ("ConfigMap", "EndpointSlice", "Node", "Pod", "Secret", "Service")


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
        self.forwarding = Forwarding(config.name)
        self._runtime = runtime
        rng = random.Random()
        self._table = RouteTable()
        self.proxy_counts = ProxyCounts()
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
            api=config.api.rpartition(":")[0],
        )
        self._uplink = Uplink(
            self.forwarding,
            config.api,
            address=node_gateway(config.address, config.pod_cidr),
            source_to=self.routing.source_to,
            speed=config.speed,
        )
        channel = self._uplink.channel
        self._announcer = Announcer(channel, config.token, config.name, rng=rng)
        self._kubelet = Kubelet(config.name, _kubelet_settings(config), rng=rng)
        self.kubelet = KubeletDriver(
            self._kubelet,
            channel,
            config.token,
            node_name=config.name,
            run_action=self._run_action,
            on_readiness=lambda change: self.observer.take_readiness(change),
        )
        self.kubelet.on_reboot = self.proxy_counts.restarted
        runtime.on_event = self._take_event
        self.informer = Informer(
            channel,
            config.token,
            KINDS,
            node_name=config.name,
            on_event=self._take,
            on_listed=self._listed,
            rng=rng,
        )
        self._gateways = Gateways(self.forwarding, runtime, self._connect)
        self.power = Power(
            kubelet=self.kubelet,
            informer=self.informer,
            announcer=self._announcer,
            dns_server=self._dns_server,
            forwarding=self.forwarding,
            runtime=runtime,
        )
        self.observer = NodeObserver(
            node=config.name,
            zone=config.zone,
            runtime=runtime,
            proxy=self._proxy,
            dns=lambda: self._dns_server.view,
            power=lambda: self.power.state,
        )
        self.power.on_change = self.observer.take_power
        self._proxy_feed = Feed(self._tell_proxy)
        self._dns_feed = Feed(self._dns.handle)
        self._dns_faults = DnsFaults(self._dns, self._dns_server, self._dns_feed)
        self.faults = NodeFaults(
            config.name,
            runtime,
            power=self.power,
            cpu_hog=CpuHog(config.packing, lambda: self.power.state == "running"),
            links=LinkFaults(self.forwarding, pod_address=self._pod_address),
            pods=PodFaults(
                runtime,
                self._pod_at,
                delete=self.kubelet.delete_by_force,
                perform=self._carry_out,
            ),
            proxy=ProxyFaults(self._proxy_feed, self._stop_proxy),
            dns=self._dns_faults,
        )

    async def start(self) -> None:
        """Open the node's own ports, follow the API server, and begin to work."""
        config = self.config
        await self._runtime.start()
        await self._dns_server.start()
        self.forwarding.links.also(self._dns_server.sockets())
        self.ports = ServicePorts(
            self.forwarding,
            config.address,
            self._proxy,
            self.routing,
            published=self._published_ports() if config.publish else None,
        )
        self.metrics = serve_node(
            self.forwarding,
            config.machine_address if config.publish else config.address,
            published=config.publish,
            proxy=self._proxy,
            proxy_counts=self.proxy_counts,
            kubelet_counts=self.kubelet.counts,
            pods=self._runtime.describe,
        )
        self._open_tunnels()
        node_ip = node_gateway(config.address, config.pod_cidr)
        self._gateways.open(Caller("node", node_ip, "default"))
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
            self._tunnelled,
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

    def _tunnelled(self, arrival: tunnel.Arrival) -> Decision:
        """For a pod, or for the node's own Agent: by that others see whether this node answers."""
        if arrival.destination == (self.config.address, AGENT_PORT):
            return Route(arrival.destination, source=self.config.address)
        return self.routing.tunnelled(arrival.destination, arrival.source)

    def looker(self) -> Looker:
        """Looks at other machines from this one."""
        config = self.config
        gateway_at = (node_gateway(config.address, config.pod_cidr), GATEWAY_PORT)
        return Looker(
            self.forwarding.links.dial,
            config.address,
            elsewhere=config.machine_address,
            gateway=gateway_at,
            token=config.token,
        )

    def _to_gateway(self, destination: Address) -> Decision:
        if self._gateways.is_at(destination):
            return Route(destination, source=self._pod_gateway_ip)
        return Refuse(f"no gateway at {destination[0]}:{destination[1]}")

    async def stop(self, grace_s: float) -> None:
        """End pods, then everything else."""
        await self.faults.stop()
        await self.informer.stop()
        await self._announcer.stop()
        await self.kubelet.stop()
        await self._runtime.stop(grace_s)
        await self._dns_server.close()
        await self._uplink.close()
        await self.forwarding.aclose()

    def describe(self) -> dict[str, Any]:
        """The node as it is: power, ports, pods and what it has heard of the API server."""
        return {
            "state": self.power.state,
            "mechanism": self.power.mechanism,
            "version": self.informer.version,
            "synced": self.informer.synced.is_set(),
            "node_ports": self.ports.open_ports,
            "gateways": self._gateways.addresses,
            "health_checks": self.forwarding.checked.times(),
            "pods": self._runtime.describe(),
        }

    def _pod_address(self, namespace: str, name: str) -> str | None:
        pod = self._pod_at(namespace, name)
        return self._runtime.ip_of(pod.metadata.uid) if pod is not None else None

    # --- what drives it

    def _take_event(self, event: RuntimeEvent) -> None:
        self.faults.take_event(event)
        self.kubelet.handle(event)

    def _take(self, type_: ObjectEvent, obj: Object, old: Object | None) -> None:
        """One change of the cluster, to all who care."""
        self.observer.before(obj)
        self._act(type_, obj)
        self.observer.after(type_, obj, old)

    def _act(self, type_: ObjectEvent, obj: Object) -> None:
        if isinstance(obj, Pod):
            meta = obj.metadata
            if type_ == "DELETED":
                self._runtime.forget_logs(meta.namespace, meta.name, meta.uid)
                self.faults.take_deleted(meta.namespace, meta.name)
            if self.informer.version is not None:  # else it comes with the list
                self.kubelet.take_object(type_, obj)
            return
        self.routing.take_object(type_, obj)
        self._proxy_feed.take(type_, obj)
        self._dns_feed.take(type_, obj)
        if isinstance(obj, Node) and type_ != "DELETED":
            self._announcer.take(obj)
        self.kubelet.take_object(type_, obj)

    def _tell_proxy(self, type_: ObjectEvent, obj: Object) -> None:
        arrived_s = now_s()
        self._proxy.health.queued(now_s=arrived_s)
        self._table.handle(type_, obj)
        self.ports.sync()
        self._proxy.health.updated(stamp=stamp())
        self.proxy_counts.synced(obj, now_s() - arrived_s)

    def _stop_proxy(self, stopped: bool) -> None:
        self._proxy.stopped = stopped
        self.ports.stop(stopped)
        self.metrics.stop_proxy(stopped)

    def _pod_at(self, namespace: str, name: str) -> Pod | None:
        pod = self.informer.objects.get(("Pod", namespace, name))
        return pod if isinstance(pod, Pod) else None

    def _listed(self) -> None:
        """The whole state is known: what is not in it is gone."""
        pods = [obj for obj in self.informer.objects.values() if isinstance(obj, Pod)]
        self.kubelet.take_pods(pods)

    def _run_action(self, command: RuntimeCommand) -> None:
        if not self.faults.holds(command):
            self._carry_out(command)

    def _carry_out(self, command: RuntimeCommand) -> None:
        if isinstance(command, StartContainer):
            caller = Caller("pod", command.pod.ip, command.pod.namespace)
            self._gateways.open(caller, pod=command.pod.name)
        elif isinstance(command, StopPod):
            self._gateways.close(self._runtime.ip_of(command.pod_uid))
        self._runtime.perform(command)

    def _connect(self, caller: Caller, host: str, port: int) -> GatewayDecision | Later:
        """A connection that somebody inside opens by a gateway."""
        return self._dns_faults.looked_up(host, lambda: self.routing.connect(caller, host, port))


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
