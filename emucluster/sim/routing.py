"""Carries out a simulated node's routing decisions: delivered here, or sent on to another node."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import assert_never

from emucluster.core.addresses import TUNNEL_PORT, Slice
from emucluster.core.dns.records import DnsView
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.objects import Node, Object
from emucluster.core.routing import decision
from emucluster.core.routing.node_routing import Caller, NodeRouting, internal_ip

from .routes import Address, Decision, Deliver, Deny, Drop, Onward, Refuse, Server

__all__ = ["Caller", "Routing"]


class Routing:
    """The routes of one node of the simulation.

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
        self._decide = NodeRouting(
            name=name,
            address=address,
            masquerade_ip=address,
            addresses=addresses,
            proxy=proxy,
            dns=dns,
            outside={},
            rng=rng,
        )
        self._address, self._listening, self._now_s = address, listening, now_s
        self._address_of: dict[str, str] = {}

    def take_object(self, type_: str, obj: Object) -> None:
        """Keep what is known of other nodes."""
        self._decide.take_object(type_, obj)
        if isinstance(obj, Node):
            self._address_of.pop(obj.metadata.name, None)
            address = internal_ip(obj)
            if type_ != "DELETED" and address is not None:
                self._address_of[obj.metadata.name] = address

    def node_port(self, port: int, client_ip: str) -> Decision:
        """A connection from outside to this node's address."""
        return self._carry_out(self._decide.node_port(port, client_ip, self._now_s()))

    def tunnelled(self, endpoint: Address, source: str) -> Decision:
        """What another node's kube-proxy chose; here it only has to be delivered."""
        return self._carry_out(self._decide.tunnelled(endpoint, source))

    def connect(self, caller: Caller, host: str, port: int) -> Decision:
        """A connection that a pod, or the node itself, opens to an address or a name."""
        return self._carry_out(self._decide.connect(caller, host, port, self._now_s()))

    def _carry_out(self, decided: decision.RoutingDecision) -> Decision:
        match decided:
            case decision.ToPod():
                return self._to_pod(decided)
            case decision.ToNode():
                return Onward((decided.ip, decided.port), self._address)
            case decision.Refuse():
                return Refuse(decided.reason)
            case decision.Drop():
                return Drop(decided.reason)
            case decision.Deny():
                return Deny(decided.reason)
            case decision.ToDns() | decision.ToOutside() | decision.ToApi():
                return Deny("not simulated: servers that are not pods")
            case _:
                assert_never(decided)

    def _to_pod(self, pod: decision.ToPod) -> Decision:
        endpoint = (pod.ip, pod.port)
        if not pod.local:
            return Onward((self._address_of[pod.node], TUNNEL_PORT), pod.source, endpoint=endpoint)
        server = self._listening(*endpoint)
        if server is None:
            return Refuse(f"nothing listens on {endpoint[0]}:{endpoint[1]}")
        return Deliver(server, pod.source)
