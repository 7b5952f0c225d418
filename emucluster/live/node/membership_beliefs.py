"""Whom a kube-proxy or a DNS server of this node takes to be behind a Service, by pod."""

from __future__ import annotations

from emucluster.core.objects import EndpointSlice
from emucluster.live.observing.board import ObservationBoard


class PodNames:
    """Which pod has an address, as EndpointSlices say. As many are kept as there are addresses."""

    def __init__(self) -> None:
        self._by_ip: dict[str, str] = {}

    def take(self, endpoint_slice: EndpointSlice) -> list[str]:
        """Learn from a slice; the addresses that are another pod's now are returned."""
        changed: list[str] = []
        for endpoint in endpoint_slice.endpoints:
            ref = endpoint.target_ref
            if ref is None or ref.kind != "Pod" or not endpoint.addresses:
                continue
            ip = endpoint.addresses[0]
            subject = f"pod/{ref.namespace or endpoint_slice.metadata.namespace}/{ref.name}"
            if self._by_ip.get(ip) != subject:
                self._by_ip[ip] = subject
                changed.append(ip)
        return changed

    def get(self, ip: str) -> str | None:
        """`pod/NAMESPACE/NAME`; None for an address that is no pod's."""
        return self._by_ip.get(ip)


class MembershipBeliefs:
    """Counts each Service's addresses, and tells when a pod's first comes or its last goes."""

    def __init__(self, board: ObservationBoard, observer: str, where: str, names: PodNames) -> None:
        self._board = board
        self._observer, self._where = observer, where
        self._names = names
        self._counts: dict[str, dict[str, int]] = {}
        self._told: dict[tuple[str, str], str] = {}

    def count(self, service: str, ip: str, change: int) -> None:
        """`change` more (or, negative, fewer) ports of `service` lead to this address."""
        counts = self._counts.setdefault(ip, {})
        before = counts.get(service, 0)
        counts[service] = before + change
        if counts[service] == 0:
            del counts[service]
            self._out(service, ip)
        elif before == 0:
            self._in(service, ip)
        if not counts:
            del self._counts[ip]

    def renamed(self, ip: str) -> None:
        """The address is another pod's now."""
        for service in self._counts.get(ip, ()):
            self._out(service, ip)
            self._in(service, ip)

    def _in(self, service: str, ip: str) -> None:
        subject = self._names.get(ip)
        if subject is not None:
            self._told[service, ip] = subject
            self._say(subject, service, is_in=True)

    def _out(self, service: str, ip: str) -> None:
        subject = self._told.pop((service, ip), None)
        if subject is not None:
            self._say(subject, service, is_in=False)

    def _say(self, subject: str, service: str, *, is_in: bool) -> None:
        self._board.belief(
            self._observer,
            subject,
            "in" if is_in else "out",
            "chosen" if is_in else "not chosen",
            where=self._where,
            service=service,
            forget=not is_in,
        )
