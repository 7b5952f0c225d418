"""The machines' pages of Prometheus metrics: where they are, and what they say."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from emucluster.client.lab import Machine
from emucluster.core.errors import Unreachable

TIMEOUT_S = 2.0
PATHS = {"kubelet": ("/metrics", "/metrics/probes")}
SCRAPE_INTERVAL = "5s"


@dataclass(frozen=True, slots=True)
class Page:
    """One page: `component` is emucluster (what is so), kube-proxy or kubelet."""

    machine: str
    component: str
    address: str
    path: str

    @property
    def url(self) -> str:
        return f"http://{self.address}{self.path}"

    def read(self, *, timeout_s: float = TIMEOUT_S) -> str:
        """The page as it is now. Raises Unreachable, as when the machine is without power."""
        # No proxy of the environment: these addresses are this machine's.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url, timeout=timeout_s) as answer:
                return str(answer.read().decode())
        except (OSError, urllib.error.HTTPError) as error:
            cause = getattr(error, "reason", error)
            raise Unreachable(f"{self.machine}: {self.component} at {self.url}: {cause}") from None


def pages(machines: Iterable[Machine]) -> Iterator[Page]:
    """Every page of these machines."""
    for machine in machines:
        for component, address in machine.metrics.items():
            for path in PATHS.get(component, ("/metrics",)):
                yield Page(machine.name, component, address, path)


def scrape_config(machines: Iterable[Machine], cluster: str) -> dict[str, Any]:
    """A prometheus.yml that scrapes them all: a job for each component and path."""
    jobs: dict[str, dict[str, Any]] = {}
    for page in pages(machines):
        probes = page.path.removeprefix("/metrics").strip("/")
        name = f"{page.component}-{probes}" if probes else page.component
        job = jobs.setdefault(
            name, {"job_name": name, "metrics_path": page.path, "static_configs": []}
        )
        labels = {"cluster": cluster, "machine": page.machine}
        job["static_configs"].append({"targets": [page.address], "labels": labels})
    return {
        "global": {"scrape_interval": SCRAPE_INTERVAL},
        "scrape_configs": list(jobs.values()),
    }
