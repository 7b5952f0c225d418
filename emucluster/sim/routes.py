"""What becomes of a connection at the place where it has arrived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from .flow import Flow
    from .host import Host

Address = tuple[str, int]


class Server(Protocol):
    """Who answers calls in the end."""

    host: Host
    pod: str
    node: str

    def serve(self, answer: Callable[[], None]) -> None:
        """Carry out one call and `answer` it, at once, later or never."""


@dataclass(frozen=True, slots=True)
class Onward:
    """Dial `to`, which shall see `source`.

    `endpoint`: through the tunnel of the node at `to`, to this pod address. `dial_timeout_s`: who
    forwards gives up after so long, and resets its client; None: as long as the client waits.
    """

    to: Address
    source: str
    endpoint: Address | None = None
    dial_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Deliver:
    """The connection is established with this server, which sees `source`."""

    server: Server
    source: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """RST, or a gateway's 503."""

    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """No answer; the client's kernel tries again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deny:
    """A gateway's 403: nothing that it may dial."""

    reason: str


Decision = Onward | Deliver | Refuse | Drop | Deny

ProbeAnswer = Literal["passed", "bad-status", "refused", "dropped"]


class Station(Protocol):
    """Something with an address, where connections and health checks arrive."""

    host: Host

    def accept(self, flow: Flow, arrival: Onward) -> Decision:
        """A connection came in as `arrival` says."""

    def answer_check(self, port: int, protocol: Literal["tcp", "http"], path: str) -> ProbeAnswer:
        """What a health check of `port` finds while the host runs."""
