"""What a decision about one new connection can be. Decisions are core code; these are its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from emucluster.live.network.sockets import Address

DIAL_TIMEOUT_S = 127.0
"""How long Linux retries a SYN (net.ipv4.tcp_syn_retries = 6) before connect() gives up."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The tunnel port of the node to go through, and how to be admitted there."""

    address: Address
    token: bytes
    """The cluster's token: the key of the header's MAC."""
    source: str | None = None
    """Address of this node, to which the tunnel's connection is bound."""


@dataclass(frozen=True, slots=True)
class Route:
    """Forward the connection to `destination`.

    `source` is the address that the destination shall see. With `via`, destination and source are
    sent to the far node, which dials them there. `dial_timeout_s` is how long the client is kept
    waiting, as by a kernel that repeats its SYN, before it gets RST (or 504 from a gateway).
    """

    destination: Address
    source: str | None = None
    via: Tunnel | None = None
    hop: str = ""
    """Kind of the hop in the flow record; empty: the listener's."""
    service: str = ""
    endpoint: str = ""
    cluster_ip: str = ""
    """`IP:port` of the Service port whose endpoint was chosen; empty where none was."""
    dial_timeout_s: float = DIAL_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with RST; a gateway with 503 and the reason. `hop` as in Route."""

    reason: str = ""
    service: str = ""
    hop: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Never answer: the connection stays open and unread. `hop` as in Route."""

    reason: str = ""
    service: str = ""
    hop: str = ""


@dataclass(frozen=True, slots=True)
class Deny:
    """Not a cluster address: 403 from a gateway."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """Of a gateway: decide after `delay_s`, as `decide` says then."""

    delay_s: float
    decide: Callable[[], GatewayDecision]


Decision: TypeAlias = Route | Refuse | Drop
GatewayDecision: TypeAlias = Route | Refuse | Drop | Deny
