"""What three hops of the data path cost, against a direct connection and three HAProxy hops.

    python benchmarks/data_path.py [--quick] [--rounds 7] [--json FILE]

One run measures, in interleaved rounds, the same server

    direct     client -> pod
    emucluster client -> load balancer -> node-1:nodePort -> tunnel -> node-2 -> pod
    haproxy    client -> HAProxy -> HAProxy -> HAProxy -> pod (mode tcp, one thread a hop, no log)

with source binding, the tunnel's MAC and flow records on. Each hop is a process of its own. Printed
are medians over the rounds with the lowest and highest, and the median of the ratios within each
round: machines differ and are never quiet, ratios of neighbours in time hold.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import uvloop

from emucluster.live.network import tunnel
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.routes import Route, Tunnel
from emucluster.live.network.sockets import IP_BIND_ADDRESS_NO_PORT

CLIENT, BALANCER, NODE_1, NODE_2, POD = (
    "127.61.100.1",
    "127.61.101.1",
    "127.61.102.1",
    "127.61.102.2",
    "127.61.103.2",
)
PROXIES = ("127.61.104.1", "127.61.104.2", "127.61.104.3")
TOKEN = b"benchmark"
METHOD = "/benchmark.Echo/Call"
PAYLOAD = bytes(64)
CONNECTIONS, STREAMS = 8, 8
BULK_BYTES = 64 * 1024 * 1024
MEASURES = {
    "one_calls_s": "calls/s, 1 caller",
    "one_p50_ms": "p50 ms, 1 caller",
    "one_p99_ms": "p99 ms, 1 caller",
    "many_calls_s": "calls/s, 64 callers",
    "many_p50_ms": "p50 ms, 64 callers",
    "many_p99_ms": "p99 ms, 64 callers",
    "connections_s": "new connections/s",
    "bulk_mb_s": "bulk MB/s",
}
Ports = dict[str, int]  # {"grpc": port, "raw": port}
Targets = dict[str, tuple[str, int]]

# The processes of the path. Each prints its ports, and ends when its standard input does.


async def serve_pod() -> Ports:
    """A gRPC echo server, and a raw one: `e` is echoed once, `b` answered with BULK_BYTES."""

    async def echo(request: bytes, context: object) -> bytes:
        return request

    handler = grpc.unary_unary_rpc_method_handler(echo)
    server = grpc.aio.server()
    service, method = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    grpc_port = server.add_insecure_port(f"{POD}:0")
    await server.start()
    raw = await asyncio.get_running_loop().create_server(_Raw, POD, 0, backlog=1024)
    KEEP.extend([server, raw])
    return {"grpc": grpc_port, "raw": raw.sockets[0].getsockname()[1]}


class _Raw(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.left = 0

    def data_received(self, data: bytes) -> None:
        if data == b"e":
            # Whoever closes first keeps the port for a minute (TIME_WAIT): here it costs nobody.
            self.transport.write(data)
            self.transport.close()
        else:
            self.left = BULK_BYTES
            self._write()

    def resume_writing(self) -> None:
        self._write()

    def _write(self) -> None:
        chunk = bytes(256 * 1024)
        while self.left > 0 and self.transport.get_write_buffer_size() < 1024 * 1024:
            self.transport.write(chunk)
            self.left -= len(chunk)
        if self.left > 0:
            asyncio.get_running_loop().call_soon(self._write)


KEEP: list[Any] = []


async def serve_balancer(next_hop: Ports) -> Ports:
    """Accepts for the Service, dials node-1's nodePort from the client's address."""
    host = Forwarding("lb-1")
    KEEP.append(host)

    def listen(port: int) -> int:
        def choose(client: tuple[str, int], local: tuple[str, int]) -> Route:
            return Route((NODE_1, port), client[0], None, "load-balancer", "default/web", "node-1")

        return host.listen(BALANCER, 0, choose).port

    return {name: listen(port) for name, port in next_hop.items()}


async def serve_node_1(next_hop: Ports) -> Ports:
    """Accepts at the nodePort, goes through the tunnel to the pod's node."""
    host = Forwarding("node-1")
    KEEP.append(host)
    via = Tunnel((NODE_2, next_hop["tunnel"]), TOKEN, source=NODE_1)

    def listen(port: int) -> int:
        def choose(client: tuple[str, int], local: tuple[str, int]) -> Route:
            return Route((POD, port), client[0], via, "node-port", "default/web", "web-1")

        return host.listen(NODE_1, 0, choose).port

    return {name: listen(port) for name, port in next_hop.items() if name != "tunnel"}


async def serve_node_2(next_hop: Ports) -> Ports:
    """The tunnel's far end: dials the pod from the address in the header."""
    host = Forwarding("node-2")
    KEEP.append(host)

    def resolve(arrival: tunnel.Arrival) -> Route:
        return Route(arrival.destination)

    listener = tunnel.listen(host, NODE_2, 0, resolve, token=TOKEN)
    return {"tunnel": listener.port, **next_hop}


async def run_role(role: str, next_hop: Ports) -> None:
    """Serve one role until standard input ends."""
    ports = await {
        "pod": lambda _: serve_pod(),
        "balancer": serve_balancer,
        "node-1": serve_node_1,
        "node-2": serve_node_2,
    }[role](next_hop)
    print(json.dumps(ports), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()


# Starting the paths


@contextlib.contextmanager
def process(role: str, next_hop: Ports) -> Iterator[Ports]:
    """A process of the path, until the end of the block."""
    child = subprocess.Popen(
        [sys.executable, __file__, "--role", role, "--next", json.dumps(next_hop)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        if not line:
            raise SystemExit(f"{role} did not start")
        yield json.loads(line)
    finally:
        child.stdin.close()
        child.kill()
        child.wait()
        child.stdout.close()


@contextlib.contextmanager
def haproxy_hop(binary: str, address: str, next_hop: Targets) -> Iterator[Targets]:
    """One HAProxy process that forwards a port of `address` to each target."""
    ports = {name: free_port(address) for name in next_hop}
    lines = ["global", "  nbthread 1", "defaults", "  mode tcp", "  timeout connect 5s"]
    lines += ["  timeout client 300s", "  timeout server 300s"]
    for name, (host, port) in next_hop.items():
        lines += [f"listen {name}", f"  bind {address}:{ports[name]}", f"  server s {host}:{port}"]
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write("\n".join([*lines, ""]))
        config.flush()
        child = subprocess.Popen([binary, "-db", "-q", "-f", config.name])
        try:
            for port in ports.values():
                wait_for(address, port, child)
            yield {name: (address, port) for name, port in ports.items()}
        finally:
            child.kill()
            child.wait()


def free_port(address: str) -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


def wait_for(address: str, port: int, child: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"haproxy does not listen at {address}:{port}")


@contextlib.contextmanager
def paths() -> Iterator[dict[str, Targets]]:
    """Every path, by name, with the address of its two services."""
    with contextlib.ExitStack() as stack:
        pod = stack.enter_context(process("pod", {}))
        node_2 = stack.enter_context(process("node-2", pod))
        node_1 = stack.enter_context(process("node-1", node_2))
        balancer = stack.enter_context(process("balancer", node_1))
        direct = {name: (POD, port) for name, port in pod.items()}
        ours = {name: (BALANCER, port) for name, port in balancer.items()}
        found = {"direct": direct, "emucluster": ours}
        binary = shutil.which("haproxy")
        if binary is None:
            print("haproxy is not installed: its column is left out", flush=True)
        else:
            hop = direct
            for address in PROXIES:
                hop = stack.enter_context(haproxy_hop(binary, address, hop))
            found["haproxy"] = hop
        yield found


# Measuring


class Path_:
    """One path with its connections open."""

    def __init__(self, targets: Targets) -> None:
        self.raw = targets["raw"]
        host, port = targets["grpc"]
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        self.channels = [
            grpc.aio.insecure_channel(f"{host}:{port}", options=options) for _ in range(CONNECTIONS)
        ]
        self.calls = [channel.unary_unary(METHOD) for channel in self.channels]

    async def measure(self, scale: float) -> dict[str, float]:
        """One round: every measure once."""
        one = await self.load(1, 1.0 * scale)
        many = await self.load(CONNECTIONS * STREAMS, 1.5 * scale)
        return {
            **{f"one_{name}": value for name, value in one.items()},
            **{f"many_{name}": value for name, value in many.items()},
            "connections_s": await self.connections(1.0 * scale),
            "bulk_mb_s": await self.bulk(),
        }

    async def load(self, callers: int, for_s: float) -> dict[str, float]:
        latencies_s: list[float] = []
        clock = time.perf_counter
        start_s = clock()

        async def caller(index: int) -> None:
            call = self.calls[index % CONNECTIONS]
            before_s = clock()
            while before_s < start_s + for_s:
                await call(PAYLOAD)
                after_s = clock()
                latencies_s.append(after_s - before_s)
                before_s = after_s

        await asyncio.gather(*(caller(index) for index in range(callers)))
        cuts = statistics.quantiles(latencies_s, n=100)
        return {
            "calls_s": len(latencies_s) / (clock() - start_s),
            "p50_ms": cuts[49] * 1000,
            "p99_ms": cuts[98] * 1000,
        }

    async def connections(self, for_s: float) -> float:
        """Connect, one byte there and back, both FINs; four at a time."""
        loop = asyncio.get_running_loop()
        start_s = time.perf_counter()
        count = 0

        async def caller() -> None:
            nonlocal count
            while time.perf_counter() < start_s + for_s:
                async with self.raw_connection() as sock:
                    await loop.sock_sendall(sock, b"e")
                    if await loop.sock_recv(sock, 2) + await loop.sock_recv(sock, 2) != b"e":
                        raise SystemExit("a connection was lost")
                count += 1

        await asyncio.gather(*(caller() for _ in range(4)))
        return count / (time.perf_counter() - start_s)

    async def bulk(self) -> float:
        loop = asyncio.get_running_loop()
        buffer = bytearray(1024 * 1024)
        async with self.raw_connection() as sock:
            start_s = time.perf_counter()
            await loop.sock_sendall(sock, b"b")
            left = BULK_BYTES
            while left > 0:
                count = await loop.sock_recv_into(sock, buffer)
                if not count:
                    raise SystemExit("the bulk connection was lost")
                left -= count
            return BULK_BYTES / (time.perf_counter() - start_s) / 1e6

    @contextlib.asynccontextmanager
    async def raw_connection(self) -> AsyncIterator[socket.socket]:
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((CLIENT, 0))
            await asyncio.get_running_loop().sock_connect(sock, self.raw)
            yield sock


async def measure_all(
    found: dict[str, Targets], rounds: int, scale: float
) -> dict[str, list[dict[str, float]]]:
    """`rounds` rounds over all paths, each round in another order; one to warm up before."""
    opened = {name: Path_(targets) for name, targets in found.items()}
    for path in opened.values():
        await path.measure(0.2 * scale)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in opened}
    names = list(opened)
    for index in range(rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            results[name].append(await opened[name].measure(scale))
        print(f"round {index + 1} of {rounds}", file=sys.stderr, flush=True)
    for path in opened.values():
        for channel in path.channels:
            await channel.close()
    return results


# Reporting


def ratios(
    results: dict[str, list[dict[str, float]]], measure: str, name: str, base: str
) -> list[float]:
    pairs = zip(results[name], results[base], strict=True)
    return [ours[measure] / theirs[measure] for ours, theirs in pairs]


def report(results: dict[str, list[dict[str, float]]]) -> None:
    """The table: median [lowest..highest] for each path, and the ratios of emucluster."""
    names = list(results)
    print(f"\n{'':22}" + "".join(f"{name:>26}" for name in names) + "   emucluster/haproxy")
    for measure, title in MEASURES.items():
        cells = ""
        for name in names:
            values = [row[measure] for row in results[name]]
            digits = 3 if measure.endswith("_ms") else 0
            middle, low, high = statistics.median(values), min(values), max(values)
            cells += f"{f'{middle:.{digits}f} [{low:.{digits}f}..{high:.{digits}f}]':>26}"
        if "haproxy" in results:
            cells += f"{statistics.median(ratios(results, measure, 'emucluster', 'haproxy')):10.2f}"
        print(f"{title:22}{cells}")
    added = [
        ours["one_p50_ms"] - direct["one_p50_ms"]
        for ours, direct in zip(results["emucluster"], results["direct"], strict=True)
    ]
    print(f"\np50 added to direct, 1 caller: {statistics.median(added):.3f} ms (to reach: 0.35)")
    if "haproxy" in results:
        ratio = statistics.median(ratios(results, "many_calls_s", "emucluster", "haproxy"))
        print(f"calls/s of HAProxy's, 64 callers: {ratio:.2f} (to reach: 0.90)")


def main() -> None:
    """Run a role, or the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of two")
    parser.add_argument("--json", type=Path, help="write every round to this file")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--next", type=json.loads, default={}, help=argparse.SUPPRESS)
    options = parser.parse_args()

    def run(work: Callable[[], Any]) -> Any:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work())

    if options.role:
        run(lambda: run_role(options.role, options.next))
        return
    with paths() as found:
        scale = 0.25 if options.quick else 1.0
        results = run(lambda: measure_all(found, options.rounds, scale))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))
    report(results)


if __name__ == "__main__":
    main()
