"""How much the API is asked, under kube-apiserver's own names.

Source: k8s.io/apiserver pkg/endpoints/metrics/metrics.go.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from .request import Answer, Request

if TYPE_CHECKING:
    from .api import KubeApi

BUCKETS_S = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.25,
    1.5,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    15,
    20,
    30,
    45,
    60,
)
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")

Labels = tuple[str, str, str, str, str, str]


class RequestsSeen(Collector):
    """Counts requests as they end, and those under way."""

    def __init__(self) -> None:
        self._total: Counter[tuple[Labels, bool, int]] = Counter()
        self._buckets: dict[Labels, list[int]] = {}
        self._sums_s: Counter[Labels] = Counter()
        self._inflight = {False: 0, True: 0}
        self._lasting = 0

    @contextmanager
    def counted(self, writes: bool) -> Iterator[None]:
        """A request that ends soon."""
        self._inflight[writes] += 1
        try:
            yield
        finally:
            self._inflight[writes] -= 1

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """A request that lasts, as a watch does."""
        self._lasting += 1
        try:
            yield
        finally:
            self._lasting -= 1

    def ended(self, request: Request, code: int, took_s: float) -> None:
        """Note a request that is over; `code` 0: it was broken off."""
        labels = _labels(request)
        self._total[labels, "dryRun" in request.query, code] += 1
        if labels[0] not in ("WATCH", "CONNECT"):
            buckets = self._buckets.get(labels)
            if buckets is None:
                buckets = self._buckets[labels] = [0] * (len(BUCKETS_S) + 1)
            buckets[bisect_left(BUCKETS_S, took_s)] += 1
            self._sums_s[labels] += took_s  # type: ignore[assignment]

    def page(self, api: KubeApi) -> Answer:
        """`/metrics` of the API itself."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        registry.register(_Stored(api))
        return Answer(generate_latest(registry), media=CONTENT_TYPE_PLAIN_0_0_4)

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily(
            "apiserver_request",
            "Counter of apiserver requests broken out for each verb, dry run value, group, "
            "version, resource, scope, component, and HTTP response code.",
            labels=[*_LABELS, "dry_run", "component", "code"],
        )
        for (labels, dry_run, code), count in list(self._total.items()):
            shown = "All" if dry_run else ""
            total.add_metric([*labels, shown, "apiserver", str(code)], count)
        yield total
        seconds = HistogramMetricFamily(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, group, version, resource, "
            "subresource, scope and component.",
            labels=[*_LABELS, "component"],
        )
        for labels, buckets in list(self._buckets.items()):
            running, cumulated = 0, []
            for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], buckets, strict=True):
                running += count
                cumulated.append((bound, running))
            seconds.add_metric([*labels, "apiserver"], cumulated, self._sums_s[labels])
        yield seconds
        inflight = GaugeMetricFamily(
            "apiserver_current_inflight_requests",
            "Number of requests that are under way, by kind of request.",
            labels=["request_kind"],
        )
        inflight.add_metric(["mutating"], self._inflight[True])
        inflight.add_metric(["readOnly"], self._inflight[False])
        yield inflight
        yield GaugeMetricFamily(
            "apiserver_longrunning_requests",
            "Requests that last, such as watches, and are open.",
            value=self._lasting,
        )


class _Stored(Collector):
    """The store behind it."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def collect(self) -> Iterator[Metric]:
        store = self._api.store
        objects = GaugeMetricFamily(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check split by kind.",
            labels=["resource"],
        )
        for row in store.kinds.stored():
            objects.add_metric([row.qualified_plural], store.count(row.kind_key))
        yield objects
        yield CounterMetricFamily(
            "apiserver_watch_events",
            "Number of events sent in watch clients.",
            value=self._api.hub.events,
        )


def _labels(request: Request) -> Labels:
    target = request.target
    if target is None:
        known = request.parts[:1] and request.parts[0] in (
            "api",
            "apis",
            "healthz",
            "livez",
            "openapi",
            "readyz",
            "version",
            "metrics",
        )
        return (request.method, "", "", "", f"/{request.parts[0]}" if known else "", "")
    verb = {"create": "POST", "update": "PUT"}.get(request.verb, request.verb.upper())
    if target.subresource in ("attach", "exec", "log", "portforward", "proxy"):
        verb = "CONNECT"
    scope = "resource" if target.name else "namespace" if target.namespace else "cluster"
    return (verb, target.group, target.version, target.plural, target.subresource, scope)
