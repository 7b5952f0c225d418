"""The routes of one node, from what it has been told of the cluster. Every choice is O(1)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Literal

from emucluster.core.addresses import (
    DNS_SERVICE_IP,
    HEALTHZ_PORT,
    KUBE_API_PORT,
    SERVICE_CIDR,
    Slice,
)
from emucluster.core.dns.answer import ExternalName
from emucluster.core.dns.records import DnsView
from emucluster.core.kubeproxy import verdict
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.objects import Node, Object

from .decision import (
    Address,
    Deny,
    Drop,
    HopKind,
    Refuse,
    RoutingDecision,
    ToApi,
    ToDns,
    ToNode,
    ToOutside,
    ToPod,
    ToPodOrNot,
)

NODE_PORTS = range(30000, 32768)
_DNS_PORT = 53
_SERVICES = IPv4Network(SERVICE_CIDR)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opens a connection on a node; the gateway's own address tells."""

    kind: Literal["pod", "node"]
    ip: str
    namespace: str


class NodeRouting:
    """Decides for one node.

    Args:
        name, address: of the node.
        masquerade_ip: what pods see as source where Kubernetes would apply SNAT: the node's
            address, or the gateway of its pod range, as a VXLAN device would show.
        addresses: of the cluster.
        outside: names beyond the cluster and where their traffic goes.
        rng: chooses among the addresses of a name.
        api: address of the API server; "" if it is not to be reached from here.
    """

    def __init__(
        self,
        *,
        name: str,
        address: str,
        masquerade_ip: str,
        addresses: Slice,
        proxy: NodeProxy,
        dns: DnsView,
        outside: Mapping[str, Address],
        rng: random.Random,
        api: str = "",
    ) -> None:
        self._name, self._address, self._masquerade_ip = name, address, masquerade_ip
        self._pods = addresses.pods
        self._proxy, self._dns, self._rng = proxy, dns, rng
        self._api = api
        self._outside = {_plain(known): place for known, place in outside.items()}
        self._address_of: dict[str, str] = {}
        self._node_at: dict[str, str] = {}
        self._node_of_range: dict[str, str] = {}

    def take_object(self, type_: str, obj: Object) -> None:
        """Keep what is known of nodes; other objects are ignored."""
        if not isinstance(obj, Node):
            return
        name = obj.metadata.name
        old = self._address_of.pop(name, None)
        if old is not None:
            self._node_at.pop(old, None)
            for prefix in [p for p, owner in self._node_of_range.items() if owner == name]:
                del self._node_of_range[prefix]
        address = internal_ip(obj)
        if type_ == "DELETED" or address is None:
            return
        self._address_of[name] = address
        self._node_at[address] = name
        if obj.spec.pod_cidr:
            self._node_of_range[_prefix(obj.spec.pod_cidr)] = name

    # --- where connections come from

    def node_port(self, port: int, client_ip: str, now_s: float) -> ToPodOrNot:
        """One from outside that arrived at this node's address and a nodePort."""
        choice = self._proxy.choose_node_port(port, client_ip, now_s, origin="external")
        return self._chosen(choice, client_ip, "node-port")

    def tunnelled(self, endpoint: Address, source_ip: str) -> ToPodOrNot:
        """One that another node's kube-proxy chose a pod for; here it only has to be delivered."""
        return self._to_pod(*endpoint, self._owner(endpoint[0]), source_ip, "tunnel", "")

    def connect(self, caller: Caller, host: str, port: int, now_s: float) -> RoutingDecision:
        """One that a pod, or the node itself, opens to an address or a name."""
        try:
            address = IPv4Address(host)
        except AddressValueError:
            return self._connect_name(caller, host, port, now_s)
        return self._connect_address(caller, address, port, now_s)

    # --- by name and by address

    def _connect_name(self, caller: Caller, host: str, port: int, now_s: float) -> RoutingDecision:
        if self._dns.failing is not None:
            return Refuse(f'"{host}": the DNS of {self._name} answers {self._dns.failing}')
        if (declared := self._outside.get(_plain(host))) is not None:
            return ToOutside(host, declared)
        found = self._dns.resolve(host, caller.namespace)
        if found is None:
            return Deny(f'"{host}" is neither a name of the cluster nor declared under outside:')
        if isinstance(found, ExternalName):
            if (declared := self._outside.get(_plain(found.target))) is not None:
                return ToOutside(host, declared)
            return Deny(
                f'"{host}" is an ExternalName for {found.target}, which is not declared '
                "under outside: in cluster.yaml"
            )
        if not found:
            return Refuse(f'"{host}" has no addresses: no ready endpoints')
        return self._connect_address(caller, IPv4Address(self._rng.choice(found)), port, now_s)

    def _connect_address(
        self, caller: Caller, address: IPv4Address, port: int, now_s: float
    ) -> RoutingDecision:
        ip = str(address)
        if ip == DNS_SERVICE_IP and port == _DNS_PORT:
            return ToDns()
        if address in _SERVICES:
            choice = self._proxy.choose_cluster_ip(ip, port, caller.ip, now_s)
            if isinstance(choice, verdict.NotAService):
                return Drop(choice.reason, hop="cluster-ip")
            return self._chosen(choice, caller.ip, "cluster-ip")
        if address in self._pods:
            return self._to_pod(ip, port, self._owner(ip), caller.ip, "pod-ip", "")
        if ip == self._api and port == KUBE_API_PORT:  # a node's address too, on several hosts
            return ToApi(ip, port, "pod-ip")
        if ip in self._node_at:
            return self._connect_node(caller, ip, port, now_s)
        choice = self._proxy.choose_address(ip, port, caller.ip, now_s, origin=caller.kind)
        if isinstance(choice, verdict.NotAService):
            return Deny(f"{ip}:{port} is not an address of this cluster")
        return self._chosen(choice, caller.ip, "cluster-ip")

    def _connect_node(self, caller: Caller, ip: str, port: int, now_s: float) -> RoutingDecision:
        if ip == self._address and port in NODE_PORTS:
            choice = self._proxy.choose_node_port(port, caller.ip, now_s, origin=caller.kind)
            return self._chosen(choice, caller.ip, "node-port")
        if port in NODE_PORTS or port == HEALTHZ_PORT:
            return ToNode(self._node_at[ip], ip, port)
        return Deny(f"{ip}:{port}: nodes serve nodePorts and {HEALTHZ_PORT} only")

    # --- to a pod

    def _chosen(self, choice: verdict.Verdict, client_ip: str, hop: HopKind) -> ToPodOrNot:
        match choice:
            case verdict.Chosen():
                source = self._masquerade_ip if choice.masquerade else client_ip
                service = str(choice.service.service)
                # Packets go by address. Slices that somebody else wrote may name no node, or a
                # wrong one, which only matters to policies.
                node = self._owner(choice.ip) or self._node_at.get(choice.ip) or choice.node
                return self._to_pod(
                    choice.ip, choice.port, node, source, hop, service, choice.cluster_ip
                )
            case verdict.Refuse(service=name):
                return Refuse(choice.reason, str(name.service) if name else "", hop)
            case verdict.Drop(service=name):
                return Drop(choice.reason, str(name.service), hop)
            case verdict.NotAService():
                return Refuse(choice.reason, hop=hop)

    def _to_pod(
        self,
        ip: str,
        port: int,
        node: str | None,
        source: str,
        hop: HopKind,
        service: str,
        cluster_ip: str = "",
    ) -> ToPodOrNot:
        if ip == self._api and port == KUBE_API_PORT and hop != "tunnel":
            return ToApi(ip, port, hop, service, cluster_ip)
        local = node == self._name
        if not local and (node not in self._address_of or hop == "tunnel"):
            return Drop(f"no route to {ip}:{port}", service, hop)
        return ToPod(ip, port, node or "", local, source, hop, service, cluster_ip)

    def _owner(self, ip: str) -> str | None:
        return self._node_of_range.get(_prefix(ip))


def internal_ip(node: Node) -> str | None:
    """The address of a Node object, if it has one yet."""
    return next((a.address for a in node.status.addresses if a.type == "InternalIP"), None)


def _prefix(ip_or_cidr: str) -> str:
    """The first three bytes: a node owns a /24."""
    return ip_or_cidr.rsplit(".", 1)[0]


def _plain(name: str) -> str:
    return name.rstrip(".").lower()
