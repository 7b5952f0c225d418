"""What becomes of a new connection."""

from __future__ import annotations

from dataclasses import dataclass

from .service_ports import ServicePortName


@dataclass(frozen=True, slots=True)
class Chosen:
    """The connection goes to this endpoint.

    `node` is the endpoint's, "" if its slice names none; `node_address` where that node's tunnel
    listens. `masquerade`: the endpoint sees the choosing node's address, not the client's.
    `cluster_ip` is the Service port's ClusterIP and port, whatever address the client dialled: a
    nodePort only leads to the chain of the ClusterIP, which holds the endpoints (KUBE-EXT jumps to
    KUBE-SVC in pkg/proxy/iptables/proxier.go).
    """

    ip: str
    port: int
    node: str
    node_address: str
    service: ServicePortName
    reason: str
    masquerade: bool
    cluster_ip: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client is refused at once (ECONNREFUSED)."""

    service: ServicePortName | None
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The client gets no answer."""

    service: ServicePortName
    reason: str


@dataclass(frozen=True, slots=True)
class NotAService:
    """The address is none that kube-proxy handles."""

    reason: str


Verdict = Chosen | Refuse | Drop | NotAService
