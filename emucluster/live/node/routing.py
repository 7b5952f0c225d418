"""Carries out a node's routing decisions: which socket to dial, from where, through whom."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from emucluster.core.addresses import DNS_PORT, TUNNEL_PORT, Slice
from emucluster.core.dns.records import DnsView
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.objects import Node, Object
from emucluster.core.routing import decision
from emucluster.core.routing.node_routing import Caller, NodeRouting, internal_ip
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

RealPort = Callable[[str, int], int | None]
"""(pod IP, container port) -> the port that the pod's process listens on, None for nobody."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where another node is reached."""

    tunnel: Address
    published: Mapping[int, Address]
    """Where ports of its address are reached instead; see `annotations`."""


class Routing:
    """The routes of one node on real sockets. Every method is synchronous and O(1).

    `masquerade_ip`: see NodeRouting; with several hosts it is the gateway of the node's pod range.
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
        api: str = "",
    ) -> None:
        self._decide = NodeRouting(
            name=node_name,
            address=address,
            masquerade_ip=masquerade_ip,
            addresses=slice_,
            proxy=proxy,
            dns=dns,
            outside={name: _address(at) for name, at in outside.items()},
            rng=rng,
            api=api,
        )
        self._address = address
        self._masquerade_ip = masquerade_ip
        self._machine_address = machine_address
        self._real_port = real_port
        self._token = token.encode()
        self._peers: dict[str, Peer] = {}

    def take_object(self, type_: str, obj: Object) -> None:
        """Keep what is known of other nodes."""
        self._decide.take_object(type_, obj)
        if not isinstance(obj, Node):
            return
        self._peers.pop(obj.metadata.name, None)
        address = internal_ip(obj)
        if type_ == "DELETED" or address is None:
            return
        notes = obj.metadata.annotations or {}
        self._peers[obj.metadata.name] = Peer(
            annotations.decode_address(notes.get(annotations.TUNNEL, "")) or (address, TUNNEL_PORT),
            annotations.decode_ports(notes.get(annotations.PUBLISHED, "")),
        )

    def node_port(self, client: Address, local: Address) -> Decision:
        """A connection that arrived at this node's address and a nodePort."""
        return self._carry_out(self._decide.node_port(local[1], client[0], now_s()))

    def tunnelled(self, destination: Address, source: Address) -> Decision:
        """A connection that arrived through the tunnel, for a pod of this node."""
        return self._carry_out(self._decide.tunnelled(destination, source[0]))

    def connect(self, caller: Caller, host: str, port: int) -> GatewayDecision:
        """A CONNECT of `caller` to an address or name of the cluster, or to a declared name."""
        decided = self._decide.connect(caller, host, port, now_s())
        match decided:
            case decision.ToNode():
                at = self._peers[decided.node].published.get(
                    decided.port, (decided.ip, decided.port)
                )
                return Route(at, source=self.source_to(at[0]), hop="pod-ip")
            case decision.ToDns():
                return Route((self._address, DNS_PORT), service="kube-system/kube-dns")
            case decision.ToOutside():
                return Route(decided.address, service=decided.name, hop="outside")
            case decision.Deny():
                return Deny(decided.reason)
            case _:
                return self._carry_out(decided)

    def _carry_out(self, decided: decision.ToPodOrNot) -> Decision:
        match decided:
            case decision.ToPod():
                return self._to_pod(decided)
            case decision.ToApi():
                return Route(
                    (decided.ip, decided.port),
                    source=self.source_to(decided.ip),
                    hop=decided.hop,
                    service=decided.service,
                    endpoint=f"{decided.ip}:{decided.port}",
                    cluster_ip=decided.cluster_ip,
                )
            case decision.Refuse():
                return Refuse(decided.reason, decided.service, decided.hop)
            case decision.Drop():
                return Drop(decided.reason, decided.service, decided.hop)
            case _:
                assert_never(decided)

    def _to_pod(self, pod: decision.ToPod) -> Decision:
        endpoint, source = f"{pod.ip}:{pod.port}", pod.source
        if self._machine_address and not source.startswith("127."):
            source = self._masquerade_ip
        port, via = pod.port, None
        if pod.local:
            real = self._real_port(pod.ip, pod.port)
            if real is None:
                return Refuse(f"nothing listens on {endpoint}", pod.service, pod.hop)
            port = real
        else:
            tunnel = self._peers[pod.node].tunnel
            via = Tunnel(tunnel, self._token, source=self.source_to(tunnel[0]))
        return Route(
            (pod.ip, port),
            source=source,
            via=via,
            hop=pod.hop,
            service=pod.service,
            endpoint=endpoint,
            cluster_ip=pod.cluster_ip,
        )

    def source_to(self, ip: str) -> str:
        """Whence this node itself dials `ip`."""
        if self._machine_address and not ip.startswith("127."):
            return self._machine_address
        return self._address


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)
