"""Flow records: one for each forwarded connection at each hop, kept in a bounded ring."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from emucluster.live.network.sockets import Address

ClosedBy: TypeAlias = Literal["client", "server", "us", ""]
How: TypeAlias = Literal["fin", "rst", "timeout", "refused", "dropped", "fault", "open"]


@dataclass(slots=True, eq=False)
class Flow:
    """One connection at one hop: in_peer -> in_local, and from there out_local -> out_peer.

    Two hops belong to one path where out_local/out_peer of the one are in_peer/in_local of the
    next. `bytes_in` came from the client, `bytes_out` from the server; both without what the hop
    itself says (CONNECT, tunnel headers).
    """

    id: str
    """32 hex digits; a tunnel's far end records the flow under the same id."""
    hop: str
    """edge, load-balancer, node-port, cluster-ip, pod-ip or tunnel."""
    host: str
    in_peer: Address
    in_local: Address
    start_s: float
    """Wall clock, seconds since the epoch."""
    service: str = ""
    endpoint: str = ""
    cluster_ip: str = ""
    """`IP:port` of the Service port that kube-proxy resolved the connection to, also where the
    client dialled a nodePort; empty where the hop chose no endpoint."""
    asked: str = ""
    """`IP:port` that the client meant, where the listener stands in for another address."""
    out_local: Address | None = None
    out_peer: Address | None = None
    end_s: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    closed_by: ClosedBy = ""
    how: How = "open"
    reason: str = ""
    meter: Callable[[], tuple[int, int]] | None = field(default=None, repr=False)
    """Reads (bytes_in, bytes_out) while the flow is open; None before and after."""

    def name_after(self, hop: str, service: str) -> None:
        """Take over what a decision says of the connection; what it leaves empty stays."""
        self.hop = hop or self.hop
        self.service = service or self.service

    def touches(self, address: str) -> bool:
        """Whether `address`, an IP or IP:port, is one of the flow's four ends."""
        ends = (self.in_peer, self.in_local, self.out_local, self.out_peer)
        if ":" in address:
            return any(end is not None and f"{end[0]}:{end[1]}" == address for end in ends)
        return any(end is not None and end[0] == address for end in ends)


@dataclass(slots=True)
class Ended:
    """How many flows ended in one way, and what they carried; see `Flow`."""

    flows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class FlowLog:
    """The open flows of one host, and the `capacity` that closed last."""

    def __init__(self, capacity: int = 8192) -> None:
        self.ended: dict[tuple[str, How, ClosedBy], Ended] = {}
        """All that ever ended, by hop, how and who closed."""
        self._closed: deque[Flow] = deque(maxlen=capacity)
        self._open: set[Flow] = set()

    def open(self, flow: Flow) -> None:
        """Record that `flow` began."""
        self._open.add(flow)

    def close(
        self, flow: Flow, *, how: How, closed_by: ClosedBy, end_s: float, reason: str = ""
    ) -> None:
        """Record how an open `flow` ended; of others, nothing is recorded."""
        if flow not in self._open:
            return
        self._read_meter(flow)
        flow.meter = None
        flow.how, flow.closed_by, flow.end_s = how, closed_by, end_s
        flow.reason = reason or flow.reason
        self._open.discard(flow)
        self._closed.append(flow)
        ended = self.ended.setdefault((flow.hop, how, closed_by), Ended())
        ended.flows += 1
        ended.bytes_in += flow.bytes_in
        ended.bytes_out += flow.bytes_out

    def still_open(self) -> list[Flow]:
        """The open flows, with the byte counts of this moment."""
        for flow in self._open:
            self._read_meter(flow)
        return list(self._open)

    def recent(self, *, since_s: float = 0.0, address: str | None = None) -> list[Flow]:
        """Flows that are open or ended at or after `since_s` (wall clock), oldest start first.

        Open flows carry the byte counts of this moment.
        """
        chosen = [flow for flow in self._closed if flow.end_s is None or flow.end_s >= since_s]
        chosen.extend(self._open)
        if address is not None:
            chosen = [flow for flow in chosen if flow.touches(address)]
        for flow in chosen:
            self._read_meter(flow)
        return sorted(chosen, key=lambda flow: flow.start_s)

    @staticmethod
    def _read_meter(flow: Flow) -> None:
        if flow.meter is not None:
            flow.bytes_in, flow.bytes_out = flow.meter()
