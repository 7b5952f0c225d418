"""Where a node sends the connections that come in at it or begin on it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Literal

from emucluster.core.addresses import SERVICE_CIDR, TUNNEL_PORT, Slice
from emucluster.core.dns.answer import ExternalName
from emucluster.core.dns.records import DnsView
from emucluster.core.kubeproxy import verdict
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.objects import Node, Object

from .routes import Address, Decision, Deliver, Deny, Drop, Onward, Refuse, Server

NODE_PORTS = range(30000, 32768)
_SERVICES = IPv4Network(SERVICE_CIDR)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opens a connection on a node."""

    kind: Literal["pod", "node"]
    ip: str
    namespace: str


class Routing:
    """The routes of one node, from what it has been told of the cluster.

    Args:
        listening: who serves a container port of a pod of this very node.
    """

    def __init__(
        self,
        *,
        name: str,
        address: str,
        addresses: Slice,
        proxy: NodeProxy,
        dns: DnsView,
        listening: Callable[[str, int], Server | None],
        now_s: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._name, self._address, self._pods = name, address, addresses.pods
        self._proxy, self._dns, self._listening = proxy, dns, listening
        self._now_s, self._rng = now_s, rng
        self._address_of: dict[str, str] = {}
        self._node_at: dict[str, str] = {}
        self._node_of_cidr: dict[str, str] = {}

    def take_object(self, type_: str, obj: Object) -> None:
        """Keep what is known of other nodes."""
        if not isinstance(obj, Node):
            return
        name = obj.metadata.name
        old = self._address_of.pop(name, None)
        if old is not None:
            self._node_at.pop(old, None)
            for prefix in [p for p, owner in self._node_of_cidr.items() if owner == name]:
                del self._node_of_cidr[prefix]
        address = next((a.address for a in obj.status.addresses if a.type == "InternalIP"), None)
        if type_ == "DELETED" or address is None:
            return
        self._address_of[name] = address
        self._node_at[address] = name
        if obj.spec.pod_cidr:
            self._node_of_cidr[_prefix(obj.spec.pod_cidr)] = name

    def node_port(self, port: int, client_ip: str) -> Decision:
        """A connection from outside to this node's address."""
        choice = self._proxy.choose_node_port(port, client_ip, self._now_s(), origin="external")
        return self._decision(choice, client_ip)

    def tunnelled(self, endpoint: Address, source: str) -> Decision:
        """What another node's kube-proxy chose; here it only has to be delivered."""
        server = self._listening(*endpoint)
        if server is None:
            return Refuse(f"nothing listens on {endpoint[0]}:{endpoint[1]}")
        return Deliver(server, source)

    def connect(self, caller: Caller, host: str, port: int) -> Decision:
        """A connection that a pod, or the node itself, opens to an address or a name."""
        try:
            address = IPv4Address(host)
        except AddressValueError:
            return self._connect_name(caller, host, port)
        return self._connect_address(caller, address, port)

    def _connect_name(self, caller: Caller, host: str, port: int) -> Decision:
        found = self._dns.resolve(host, caller.namespace)
        if found is None:
            return Deny(f'"{host}" is not a name of the cluster')
        if isinstance(found, ExternalName):
            return Deny(f'"{host}" stands for {found.target}, which is outside')
        return self._connect_address(caller, IPv4Address(self._rng.choice(found)), port)

    def _connect_address(self, caller: Caller, address: IPv4Address, port: int) -> Decision:
        ip, now_s = str(address), self._now_s()
        if address in _SERVICES:
            choice = self._proxy.choose_cluster_ip(ip, port, caller.ip, now_s)
            if isinstance(choice, verdict.NotAService):
                return Drop(choice.reason)
            return self._decision(choice, caller.ip)
        if address in self._pods:
            return self._to_pod((ip, port), self._node_of_cidr.get(_prefix(ip)), caller.ip)
        if ip in self._node_at:
            return self._connect_node(caller, ip, port)
        choice = self._proxy.choose_address(ip, port, caller.ip, now_s, origin=caller.kind)
        if isinstance(choice, verdict.NotAService):
            return Deny(f"{ip}:{port} is not an address of this cluster")
        return self._decision(choice, caller.ip)

    def _connect_node(self, caller: Caller, ip: str, port: int) -> Decision:
        if port not in NODE_PORTS:
            return Deny(f"{ip}:{port}: nodes serve nodePorts only")
        if ip != self._address:
            return Onward((ip, port), self._address)
        choice = self._proxy.choose_node_port(port, caller.ip, self._now_s(), origin=caller.kind)
        return self._decision(choice, caller.ip)

    def _decision(self, choice: verdict.Verdict, client_ip: str) -> Decision:
        match choice:
            case verdict.Chosen():
                source = self._address if choice.masquerade else client_ip
                return self._to_pod((choice.ip, choice.port), choice.node, source)
            case verdict.Drop():
                return Drop(choice.reason)
            case verdict.Refuse() | verdict.NotAService():
                return Refuse(choice.reason)

    def _to_pod(self, endpoint: Address, node: str | None, source: str) -> Decision:
        if node == self._name:
            return self.tunnelled(endpoint, source)
        address = self._address_of.get(node or "")
        if address is None:
            return Drop(f"no route to {endpoint[0]}:{endpoint[1]}")
        return Onward((address, TUNNEL_PORT), source, endpoint=endpoint)


def _prefix(ip_or_cidr: str) -> str:
    """The first three bytes: a node owns a /24."""
    return ip_or_cidr.rsplit(".", 1)[0]
