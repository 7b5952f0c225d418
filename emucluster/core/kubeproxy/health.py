"""What kube-proxy says of itself over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .service_ports import ServiceName

STALE_AFTER_S = 60.0
"""Twice kube-proxy's syncPeriod of 30 s."""

_JSON_HEADERS = (("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def service_answer(service: ServiceName, local_endpoints: int, healthy: bool) -> HttpAnswer:
    """The answer at a healthCheckNodePort: 200 if there is something to send to.

    Only ready endpoints count, and a node that is being deleted answers as before.
    Source: kubernetes/kubernetes pkg/proxy/healthcheck/service_health.go, ServeHTTP.
    """
    document = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": local_endpoints,
        "serviceProxyHealthy": healthy,
    }
    weight = ("X-Load-Balancing-Endpoint-Weight", str(local_endpoints))
    status = 200 if local_endpoints and healthy else 503
    return HttpAnswer(status, (*_JSON_HEADERS, weight), json.dumps(document, indent="\t").encode())


class ProxyHealth:
    """Whether the proxy keeps up with the changes that it is told of.

    Healthy while starting up, and whenever nothing is pending for long. Being cut off from the
    API is not unhealthy: then nothing is pending.
    Source: kubernetes/kubernetes pkg/proxy/healthcheck/proxy_health.go.
    """

    def __init__(self, *, stale_after_s: float = STALE_AFTER_S) -> None:
        self._stale_after_s = stale_after_s
        self._pending_since_s: float | None = None
        self._updated_stamp = ""

    def queued(self, *, now_s: float) -> None:
        """A change has arrived and is not in the routes yet."""
        if self._pending_since_s is None:
            self._pending_since_s = now_s

    def updated(self, *, stamp: str) -> None:
        """Everything that arrived is in the routes; `stamp` is the time as RFC 3339."""
        self._pending_since_s = None
        self._updated_stamp = stamp

    def is_healthy(self, *, now_s: float) -> bool:
        if not self._updated_stamp or self._pending_since_s is None:
            return True
        return now_s - self._pending_since_s < self._stale_after_s

    def healthz(self, eligible: bool, *, now_s: float, stamp: str) -> HttpAnswer:
        """The answer at :10256, with 503 if stale or the node is about to go (KEP-3836)."""
        healthy = self.is_healthy(now_s=now_s)
        updated = stamp if healthy else self._updated_stamp  # as kube-proxy: "up to date"
        body = (
            f'{{"lastUpdated": {json.dumps(updated)},"currentTime": {json.dumps(stamp)}, '
            f'"nodeEligible": {json.dumps(eligible)}}}'
        )
        return HttpAnswer(200 if healthy and eligible else 503, _JSON_HEADERS, body.encode())
