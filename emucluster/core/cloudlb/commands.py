"""What the load balancer asks of whoever holds the sockets, and whom it speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TargetState = Literal["initial", "healthy", "unhealthy", "unused", "draining"]
"""As AWS names them: `initial` was never checked through, `unused` gets no flows by its zone."""

ProbeResult = Literal["passed", "timeout", "refused", "bad-status"]
"""`refused` is any failure of the connection but silence; `bad-status` an HTTP answer not 200."""

NoTargetHow = Literal["drop", "close"]


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """Where flows go: a node's address at a nodePort. `name` is the node's."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class NoTarget:
    """No target for this connection.

    `how` is what the client sees: `drop` is no answer to its SYN, `close` an accepted connection
    that ends at once.
    """

    reason: str
    how: NoTargetHow


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Check a machine now, and report to `LoadBalancer.handle_probe` in any case.

    `connect_timeout_s` ends the connection's establishment, `timeout_s` the whole check.
    A `tcp` check passes when the connection is established, `http` with status 200 of GET `path`.
    """

    probe: int
    name: str
    address: str
    port: int
    protocol: Literal["tcp", "http"]
    path: str
    connect_timeout_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class TargetBecame:
    """A target changed state; flows are not affected unless a ResetFlows says so."""

    target: Target
    state: TargetState
    was: TargetState
    reason: str


@dataclass(frozen=True, slots=True)
class ResetFlows:
    """End every connection to this target, towards the client with RST."""

    target: Target
    reason: str


@dataclass(frozen=True, slots=True)
class TargetGone:
    """A target is forgotten: deregistered, and drained where the preset drains."""

    target: Target


Command = SendProbe | TargetBecame | ResetFlows | TargetGone
