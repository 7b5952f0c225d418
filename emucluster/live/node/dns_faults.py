"""Faults of a node's DNS: of its server, and of the names that its gateways look up for clients."""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address

from emucluster.core.dns.records import DnsView
from emucluster.core.faults import FaultLease
from emucluster.core.faults.triggers import late_by_s
from emucluster.live.dns_server import DnsServer
from emucluster.live.network.routes import GatewayDecision, Later
from emucluster.live.node.feed import Feed


class DnsFaults:
    """Breaks and mends `dns/NODE`.

    Of several that answer with an error, the one that began last is answered; delays add up.
    The control plane's own DNS, which serves people outside, is none of these.

    Args:
        view: what the node's server and its gateways answer from.
        feed: what the API server tells it.
    """

    def __init__(self, view: DnsView, server: DnsServer, feed: Feed) -> None:
        self._view = view
        self._server = server
        self._feed = feed
        self._rng = random.Random()
        self._errors: dict[str, FaultLease] = {}
        self._slow: dict[str, FaultLease] = {}

    async def break_(self, lease: FaultLease) -> str:
        match lease.kind:
            case "error":
                self._errors[lease.id] = lease
            case "stale":
                self._feed.hold(lease.id)
            case _:
                self._slow[lease.id] = lease
        self._apply()
        return "the node's DNS"

    async def mend(self, lease: FaultLease) -> None:
        self._errors.pop(lease.id, None)
        self._slow.pop(lease.id, None)
        self._feed.release(lease.id)
        self._apply()

    def looked_up(
        self, host: str, decide: Callable[[], GatewayDecision]
    ) -> GatewayDecision | Later:
        """What `decide` says of a connection to `host`: at once, or late where that is a name."""
        if not self._slow or _is_address(host):
            return decide()
        return Later(self._late_s(), decide)

    def _apply(self) -> None:
        self._view.failing = next(
            (lease.params["rcode"] for lease in reversed(self._errors.values())), None
        )
        self._server.late_s = self._late_s if self._slow else None

    def _late_s(self) -> float:
        return sum(late_by_s(lease.params, self._rng) for lease in self._slow.values())


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True
