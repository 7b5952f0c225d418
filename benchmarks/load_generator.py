"""How many unary calls a load generator makes, and what its records cost.

    python benchmarks/load_generator.py [--quick] [--rounds 5] [--json FILE]

One run measures, in interleaved rounds against the same echo server in a process of its own,

    generator  a closed loop of 64 callers, every call recorded and sent to a watcher over gRPC
    bare       the same calls in a plain grpc.aio loop that keeps nothing
    h2load     the same requests by nghttp2's load generator in C, where it is installed: shows that
               the server is not the limit
    open loop  3,000 calls/s on schedule: how late they began, how far the event loop lagged

each with 64 bytes of payload over one connection. Calls per second of processor time are what one
core can do: they hold on a machine that others use too; calls per second of the wall clock do not.
Printed are medians with the lowest and highest round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop

from emucluster.core.kubelet.commands import PodIdentity
from emucluster.live.actors.load_generator import LoadGenerator
from emucluster.live.load.rows import rows
from emucluster.live.pods.echo import Echo, add_echo
from emucluster.live.rpc.channel import connect_aio, credentials
from emucluster.live.rpc.pb import echo_pb2, load_pb2, load_pb2_grpc

POD, TOKEN, CALLERS, PAYLOAD, RATE = "127.60.250.1", "benchmark", 64, 64, 3000.0
# A server cancels requests at random when more than 1,000 wait for it, which a busy machine brings
# (grpc/src/core/server): here every call has to count.
PATIENT = [
    ("grpc.server.max_pending_requests", 1_000_000),
    ("grpc.server.max_pending_requests_hard_limit", 1_000_000),
]
Figures = dict[str, float]


async def serve_echo() -> str:
    identity = PodIdentity(
        uid="1", namespace="default", name="web-1", node="node-1", zone="a", ip=POD
    )
    server = grpc.aio.server(options=PATIENT)
    await add_echo(server, Echo(identity, {}, log=lambda line: None))
    port = server.add_insecure_port(f"{POD}:0")
    await server.start()
    KEEP.append(server)
    return f"{POD}:{port}"


async def serve_generator(directory: str) -> str:
    actor = LoadGenerator({"name": "generator-1", "token": TOKEN, "directory": directory})
    KEEP.append(actor)
    return str((await actor.start())["agent"])


async def bare(address: str, seconds: str) -> str:
    """Calls without records; prints calls, wall and processor seconds."""
    end_s = time.monotonic() + float(seconds)
    request = echo_pb2.EchoRequest(id="bare/web/1/1", payload=bytes(PAYLOAD)).SerializeToString()
    count = 0
    async with grpc.aio.insecure_channel(f"ipv4:{address}") as channel:
        method = channel.unary_unary("/emucluster.v1.Echo/Call")

        async def caller() -> None:
            nonlocal count
            while time.monotonic() < end_s:
                await method(request, timeout=5)
                count += 1

        begun_s, cpu_s = time.monotonic(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        wall_s, cpu_s = time.monotonic() - begun_s, time.process_time() - cpu_s
    return json.dumps({"calls": count, "wall_s": wall_s, "cpu_s": cpu_s})


KEEP: list[Any] = []


@contextlib.asynccontextmanager
async def process(role: str, *arguments: str) -> AsyncIterator[str]:
    """A process of this file in that role; what it prints first. It ends with its input."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--role",
        role,
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        line = (await started.stdout.readline()).decode().strip()
        if not line:
            raise SystemExit(f"the {role} did not start")
        yield line
    finally:
        started.stdin.close()
        await started.wait()


def group(address: str) -> load_pb2.LoadGroup:
    return load_pb2.LoadGroup(
        name="web",
        clients=[load_pb2.LoadClient(number=1)],
        target=load_pb2.LoadTarget(addresses=[address]),
        request_bytes=PAYLOAD,
        deadline_s=5,
    )


async def run_load(agent: str, made: load_pb2.LoadGroup) -> tuple[Figures, list[Any]]:
    """Run one group on the generator, read every record, and return the sums."""
    async with connect_aio(agent) as channel:
        stub = load_pb2_grpc.LoadStub(channel)
        spec = load_pb2.LoadSpec(run="benchmark", seed="1", groups=[made])
        await stub.Start(spec, metadata=credentials(TOKEN))
        watch = stub.Watch(load_pb2.LoadWatchRequest(), metadata=credentials(TOKEN))
        got = [batch async for batch in watch]
    calls = [row for batch in got for row in rows(batch)]
    failed = Counter(f"{c.status} {c.detail}" for c in calls if c.outcome != "ok")
    if failed or not calls:
        raise SystemExit(f"of {len(calls)} calls failed {dict(failed)}: the figures mean nothing")
    first_s, last_s = min(c.started_s for c in calls), max(c.ended_s for c in calls)
    cpu_s = sum(batch.health.cpu_s for batch in got)
    figures = {"calls": len(calls), "wall_s": last_s - first_s, "cpu_s": cpu_s}
    figures["bytes_per_call"] = sum(batch.ByteSize() for batch in got) / len(calls)
    figures["lag_p99_ms"] = 1e3 * max(batch.health.lag_p99_s for batch in got)
    figures["late"] = sum(batch.health.late for batch in got)
    begun = sorted(call.started_s - call.intended_s for call in calls)
    figures["begun_p50_ms"] = 1e3 * begun[len(begun) // 2]
    figures["begun_p99_ms"] = 1e3 * begun[len(begun) * 99 // 100]
    return figures, got


async def closed(agent: str, address: str, seconds: float) -> Figures:
    made = group(address)
    made.closed.concurrency, made.closed.duration_s = CALLERS, seconds
    return (await run_load(agent, made))[0]


async def paced(agent: str, address: str, seconds: float) -> Figures:
    made = group(address)
    made.open.segments.add(duration_s=seconds, from_per_s=RATE, to_per_s=RATE)
    return (await run_load(agent, made))[0]


async def h2load(address: str, seconds: float, body: Path) -> Figures:
    """The same requests from C; its processor time is that of the child."""
    command = ["h2load", "-c1", f"-m{CALLERS}", f"-D{seconds:g}", f"-d{body}"]
    command += ["-Hcontent-type: application/grpc", "-Hte: trailers"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun_s = time.monotonic()
    started = await asyncio.create_subprocess_exec(
        *command, f"http://{address}/emucluster.v1.Echo/Call", stdout=subprocess.PIPE
    )
    output = (await started.communicate())[0].decode()
    wall_s = time.monotonic() - begun_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = next(line for line in output.splitlines() if line.startswith("requests:"))
    calls = float(line.split(" done")[0].rsplit(" ", 1)[-1])
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"calls": calls, "wall_s": min(wall_s, seconds), "cpu_s": cpu_s}


async def measure(rounds: int, seconds: float) -> dict[str, list[Figures]]:
    found: dict[str, list[Figures]] = {"generator": [], "bare": [], "h2load": [], "open loop": []}
    with tempfile.TemporaryDirectory() as directory:
        body = Path(directory) / "request"
        message = echo_pb2.EchoRequest(id="h2load", payload=bytes(PAYLOAD)).SerializeToString()
        body.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)
        async with process("echo") as address, process("generator", directory) as agent:
            await closed(agent, address, 0.5)  # warm
            for number in range(rounds):
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
                found["generator"].append(await closed(agent, address, seconds))
                async with process("bare", address, str(seconds)) as line:
                    found["bare"].append(json.loads(line))
                if shutil.which("h2load"):
                    found["h2load"].append(await h2load(address, seconds, body))
                found["open loop"].append(await paced(agent, address, seconds))
    return {name: runs for name, runs in found.items() if runs}


def spread(values: list[float], digits: int = 0) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def table(found: dict[str, list[Figures]]) -> Iterator[str]:
    yield f"{'':10} {'calls/s of processor time':32} calls/s"
    for name, runs in found.items():
        per_core = spread([run["calls"] / run["cpu_s"] for run in runs])
        yield f"{name:10} {per_core:32} {spread([run['calls'] / run['wall_s'] for run in runs])}"
    pairs = zip(found["generator"], found["bare"], strict=True)
    cost = [g["cpu_s"] / g["calls"] * b["calls"] / b["cpu_s"] for g, b in pairs]
    yield f"processor time of a call, generator : bare = {spread(cost, 2)}"
    yield f"record on the wire: {spread([r['bytes_per_call'] for r in found['generator']])} bytes"
    paced = found["open loop"]
    for key, words in (
        ("begun_p50_ms", "open loop, begun after due, p50 ms"),
        ("begun_p99_ms", "open loop, begun after due, p99 ms"),
        ("lag_p99_ms", "open loop, event loop's lag, p99 of the worst batch, ms"),
    ):
        yield f"{words}: {spread([run[key] for run in paced], 2)}"
    late = spread([run["late"] for run in paced])
    yield f"open loop, begun more than 20 ms late: {late} of {paced[0]['calls']:.0f} calls"


async def serve(role: str, arguments: list[str]) -> None:
    """Print what the role has to say, then keep it running until the input ends."""
    roles: dict[str, Callable[..., Awaitable[str]]]
    roles = {"echo": serve_echo, "generator": serve_generator, "bare": bare}
    print(await roles[role](*arguments), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every round's figures there")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        uvloop.run(serve(options.role[0], options.role[1:]))
        return
    rounds, seconds = (2, 1.0) if options.quick else (options.rounds, 3.0)
    found = uvloop.run(measure(rounds, seconds))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
