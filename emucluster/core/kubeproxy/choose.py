"""One node's kube-proxy: an endpoint for each new connection, or why there is none."""

from __future__ import annotations

import random
from typing import Literal

from .affinity import AffinityTable
from .health import HttpAnswer, ProxyHealth, service_answer
from .listeners import Listen, NodePortListeners
from .service_ports import ServicePort, ServicePortName
from .table import NodeInfo, RouteTable
from .topology import Endpoint, EndpointList
from .verdict import Chosen, Drop, NotAService, Refuse, Verdict

Mode = Literal["rr", "random"]
Origin = Literal["external", "pod", "node"]
Entry = Literal["cluster-ip", "node-port", "load-balancer", "external-ip"]

_UNKNOWN_NODE = NodeInfo()


class NodeProxy:
    """Chooses for the connections that are opened on, or come in at, one node.

    Every choice is in constant time. Established connections are not its business: what it once
    chose stays chosen.

    Args:
        node_name: the node whose policy, topology and memory count.
        table: shared by the nodes of a process.
        mode: `rr` takes endpoints in turn for each entry of a service port, as IPVS does for each
            of its virtual servers; `random` as iptables and nftables do.
        rng: draws for `random`, and where each round begins.

    Attributes:
        stopped: it does nothing, so that new connections to Services get no answer.
    """

    def __init__(
        self, node_name: str, table: RouteTable, *, mode: Mode = "rr", rng: random.Random
    ) -> None:
        self.node_name = node_name
        self.table = table
        self.mode: Mode = mode
        self.health = ProxyHealth()
        self.stopped = False
        self._rng = rng
        self._affinity = AffinityTable()
        self._turns: dict[tuple[ServicePortName, Entry], int] = {}
        self._listeners = NodePortListeners(node_name)

    # --- the choice, by the kind of address dialled ---

    def choose_cluster_ip(self, vip: str, port: int, client_ip: str, now_s: float) -> Verdict:
        """For a connection from a pod or the node itself to a ClusterIP.

        A port that the Service lacks is refused, as IPVS and nftables do.
        """
        service_port = self.table.cluster_ips.get((vip, port))
        if service_port is None:
            if self.table.is_cluster_ip(vip):
                return Refuse(None, f"{vip}:{port}: the Service has no such port")
            return NotAService(f"{vip}:{port}: no Service has this address")
        return self._choose(
            service_port,
            "cluster-ip",
            client_ip,
            now_s,
            local=service_port.internal_local,
            masquerade=False,
        )

    def choose_node_port(
        self, node_port: int, client_ip: str, now_s: float, *, origin: Origin = "external"
    ) -> Verdict:
        """For a connection to this node's address at a nodePort.

        `origin` other than `external` gets policy Cluster whatever the Service says: such traffic
        is neither internal nor external.
        """
        service_port = self.table.node_ports.get(node_port)
        if service_port is None:
            return NotAService(f"no Service has nodePort {node_port}")
        return self._choose_external(service_port, "node-port", client_ip, now_s, origin)

    def choose_load_balancer_ip(
        self, ip: str, port: int, client_ip: str, now_s: float, *, origin: Origin = "pod"
    ) -> Verdict:
        """For a connection from within the cluster to a load balancer's address.

        It is answered here and never reaches the load balancer (ipMode VIP); source ranges hold.
        """
        service_port = self.table.load_balancer_ips.get((ip, port))
        if service_port is None:
            return NotAService(f"{ip}:{port}: no load balancer has this address")
        if not service_port.allows_source(client_ip):
            return Drop(
                service_port.name, f"{client_ip} is not in the Service's loadBalancerSourceRanges"
            )
        return self._choose_external(service_port, "load-balancer", client_ip, now_s, origin)

    def choose_external_ip(
        self, ip: str, port: int, client_ip: str, now_s: float, *, origin: Origin = "pod"
    ) -> Verdict:
        """For a connection to one of a Service's externalIPs."""
        service_port = self.table.external_ips.get((ip, port))
        if service_port is None:
            return NotAService(f"{ip}:{port}: no Service has this external address")
        return self._choose_external(service_port, "external-ip", client_ip, now_s, origin)

    def choose_address(
        self, ip: str, port: int, client_ip: str, now_s: float, *, origin: Origin = "pod"
    ) -> Verdict:
        """For a connection to any address: ClusterIP, then external, then load balancer's."""
        if (ip, port) in self.table.external_ips:
            return self.choose_external_ip(ip, port, client_ip, now_s, origin=origin)
        if (ip, port) in self.table.load_balancer_ips:
            return self.choose_load_balancer_ip(ip, port, client_ip, now_s, origin=origin)
        return self.choose_cluster_ip(ip, port, client_ip, now_s)

    def _choose_external(
        self, port: ServicePort, entry: Entry, client_ip: str, now_s: float, origin: Origin
    ) -> Verdict:
        """Source: pkg/proxy/iptables/proxier.go, the KUBE-EXT chain of a Service.

        Under Cluster everything is masqueraded; under Local only what the node itself sends.
        """
        local = port.external_local and origin == "external"
        masquerade = not port.external_local or origin == "node"
        return self._choose(port, entry, client_ip, now_s, local=local, masquerade=masquerade)

    def _choose(
        self,
        port: ServicePort,
        entry: Entry,
        client_ip: str,
        now_s: float,
        *,
        local: bool,
        masquerade: bool,
    ) -> Verdict:
        if self.stopped:
            return Drop(port.name, f"kube-proxy of {self.node_name} is stopped")
        endpoints = self.table.endpoints(port.name)
        usable = self._usable(port, local=local)
        if not usable:
            if local and endpoints.has_any:
                return Drop(port.name, f"{port.name} has no local endpoints on {self.node_name}")
            return Refuse(port.name, f"{port.name} has no endpoints")
        if port.affinity_timeout_s is None:
            return self._verdict(port, self._pick(port, entry, usable), client_ip, masquerade)
        endpoint = self._affinity.find(port, client_ip, endpoints, usable, now_s=now_s)
        reason = "session affinity" if endpoint else ""
        endpoint = endpoint or self._pick(port, entry, usable)
        self._affinity.note(port, client_ip, endpoints, endpoint, now_s=now_s)
        return self._verdict(port, endpoint, client_ip, masquerade, reason)

    def _usable(self, port: ServicePort, *, local: bool) -> EndpointList:
        endpoints = self.table.endpoints(port.name)
        if local:
            return endpoints.usable_locally(self.node_name)
        zone = self.table.nodes.get(self.node_name, _UNKNOWN_NODE).zone
        return endpoints.usable(self.node_name, zone, prefer_same_node=port.prefer_same_node)

    def _pick(self, port: ServicePort, entry: Entry, usable: EndpointList) -> Endpoint:
        items = usable.items
        if self.mode == "random":
            return items[self._rng.randrange(len(items))]
        turn = self._turns.get((port.name, entry))
        if turn is None:
            turn = self._rng.randrange(len(items))
            self._forget_turns_of_gone_ports()
        turn %= len(items)
        self._turns[port.name, entry] = turn + 1
        return items[turn]

    def _forget_turns_of_gone_ports(self) -> None:
        """Services come and go; the memory of their rounds may not grow for ever."""
        ports = self.table.ports
        if len(self._turns) > 1024 + 8 * len(ports):
            self._turns = {key: turn for key, turn in self._turns.items() if key[0] in ports}

    def _verdict(
        self,
        port: ServicePort,
        endpoint: Endpoint,
        client_ip: str,
        masquerade: bool,
        reason: str = "",
    ) -> Chosen:
        return Chosen(
            ip=endpoint.ip,
            port=endpoint.port,
            node=endpoint.node,
            node_address=self.table.nodes.get(endpoint.node, _UNKNOWN_NODE).address,
            service=port.name,
            reason=reason or ("round robin" if self.mode == "rr" else "random"),
            masquerade=masquerade or endpoint.ip == client_ip,  # hairpin: back to the sender
            cluster_ip=f"{port.cluster_ip}:{port.port}",
        )

    def usable(self, name: ServicePortName) -> tuple[EndpointList, ...]:
        """The lists that new connections to a service port get their endpoints from.

        One for its ClusterIP, and one for what comes from outside if it can; empty if the Service
        is not proxied.
        """
        port = self.table.ports.get(name)
        if port is None:
            return ()
        inside = self._usable(port, local=port.internal_local)
        if port.node_port is None and not port.load_balancer_ips and not port.external_ips:
            return (inside,)
        return inside, self._usable(port, local=port.external_local)

    # --- what the node listens on ---

    def listeners(self) -> frozenset[Listen]:
        """Every port that this node must listen on now."""
        return self._listeners.wanted(self.table)

    def take_listener_changes(self) -> list[tuple[int, Listen | None]]:
        """What changed since the last call, by port; None: close it. The first call has all."""
        return self._listeners.take_changes(self.table)

    # --- health ---

    def service_health(self, port: int, now_s: float) -> HttpAnswer | None:
        """The answer at a healthCheckNodePort, whatever the path; None if no Service has it."""
        service = self.table.health_check_node_ports.get(port)
        if service is None:
            return None
        local = {
            endpoint.ip
            for port_ in self.table.service(service)
            for endpoint in self.table.endpoints(port_.name).local_ready(self.node_name)
        }
        return service_answer(service, len(local), self.health.is_healthy(now_s=now_s))

    def healthz(self, now_s: float, stamp: str) -> HttpAnswer:
        """The answer at :10256/healthz; `stamp` is the current time as RFC 3339."""
        return self.health.healthz(self._is_eligible(), now_s=now_s, stamp=stamp)

    def livez(self, now_s: float, stamp: str) -> HttpAnswer:
        """The answer at :10256/livez: as healthz, but a leaving node is alive."""
        return self.health.healthz(True, now_s=now_s, stamp=stamp)

    def _is_eligible(self) -> bool:
        return not self.table.nodes.get(self.node_name, _UNKNOWN_NODE).is_leaving
