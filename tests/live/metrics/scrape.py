"""Reads pages of metrics as Prometheus does, and strictly."""

from __future__ import annotations

import asyncio
import socket

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tests.live.network.lab import connect, send

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Series:
    """Every sample by name and labels; a family or a sample that is told twice fails."""
    names: set[str] = set()
    series: Series = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in names, f"{family.name} is told twice"
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram"), f"{family.name} is {family.type}"
        names.add(family.name)
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in series, f"{key} is told twice"
            series[key] = sample.value
    return series


def collected(collector: Collector) -> Series:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return parse(generate_latest(registry).decode())


def value(series: Series, name: str, **labels: str) -> float:
    """The sum of all samples of this name that have these labels at least."""
    wanted = set(labels.items())
    found = [v for (n, have), v in series.items() if n == name and wanted <= have]
    assert found, f"{name}{labels} is not among {sorted({n for n, _ in series})}"
    return sum(found)


async def get(place: str, path: str = "/metrics") -> tuple[int, str]:
    """Status and body of one request, over a connection of its own."""
    host, _, port = place.rpartition(":")
    sock = await connect((host, int(port)))
    with sock:
        await send(sock, f"GET {path} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        received = b""
        while chunk := await asyncio.get_running_loop().sock_recv(sock, 65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def ask(place: str) -> socket.socket:
    """A connection on which a request was sent and nothing read."""
    host, _, port = place.rpartition(":")
    sock = await connect((host, int(port)))
    await send(sock, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    return sock
