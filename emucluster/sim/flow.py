"""One connection, over all the hosts that it passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .host import Host
from .routes import Address, Server

FlowEnd = Literal["refused", "timeout", "reset", "closed", "denied"]
"""`closed` is a FIN; `timeout` the client's kernel giving up."""


@dataclass(frozen=True, slots=True)
class IdleRule:
    """What a host on the way does with a connection that was idle for so long."""

    timeout_s: float
    ends_with: Literal["reset", "close", "silence"]


@dataclass(slots=True, eq=False)
class Flow:
    """State of a connection, kept as its client and each host on the way know it.

    Attributes:
        client: the client's own address.
        source: the address that the next to accept it sees.
        hops: hosts in the order from the client, the pod's last.
        target: what a load balancer sends it to.
        lost_s: since when data of the client is not acknowledged.
    """

    number: int
    client: Address
    started_s: float
    source: str
    hops: list[Host] = field(default_factory=list)
    server: Server | None = None
    state: Literal["connecting", "open", "ended"] = "connecting"
    end: FlowEnd | None = None
    reason: str = ""
    target: object = None
    idle: IdleRule | None = None
    active_s: float = 0.0
    lost_s: float | None = None
    on_open: Callable[[], None] | None = None
    on_end: Callable[[], None] | None = None
    on_leave: dict[str, Callable[[], None]] = field(default_factory=dict)
    """By host name, what that host does once it knows the connection no more."""

    @property
    def has_ended(self) -> bool:
        """Whether its client knows that it is over."""
        return self.state == "ended"

    def enter(self, host: Host) -> None:
        """The connection passes `host` from now on."""
        self.hops.append(host)
        host.flows[self.number] = self

    def leave(self, host: Host) -> None:
        """The host forgets the connection."""
        if host.flows.pop(self.number, None) is not None:
            left = self.on_leave.pop(host.name, None)
            if left is not None:
                left()

    def is_known_to(self, host: Host) -> bool:
        return self.number in host.flows

    def finish(self, end: FlowEnd, reason: str) -> None:
        """Its client learns that it is over. One that no pod ever had counts as refused."""
        if self.state == "ended":
            return
        if self.state == "connecting" and end in ("reset", "closed"):
            end = "refused"
        self.state, self.end, self.reason = "ended", end, reason
        callback, self.on_open, self.on_end = self.on_end, None, None
        if callback is not None:
            callback()
