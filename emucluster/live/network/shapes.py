"""What a fault of a link does to packets that arrive, and to which ones: words, no sockets."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import OUTSIDE, FaultLease
from emucluster.core.faults.delay import Delay
from emucluster.live.network import marks


@dataclass(frozen=True, slots=True)
class Ends:
    """Who stands where one side of a connection leads to.

    Attributes:
        addresses: the peer of the socket, and behind a tunnel also whom it speaks for.
        mark: of the load balancer that sent it; then no address counts. 0: none.
    """

    addresses: tuple[str, ...]
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """One fault in force.

    Attributes:
        networks: whose packets are hit; None: everybody's, on both sides of each connection.
        marks: of load balancers among them.
        local: only those for this address, a pod's; None: for the whole host.
        holds_sent: whether what is sent to these peers is held as well, since nobody else can hold
            it at the other end.
    """

    id: str
    kind: str
    networks: tuple[IPv4Network, ...] | None
    marks: frozenset[int] = frozenset()
    local: str | None = None
    share: float = 0.0
    bytes_per_s: int = 0
    delay: Delay | None = None
    holds_sent: bool = False
    rng: random.Random = field(default_factory=random.Random)

    @property
    def cuts(self) -> bool:
        """Whether nothing at all arrives."""
        return self.kind == "partition"

    def hits(self, here: Ends, beyond: Ends) -> bool:
        """Whether packets are hit that arrive from `here`, on a connection with `beyond`."""
        if self.networks is None:
            return True
        if self.local is not None and self.local not in beyond.addresses:
            return False
        if here.mark:
            return here.mark in self.marks
        return any(
            IPv4Address(address) in network
            for address in here.addresses
            for network in self.networks
        )


def shape_of(lease: FaultLease, *, local: str | None) -> Shape:
    """What a lease asks for. Raises EmuclusterError where it does not say whose packets."""
    params = lease.params
    is_link = lease.kind != "slow"
    if is_link and not lease.networks:
        raise EmuclusterError(f"{lease.kind} of a link needs peers: it hits what they send")
    networks = tuple(IPv4Network(text) for text in lease.networks) if is_link else None
    return Shape(
        id=lease.id,
        kind=lease.kind,
        networks=networks,
        marks=marks.marks_of(networks or ()),
        local=local,
        share=float(params.get("share", 0.0)),
        bytes_per_s=int(params.get("bytesPerSecond", 0)),
        delay=Delay.of(params) if "delay" in params else None,
        holds_sent=params.get("direction") == "both" and OUTSIDE in lease.peers,
        rng=random.Random(lease.id),
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """All that hits the packets of one side of one connection; composed in the catalogue's order.

    Attributes:
        cut: nothing arrives; it hides the rest.
        holds_sent: nothing is sent there either.
        loss: share of packets that is dropped.
        rates: bytes a second, of each bandwidth fault.
        delays: of each latency fault, with the source of its draws.
    """

    cut: bool = False
    holds_sent: bool = False
    loss: float = 0.0
    rates: tuple[int, ...] = ()
    delays: tuple[tuple[Delay, random.Random], ...] = ()

    @property
    def holds_bytes(self) -> bool:
        """Whether bytes wait with us before they go on."""
        return bool(self.rates or self.delays)

    def draw_s(self) -> float:
        """How much longer one packet takes."""
        return sum(delay.draw_s(rng) for delay, rng in self.delays)

    @property
    def mean_delay_s(self) -> float:
        return sum(delay.delay_s for delay, _ in self.delays)


NONE = Effect()


def effect_of(shapes: Iterable[Shape], here: Ends, beyond: Ends) -> Effect:
    """What `shapes` do together to what arrives from `here`."""
    hitting: Sequence[Shape] = [shape for shape in shapes if shape.hits(here, beyond)]
    if not hitting:
        return NONE
    passing = 1.0
    for shape in hitting:
        passing *= 1.0 - (shape.share if shape.kind == "loss" else 0.0)
    return Effect(
        cut=any(shape.cuts for shape in hitting),
        holds_sent=any(shape.holds_sent and shape.cuts for shape in hitting),
        loss=1.0 - passing,
        rates=tuple(shape.bytes_per_s for shape in hitting if shape.bytes_per_s),
        delays=tuple((shape.delay, shape.rng) for shape in hitting if shape.delay is not None),
    )
