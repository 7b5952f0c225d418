"""Turns kube-proxy's choices into routes: which socket to dial, from which source, through whom."""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from emucluster.core.addresses import (
    DNS_PORT,
    DNS_SERVICE_IP,
    HEALTHZ_PORT,
    SERVICE_CIDR,
    TUNNEL_PORT,
    Slice,
)
from emucluster.core.dns.answer import ExternalName
from emucluster.core.dns.records import DnsView
from emucluster.core.kubeproxy import verdict
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.objects import Node, Object
from emucluster.live.clock import now_s
from emucluster.live.network.routes import (
    Decision,
    Deny,
    Drop,
    GatewayDecision,
    Refuse,
    Route,
    Tunnel,
)
from emucluster.live.network.sockets import Address
from emucluster.live.node import annotations

log = logging.getLogger("emucluster.routing")

NODE_PORTS = range(30000, 32768)
_SERVICES = IPv4Network(SERVICE_CIDR)

RealPort = Callable[[str, int], int | None]
"""(pod IP, container port) -> the port that the pod's process listens on, None for nobody."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened a connection at a gateway; the gateway's own address tells."""

    kind: Literal["pod", "node"]
    ip: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node as this one knows it."""

    address: str
    tunnel: Address
    published: Mapping[int, Address]
    """Where ports of its address are reached instead; see `annotations`."""


class Routing:
    """The routes of one node. Every method is synchronous and O(1).

    `masquerade_ip` is what pods see as source where Kubernetes would apply SNAT: the node's
    address, or with several hosts the gateway of its pod range, as a VXLAN device would show.
    `machine_address` is set with several hosts: from there other machines are dialled, since an
    address of 127.0.0.0/8 cannot be a source beyond its own machine. Nor can a foreign address be
    one here: a pod sees clients from other machines as the gateway of its node's range.
    """

    def __init__(
        self,
        *,
        node_name: str,
        address: str,
        masquerade_ip: str,
        slice_: Slice,
        proxy: NodeProxy,
        dns: DnsView,
        real_port: RealPort,
        token: str,
        outside: Mapping[str, str],
        rng: random.Random,
        machine_address: str = "",
    ) -> None:
        self._machine_address = machine_address
        self._name = node_name
        self._address = address
        self._masquerade_ip = masquerade_ip
        self._pods = slice_.pods
        self._nodes = slice_.nodes
        self._proxy = proxy
        self._dns = dns
        self._real_port = real_port
        self._token = token.encode()
        self._outside = {name.rstrip(".").lower(): _address(at) for name, at in outside.items()}
        self._rng = rng
        self._peers: dict[str, Peer] = {}
        self._node_by_ip: dict[str, str] = {}
        self._node_by_cidr: dict[str, str] = {}

    def take_object(self, type_: str, obj: Object) -> None:
        """Keep what is known of other nodes."""
        if not isinstance(obj, Node):
            return
        name = obj.metadata.name
        old = self._peers.pop(name, None)
        if old is not None:
            self._node_by_ip.pop(old.address, None)
            for cidr in [c for c, n in self._node_by_cidr.items() if n == name]:
                del self._node_by_cidr[cidr]
        if type_ == "DELETED":
            return
        addresses = obj.status.addresses if obj.status else ()
        address = next((a.address for a in addresses if a.type == "InternalIP"), None)
        if address is None:
            return
        notes = obj.metadata.annotations or {}
        self._peers[name] = Peer(
            address,
            annotations.decode_address(notes.get(annotations.TUNNEL, "")) or (address, TUNNEL_PORT),
            annotations.decode_ports(notes.get(annotations.PUBLISHED, "")),
        )
        self._node_by_ip[address] = name
        if obj.spec and obj.spec.pod_cidr:
            self._node_by_cidr[_prefix(obj.spec.pod_cidr)] = name

    # --- from outside, at a nodePort

    def node_port(self, client: Address, local: Address) -> Decision:
        """A connection that arrived at this node's address and a nodePort."""
        choice = self._proxy.choose_node_port(local[1], client[0], now_s(), origin="external")
        return self._decision(choice, client[0], hop="node-port")

    # --- from inside, at a gateway

    def connect(self, caller: Caller, host: str, port: int) -> GatewayDecision:
        """A CONNECT of `caller` to an address or name of the cluster, or to a declared name."""
        try:
            address = IPv4Address(host)
        except ValueError:
            return self._connect_name(caller, host, port)
        return self._connect_address(caller, address, port)

    def _connect_name(self, caller: Caller, host: str, port: int) -> GatewayDecision:
        declared = self._outside.get(host.rstrip(".").lower())
        if declared is not None:
            return Route(declared, service=host, hop="outside")
        found = self._dns.resolve(host, caller.namespace)
        if found is None:
            return Deny(f'"{host}" is neither a name of the cluster nor declared under outside:')
        if isinstance(found, ExternalName):
            declared = self._outside.get(found.target.rstrip(".").lower())
            if declared is None:
                return Deny(
                    f'"{host}" is an ExternalName for {found.target}, which is not declared '
                    "under outside: in cluster.yaml"
                )
            return Route(declared, service=host, hop="outside")
        if not found:
            return Refuse(f'"{host}" has no addresses: no ready endpoints')
        return self._connect_address(caller, IPv4Address(self._rng.choice(list(found))), port)

    def _connect_address(self, caller: Caller, address: IPv4Address, port: int) -> GatewayDecision:
        ip = str(address)
        if ip == DNS_SERVICE_IP and port == 53:
            return Route((self._address, DNS_PORT), service="kube-system/kube-dns")
        if address in _SERVICES:
            choice = self._proxy.choose_cluster_ip(ip, port, caller.ip, now_s())
            if isinstance(choice, verdict.NotAService):
                return Drop(choice.reason)
            return self._decision(choice, caller.ip, hop="cluster-ip")
        if address in self._pods:
            return self._to_pod(ip, port, self._owner(ip), caller.ip, "pod-ip", "")
        if ip in self._node_by_ip:
            return self._connect_node(caller, ip, port)
        choice = self._proxy.choose_address(ip, port, caller.ip, now_s(), origin=caller.kind)
        if isinstance(choice, verdict.NotAService):
            return Deny(f"{ip}:{port} is not an address of this cluster")
        return self._decision(choice, caller.ip, hop="cluster-ip")

    def _connect_node(self, caller: Caller, ip: str, port: int) -> GatewayDecision:
        if ip == self._address and port in NODE_PORTS:
            choice = self._proxy.choose_node_port(port, caller.ip, now_s(), origin=caller.kind)
            return self._decision(choice, caller.ip, hop="node-port")
        if port in NODE_PORTS or port == HEALTHZ_PORT:
            at = self._peers[self._node_by_ip[ip]].published.get(port, (ip, port))
            return Route(at, source=self._source_to(at[0]), hop="pod-ip")
        return Deny(f"{ip}:{port}: nodes serve nodePorts and {HEALTHZ_PORT} only")

    # --- from another node, through the tunnel

    def tunnelled(self, destination: Address, source: Address) -> Decision:
        """What another node's kube-proxy chose; here it only has to be delivered."""
        ip, port = destination
        return self._to_pod(ip, port, self._owner(ip), source[0], "tunnel", "")

    # --- shared

    def _decision(self, choice: verdict.Verdict, client_ip: str, *, hop: str) -> Decision:
        match choice:
            case verdict.Chosen():
                source = self._masquerade_ip if choice.masquerade else client_ip
                service = str(choice.service.service)
                decision = self._to_pod(choice.ip, choice.port, choice.node, source, hop, service)
                if isinstance(decision, Route):
                    return replace(decision, cluster_ip=choice.cluster_ip)
                return decision
            case verdict.Refuse(service=name):
                return Refuse(choice.reason, str(name.service) if name else "")
            case verdict.Drop(service=name):
                return Drop(choice.reason, str(name.service))
            case verdict.NotAService():
                return Refuse(choice.reason)

    def _to_pod(
        self, ip: str, port: int, node: str | None, source: str, hop: str, service: str
    ) -> Decision:
        endpoint = f"{ip}:{port}"
        if self._machine_address and not source.startswith("127."):
            source = self._masquerade_ip
        if node == self._name:
            real = self._real_port(ip, port)
            if real is None:
                return Refuse(f"nothing listens on {endpoint}", service)
            return Route((ip, real), source=source, hop=hop, service=service, endpoint=endpoint)
        peer = self._peers.get(node or "")
        if peer is None or hop == "tunnel":
            return Drop(f"no route to {endpoint}", service)
        via = Tunnel(peer.tunnel, self._token, source=self._source_to(peer.tunnel[0]))
        return Route(
            (ip, port), source=source, via=via, hop=hop, service=service, endpoint=endpoint
        )

    def _source_to(self, ip: str) -> str:
        """Whence this node itself dials `ip`."""
        if self._machine_address and not ip.startswith("127."):
            return self._machine_address
        return self._address

    def _owner(self, ip: str) -> str | None:
        return self._node_by_cidr.get(_prefix(ip))


def _prefix(ip_or_cidr: str) -> str:
    """The first three bytes: a node owns a /24."""
    return ip_or_cidr.rsplit(".", 1)[0]


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)
