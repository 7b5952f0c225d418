"""Which endpoint a client had last: session affinity ClientIP, in one node's memory."""

from __future__ import annotations

from .service_ports import ServicePort, ServicePortName
from .topology import Address, Endpoint, EndpointList, EndpointSet

_SWEEP_AFTER = 1024


class AffinityTable:
    """Entries live as long as their time-out after the client's last new connection.

    An entry ends with its endpoint: one that comes back is as good as new.
    Source: kubernetes/kubernetes pkg/proxy/iptables/proxier.go, `-m recent --rcheck --reap`.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[ServicePortName, str], tuple[Address, int, float]] = {}
        self._sweep_at = _SWEEP_AFTER

    def __len__(self) -> int:
        return len(self._entries)

    def find(
        self,
        port: ServicePort,
        client_ip: str,
        endpoints: EndpointSet,
        usable: EndpointList,
        *,
        now_s: float,
    ) -> Endpoint | None:
        """The client's endpoint, if it is still usable and the time-out not over."""
        entry = self._entries.get((port.name, client_ip))
        if entry is None:
            return None
        address, appeared, until_s = entry
        if now_s >= until_s or endpoints.appeared.get(address) != appeared:
            del self._entries[port.name, client_ip]
            return None
        return usable.get(address)

    def note(
        self,
        port: ServicePort,
        client_ip: str,
        endpoints: EndpointSet,
        endpoint: Endpoint,
        *,
        now_s: float,
    ) -> None:
        """The client got this endpoint now."""
        assert port.affinity_timeout_s is not None
        address = endpoint.address
        until_s = now_s + port.affinity_timeout_s
        self._entries[port.name, client_ip] = (address, endpoints.appeared[address], until_s)
        if len(self._entries) >= self._sweep_at:
            self._sweep(now_s)

    def _sweep(self, now_s: float) -> None:
        """Drop what has timed out; at most once for each doubling, so constant on average."""
        self._entries = {key: e for key, e in self._entries.items() if e[2] > now_s}
        self._sweep_at = max(_SWEEP_AFTER, 2 * len(self._entries))
