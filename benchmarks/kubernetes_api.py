"""The Kubernetes API under load: creating pods, listing many, watching with many.

    .venv/bin/python benchmarks/kubernetes_api.py [--runs 3] [--pods 5000] [--nodes 50]

A whole cluster with `fsync`, its scheduler running and its nodes starting each pod. 8 connections
create bare pods as fast as they are acknowledged; further pods (`--listed`, 10,000), which no node
takes, are listed; 100 watchers wait for a change. Beside it, in the same run and through the same
client, the peer: the same HTTP stack over TLS with nothing behind it, which answers each POST with
the body it was sent. `ratio` is ours by the peer's.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import emucluster as emu
from emucluster.live.kubeapi.certificates import Authority
from emucluster.live.kubeapi.server import KubeServer

CONNECTIONS = 8
WATCHERS = 100
CHANGES = 50
READY_DEADLINE_S = 600.0
PODS_PER_NODE = 110


@dataclass(frozen=True)
class Way:
    """A server, and what it wants to see of its clients."""

    host: str
    port: int
    context: ssl.SSLContext
    token: str

    async def connect(self) -> Connection:
        # A limit above the largest answer: readers must not stop for a long line.
        reader, writer = await asyncio.open_connection(
            self.host, self.port, ssl=self.context, limit=256 * 1024 * 1024
        )
        return Connection(reader, writer, self.token)


class Connection:
    """One kept-alive HTTP/1.1 connection; costs the client some 100 us a request."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str
    ) -> None:
        self._reader, self._writer = reader, writer
        self._head = f"Host: api\r\nAuthorization: Bearer {token}\r\n"

    def send(self, method: str, path: str, body: bytes = b"", content: str = "json") -> None:
        """Write a request."""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n"
        head += f"Content-Type: application/{content}\r\n\r\n"
        self._writer.write(head.encode() + body)

    async def ask(self, method: str, path: str, body: bytes = b"", **more: str) -> bytes:
        """The body of a good answer."""
        self.send(method, path, body, **more)
        head = await self._reader.readuntil(b"\r\n\r\n")
        answer = await self._body(head)
        assert head.split(b" ", 2)[1].startswith(b"2"), (head, answer[:500])
        return answer

    async def _body(self, head: bytes) -> bytes:
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return await self._reader.readexactly(int(value))
        parts = []
        while size := int(await self._reader.readline(), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readline()
        await self._reader.readline()
        return b"".join(parts)

    async def line(self) -> bytes:
        """The next line of a stream, chunk borders included."""
        return await self._reader.readline()

    def close(self) -> None:
        self._writer.close()


# --- the peer ------------------------------------------------------------------------------------


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was sent."""
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve_echo(directory: str, port: Any) -> None:
    """In a process of its own."""

    async def main() -> None:
        server = KubeServer(echo, Authority(Path(directory), "peer").server(["127.0.0.1"]))
        _, port.value = await server.open("127.0.0.1", 0)
        await asyncio.Event().wait()

    asyncio.run(main())


# --- what is measured ----------------------------------------------------------------------------


def pod(name: str, *, scheduled: bool = True) -> bytes:
    spec: dict[str, Any] = {"containers": [{"name": "echo", "image": "emucluster/echo"}]}
    spec["terminationGracePeriodSeconds"] = 0
    if not scheduled:
        spec["nodeSelector"] = {"nobody": "has-it"}
    tree = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    return json.dumps(tree).encode()


async def create(way: Way, path: str, names: list[str], **more: bool) -> float:
    """Acknowledged creations a second over 8 connections."""
    waiting = iter([pod(name, **more) for name in names])

    async def one(connection: Connection) -> None:
        for body in waiting:
            await connection.ask("POST", path, body)
        connection.close()

    connections = [await way.connect() for _ in range(CONNECTIONS)]
    begun_s = time.monotonic()
    await asyncio.gather(*map(one, connections))
    return len(names) / (time.monotonic() - begun_s)


async def once(way: Way, method: str, path: str, body: bytes = b"") -> None:
    """One request, over a connection of its own: those that are kept end when they are idle."""
    connection = await way.connect()
    await connection.ask(method, path, body)
    connection.close()


async def all_ready(way: Way, path: str, count: int) -> None:
    """Return when that many pods are Ready."""
    connection = await way.connect()
    deadline_s = time.monotonic() + READY_DEADLINE_S
    while True:
        items = json.loads(await connection.ask("GET", path))["items"]
        ready = sum(
            any(c["type"] == "Ready" and c["status"] == "True" for c in i["status"]["conditions"])
            for i in items
            if i["status"].get("conditions")
        )
        if ready >= count:
            connection.close()
            return
        if time.monotonic() > deadline_s:
            raise SystemExit(f"{ready} of {count} pods are Ready after {READY_DEADLINE_S:g} s")
        await asyncio.sleep(0.5)


async def listing_s(way: Way, path: str, count: int) -> float:
    """Seconds for one list of all the pods there are."""
    connection = await way.connect()
    begun_s = time.monotonic()
    body = await connection.ask("GET", path)
    took_s = time.monotonic() - begun_s
    connection.close()
    assert len(json.loads(body)["items"]) == count
    return took_s


async def watching_s(way: Way, namespace: str) -> float:
    """Median seconds from sending a write to its event's arrival at each of 100 watchers."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    writer = await way.connect()
    arrivals: list[float] = []
    watchers = [await way.connect() for _ in range(WATCHERS)]
    for watcher in watchers:
        watcher.send("GET", f"{path}?watch=true")
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}}
    await writer.ask("POST", path, json.dumps(tree).encode())

    async def see(watcher: Connection, mark: bytes) -> None:
        while mark not in await watcher.line():
            pass
        arrivals.append(time.monotonic() - sent_s)

    sent_s = time.monotonic()
    await asyncio.gather(*(see(watcher, b'"name":"it"') for watcher in watchers))
    arrivals.clear()
    for number in range(CHANGES):
        mark = f"change-{number}."
        body = json.dumps({"data": {"at": mark}}).encode()
        sent_s = time.monotonic()
        seeing = [asyncio.ensure_future(see(watcher, mark.encode())) for watcher in watchers]
        await writer.ask("PATCH", f"{path}/it", body, content="merge-patch+json")
        await asyncio.gather(*seeing)
        await asyncio.sleep(0.02)
    for connection in (*watchers, writer):
        connection.close()
    return statistics.median(arrivals)


def way_of(kubeconfig: Path) -> Way:
    """To the server that a kubeconfig names, as its first user."""
    tree = yaml.safe_load(kubeconfig.read_text())
    server = tree["clusters"][0]["cluster"]
    data = base64.b64decode(server["certificate-authority-data"]).decode()
    host, _, port = server["server"].removeprefix("https://").partition(":")
    token = tree["users"][0]["user"]["token"]
    return Way(host, int(port), ssl.create_default_context(cadata=data), token)


def ways(cluster: emu.Cluster, peer_port: int, authority: Path) -> tuple[Way, Way]:
    ours = way_of(cluster.record.kubeconfig())
    context = ssl.create_default_context(cafile=str(authority))
    return ours, Way("127.0.0.1", peer_port, context, "none")


async def run(ours: Way, peer: Way, round_: int, pods: int, listed: int) -> dict[str, float]:
    namespace = f"round-{round_}"
    there = f"/api/v1/namespaces/{namespace}/pods"
    tree = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await once(ours, "POST", "/api/v1/namespaces", json.dumps(tree).encode())
    found: dict[str, float] = {}
    names = [f"pod-{number}" for number in range(pods)]
    found["peer_per_s"] = await create(peer, "/", names)
    begun_s = time.monotonic()
    found["created_per_s"] = await create(ours, there, names)
    await all_ready(ours, there, pods)
    found["last_ready_s"] = time.monotonic() - begun_s
    await once(ours, "DELETE", there)
    idle = f"idle-{round_}"
    tree["metadata"] = {"name": idle}
    await once(ours, "POST", "/api/v1/namespaces", json.dumps(tree).encode())
    there = f"/api/v1/namespaces/{idle}/pods"
    await create(ours, there, [f"pod-{n}" for n in range(listed)], scheduled=False)
    found["list_s"] = await listing_s(ours, there, listed)
    found["watch_ms"] = 1000 * await watching_s(ours, idle)
    for each in (namespace, idle):
        await once(ours, "DELETE", f"/api/v1/namespaces/{each}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--listed", type=int, default=10_000)
    arguments = parser.parse_args()
    if arguments.pods > PODS_PER_NODE * arguments.nodes:
        parser.error(f"--pods: {arguments.nodes} nodes take {PODS_PER_NODE * arguments.nodes}")
    processes = multiprocessing.get_context("spawn")
    port = processes.Value("i", 0)
    with tempfile.TemporaryDirectory() as directory:
        peer = processes.Process(target=serve_echo, args=(directory, port), daemon=True)
        peer.start()
        try:
            while not port.value:
                time.sleep(0.05)
            results = _rounds(arguments, port.value, Path(directory) / "ca.crt")
        finally:
            peer.terminate()
            peer.join()
    _print(results, arguments)


def _rounds(arguments: argparse.Namespace, port: int, authority: Path) -> list[dict[str, float]]:
    results = []
    with emu.Cluster(
        nodes=arguments.nodes, packing="node", pods=arguments.pods, fsync=True
    ) as cluster:
        ours, peer = ways(cluster, port, authority)
        for number in range(arguments.runs):
            found = asyncio.run(run(ours, peer, number, arguments.pods, arguments.listed))
            results.append(found)
            print(json.dumps({key: round(value, 3) for key, value in results[-1].items()}))
    return results


ROWS: tuple[tuple[str, Callable[[dict[str, float]], float]], ...] = (
    ("acknowledged pods/s, 8 connections", lambda r: r["created_per_s"]),
    ("peer's requests/s, 8 connections", lambda r: r["peer_per_s"]),
    ("ratio", lambda r: r["created_per_s"] / r["peer_per_s"]),
    ("s until the last pod was Ready", lambda r: r["last_ready_s"]),
    ("s for a list of all further pods", lambda r: r["list_s"]),
    ("ms from a write to its event, 100 watchers", lambda r: r["watch_ms"]),
)


def _print(results: list[dict[str, float]], arguments: argparse.Namespace) -> None:
    size = f"{arguments.pods} pods on {arguments.nodes} nodes, {arguments.listed} listed"
    print(f"\n{size}, {len(results)} runs, fsync on")
    for name, of in ROWS:
        values = sorted(map(of, results))
        print(f"{name:45} {statistics.median(values):10.3f}  [{values[0]:.3f}-{values[-1]:.3f}]")


if __name__ == "__main__":
    main()
