"""What a node decides about a new connection, before anybody dials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Address = tuple[str, int]

HopKind = Literal["node-port", "cluster-ip", "pod-ip", "tunnel"]


@dataclass(frozen=True, slots=True)
class ToPod:
    """To port `port` of the pod at `ip`, which runs on `node` and shall see `source`.

    `local`: on this very node. `cluster_ip` is the Service's address and port that led there, "" if
    none did.
    """

    ip: str
    port: int
    node: str
    local: bool
    source: str
    hop: HopKind
    service: str = ""
    cluster_ip: str = ""


@dataclass(frozen=True, slots=True)
class ToApi:
    """To the API server, which is an endpoint of default/kubernetes and on no node."""

    ip: str
    port: int
    hop: HopKind
    service: str = ""
    cluster_ip: str = ""


@dataclass(frozen=True, slots=True)
class ToNode:
    """To a port of another node's address (or this one's health port), from the node itself."""

    node: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class ToDns:
    """To the node's own DNS server, in place of kube-dns."""


@dataclass(frozen=True, slots=True)
class ToOutside:
    """To what cluster.yaml declares for this name under `outside:`."""

    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refused at once: ECONNREFUSED, or a gateway's 503. `hop`: as of what kind, if known."""

    reason: str
    service: str = ""
    hop: HopKind | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Never answered. `hop`: as of what kind, if known."""

    reason: str
    service: str = ""
    hop: HopKind | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Deny:
    """Nothing of the cluster, and nothing declared: a gateway's 403."""

    reason: str


ToPodOrNot = ToPod | ToApi | Refuse | Drop
RoutingDecision = ToPod | ToApi | ToNode | ToDns | ToOutside | Refuse | Drop | Deny
