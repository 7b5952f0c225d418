"""Faults of a node's kube-proxy."""

from __future__ import annotations

from collections.abc import Callable

from emucluster.core.faults import FaultLease
from emucluster.live.node.feed import Feed


class ProxyFaults:
    """Breaks and mends `kube-proxy/NODE`.

    `stale`: its table stays what it was, and its healthz says 200, since nothing that it heard of
    is pending. `stop`: it forwards no new connection, and its health ports are silent as its
    nodePorts are; established flows stay, as those in conntrack do.

    Args:
        feed: what the API server tells it.
        stop: stops it (True), or lets it go on.
    """

    def __init__(self, feed: Feed, stop: Callable[[bool], None]) -> None:
        self._feed = feed
        self._stop = stop
        self._stopped_by: set[str] = set()

    async def break_(self, lease: FaultLease) -> str:
        if lease.kind == "stale":
            self._feed.hold(lease.id)
            return "updates held back"
        self._stopped_by.add(lease.id)
        self._stop(True)
        return "new connections get no answer"

    async def mend(self, lease: FaultLease) -> None:
        """It catches up, or forwards again by what it knows."""
        self._feed.release(lease.id)
        if lease.id in self._stopped_by:
            self._stopped_by.discard(lease.id)
            self._stop(bool(self._stopped_by))
