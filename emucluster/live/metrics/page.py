"""Pages of metrics in Prometheus' text format, served like a health check."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from emucluster.core.addresses import METRICS_PORT
from emucluster.live.network import healthz
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.healthz import Answer
from emucluster.live.network.listener import Listener

log = logging.getLogger("emucluster.metrics")

PATH = "/metrics"

Prepare: TypeAlias = Callable[[], Awaitable[None]]


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """A registry of its own: nothing of the process's default one is in it."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return registry


def listen(
    forwarding: Forwarding,
    address: str,
    port: int,
    pages: Mapping[str, CollectorRegistry],
    *,
    prepare: Prepare | None = None,
) -> Listener | None:
    """Serve the registries by path; None, with a log line, where the port is taken.

    `prepare` is awaited before each page, for what collectors must ask others.

    Metrics are worth less than the machine that they tell of, so a port that somebody else has (a
    real kubelet, with a machine's own address) stops nothing.
    """

    async def answer(target: str) -> Answer:
        registry = pages.get(target.partition("?")[0])
        if registry is None:
            return Answer(404, {}, b"")
        if prepare is not None:
            await prepare()
        return Answer(200, {"content-type": CONTENT_TYPE_PLAIN_0_0_4}, generate_latest(registry))

    try:
        return healthz.listen(forwarding, address, port, answer)
    except OSError as error:
        log.error("metrics cannot be served at %s:%d: %s", address, port, error)
        return None


def place_of(listener: Listener) -> str:
    """Its host:port."""
    return f"{listener.address[0]}:{listener.address[1]}"


class MachineRoom:
    """The port at which a process tells what is so, whatever faults its machine has."""

    def __init__(self, name: str) -> None:
        self._forwarding = Forwarding(f"{name} metrics")

    def listen(
        self,
        address: str,
        *collectors: Collector,
        port: int = METRICS_PORT,
        prepare: Prepare | None = None,
    ) -> dict[str, str]:
        """Serve these and `process_*` of this process; `{"emucluster": host:port}`, or nothing."""
        registry = registry_of(*collectors, ProcessCollector(registry=None))
        listener = listen(self._forwarding, address, port, {PATH: registry}, prepare=prepare)
        return {} if listener is None else {"emucluster": place_of(listener)}

    async def aclose(self) -> None:
        """Close the port."""
        await self._forwarding.aclose()
