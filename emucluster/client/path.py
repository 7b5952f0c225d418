"""How one connection went, told from flow records by their 5-tuples and never guessed.

Two hops belong together where `out_local`/`out_peer` of the one are `in_peer`/`in_local` of the
next, and the next began while the one was open. An answered call is joined backwards from the
client address that its pod saw, which is the last hop's `out_local`. A failed call is joined
forwards from the client's own connection. Where the records do not say, UNKNOWN stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from emucluster.core.addresses import TUNNEL_PORT

Address = tuple[str, int]
"""An IP and a port."""

EntryKey = tuple[str, Address, Address, float]

UNKNOWN = "?"
"""Stands for the part of a path of which no record is found."""

CLOCK_SKEW_S = 0.25
"""Hosts stamp flows with their own wall clocks, and a hop is recorded a moment after its dial."""

ENTRY_SKEW_S = 0.01
"""The same between a client and its gateway, which run on one machine as a rule."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One forwarded connection at one hop: in_peer -> in_local, then out_local -> out_peer.

    Attributes:
        kind: edge, load-balancer, node-port, cluster-ip, pod-ip or tunnel.
        host: the node or load balancer (`lb/default/web-lb`) that forwarded, or the edge.
        out_local, out_peer: None where nothing was connected onwards.
        start_s, end_s: wall clock, seconds since the epoch; end_s None while open.
        how: open, fin, rst, timeout, refused, dropped or fault; `reason` says it in words.
        asked: the destination that the client named to a gateway, as far as recorded.
        cluster_ip: `IP:port` of the Service port among whose endpoints kube-proxy chose here, also
            where the client dialled a nodePort; empty where no choice was made.
    """

    id: str
    kind: str
    host: str
    service: str
    endpoint: str
    in_peer: Address
    in_local: Address
    out_local: Address | None
    out_peer: Address | None
    start_s: float
    end_s: float | None
    bytes_in: int = 0
    bytes_out: int = 0
    closed_by: str = ""
    how: str = ""
    reason: str = ""
    asked: str = ""
    cluster_ip: str = ""

    @property
    def is_connected(self) -> bool:
        """Whether the next hop, or the pod, took the connection."""
        return self.out_local is not None and self.out_peer is not None

    @property
    def leads_on(self) -> bool:
        """Whether another hop comes after this one, if it connected: its peer is no server."""
        tunnelled = self.out_peer is not None and self._tunnelled(self.out_peer)
        return self.kind in ("edge", "load-balancer") or tunnelled

    def _tunnelled(self, to: Address) -> bool:
        """To a node's tunnel: at its usual port, or where a node on a shared machine has it."""
        pod = self.endpoint.rpartition(":")[0]
        return to[1] == TUNNEL_PORT or (bool(pod) and pod != to[0])

    def labels(self) -> list[str]:
        """The hop in a word, and behind a nodePort the ClusterIP that it leads through.

        kube-proxy sends what arrives at a nodePort through the chain of the Service's ClusterIP,
        within the same node: it is a step of the path, but no connection and no record of its own.
        """
        through = [self.cluster_ip] if self.kind == "node-port" and self.cluster_ip else []
        return [self.label(), *through]

    def label(self) -> str:
        """The hop in one word: who forwarded, and at which port where that matters."""
        if self.kind == "edge":
            return "outside"
        if self.kind in ("load-balancer", "node-port"):
            port = self.asked.rpartition(":")[2] if self.asked else str(self.in_local[1])
            return f"{self.host}:{port}"
        return f"{self.kind}@{self.host}" if self.kind == "cluster-ip" else self.host


@dataclass(frozen=True, slots=True)
class Path:
    """The hops of one connection in order; `missing` is the part of which no record tells."""

    hops: tuple[Hop, ...] = ()
    missing: Literal["", "start", "end"] = ""

    def labels(self) -> list[str]:
        """The hops in words, with UNKNOWN where a part is missing."""
        words = [word for hop in self.hops for word in hop.labels()]
        if self.missing == "start":
            return [UNKNOWN, *words]
        return [*words, UNKNOWN] if self.missing else words

    @property
    def last(self) -> Hop | None:
        """The last hop that is known to have seen the connection."""
        return self.hops[-1] if self.hops else None

    @property
    def reached_pod(self) -> bool:
        """Whether the connection was taken by a pod, or by a server outside for an ExternalName."""
        last = self.last
        return last is not None and last.is_connected and not last.leads_on


UNKNOWN_PATH = Path((), "end")


class FlowIndex:
    """Flow records of one span of time, ready to be joined. O(records) to build."""

    def __init__(self, hops: Iterable[Hop]) -> None:
        self._by_in: dict[tuple[Address, Address], list[Hop]] = defaultdict(list)
        self._by_out: dict[tuple[Address, Address], list[Hop]] = defaultdict(list)
        self._by_out_local: dict[Address, list[Hop]] = defaultdict(list)
        self._by_entry: dict[Address, list[Hop]] = defaultdict(list)
        for hop in hops:
            self._by_in[hop.in_peer, hop.in_local].append(hop)
            self._by_entry[hop.in_local].append(hop)
            if hop.out_local is not None and hop.out_peer is not None:
                self._by_out[hop.out_local, hop.out_peer].append(hop)
                self._by_out_local[hop.out_local].append(hop)

    def answered(
        self, gateway: Address, client: Address, pod_ip: str, *, start_s: float, end_s: float
    ) -> Path:
        """The path of a call that a pod answered.

        Args:
            gateway: the client's own gateway, where every path of its begins.
            client: the client's address as the pod saw it.
            pod_ip: the pod's address.
            start_s, end_s: wall clock; the connection was open at some time between.
        """
        last = [
            hop
            for hop in self._by_out_local[client]
            if hop.out_peer is not None and hop.out_peer[0] == pod_ip
        ]
        current = _only(hop for hop in last if _overlaps(hop, start_s, end_s))
        if current is None:
            return UNKNOWN_PATH
        hops = [current]
        while (before := self._before(hops[0], hops)) is not None:
            hops.insert(0, before)
        return Path(tuple(hops), "" if hops[0].in_local == gateway else "start")

    def entered(
        self,
        gateway: Address,
        *,
        flow_id: str,
        start_s: float,
        end_s: float,
        others: frozenset[EntryKey],
    ) -> Path:
        """The path of a call that nobody answered, on a connection of its own.

        Args:
            gateway: the client's own gateway, to which it alone connects.
            flow_id: the id that the client gave its connections, of which the last is told; where
                gateways record ids of their own, the connection must be the only one that fits.
            start_s, end_s: wall clock; the connection began between them.
            others: connections that are known to be other calls'.
        """
        entries = self._by_entry[gateway]
        if own := [hop for hop in entries if hop.id == flow_id]:
            return self.onwards(max(own, key=lambda hop: hop.start_s), until_s=end_s)
        first = _only(
            hop
            for hop in entries
            if entry_key(hop) not in others
            and start_s - ENTRY_SKEW_S <= hop.start_s <= end_s + ENTRY_SKEW_S
        )
        return UNKNOWN_PATH if first is None else self.onwards(first, until_s=end_s)

    def carried(self, gateway: Address, *, start_s: float, end_s: float) -> Path:
        """The path of a call that nobody answered, on a connection that calls share.

        It is known where only one connection of the client was open during the call.
        """
        first = _only(
            hop for hop in self._by_entry[gateway] if _overlaps(hop, start_s, end_s, skew_s=0.0)
        )
        return UNKNOWN_PATH if first is None else self.onwards(first, until_s=end_s)

    def onwards(self, first: Hop, *, until_s: float) -> Path:
        """The path that begins with `first`, as far as it had come at `until_s` (wall clock).

        A connection attempt may outlive its call: a node that boots answers the SYNs of callers
        who have long given up.
        """
        hops = [first]
        while (after := self._after(hops[-1], hops)) is not None:
            if after.start_s > until_s + CLOCK_SKEW_S:
                return Path(tuple(hops))
            hops.append(after)
        is_cut = hops[-1].is_connected and hops[-1].leads_on
        return Path(tuple(hops), "end" if is_cut else "")

    def _before(self, hop: Hop, seen: Sequence[Hop]) -> Hop | None:
        return _only(
            other
            for other in self._by_out[hop.in_peer, hop.in_local]
            if other not in seen and _was_open(other, hop.start_s)
        )

    def _after(self, hop: Hop, seen: Sequence[Hop]) -> Hop | None:
        if hop.out_local is None or hop.out_peer is None:
            return None
        return _only(
            other
            for other in self._by_in[hop.out_local, hop.out_peer]
            if other not in seen and _was_open(hop, other.start_s)
        )


def entry_key(hop: Hop) -> EntryKey:
    """What tells one connection into a gateway from all others."""
    return hop.host, hop.in_peer, hop.in_local, hop.start_s


def _only(hops: Iterable[Hop]) -> Hop | None:
    """The one hop that fits; None when none does or when the records cannot tell which."""
    found = list(hops)
    return found[0] if len(found) == 1 else None


def _was_open(hop: Hop, at_s: float) -> bool:
    return _overlaps(hop, at_s, at_s)


def _overlaps(hop: Hop, start_s: float, end_s: float, skew_s: float = CLOCK_SKEW_S) -> bool:
    ended_s = float("inf") if hop.end_s is None else hop.end_s
    return hop.start_s - skew_s <= end_s and start_s <= ended_s + skew_s
