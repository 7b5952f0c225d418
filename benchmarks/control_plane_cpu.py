"""CPU time of the control plane for each bare pod, from its creation until it is Ready.

    .venv/bin/python benchmarks/control_plane_cpu.py [--pods 1000] [--nodes 10] [--profile FILE]

A control plane in a process of its own, with `fsync`, its scheduler and its controllers; in a
second process as many kubelets, whose containers start at once; in a third 8 connections that
create the pods over HTTPS. CPU time and not speed is what counts here: it hardly depends on what
else the machine has to do. `--profile` writes cProfile's view of the control plane's loop.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import multiprocessing
import os
import random
import resource
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import kubernetes_api as over_https
import uvloop

from emucluster.core.controllers.podstate import is_ready
from emucluster.core.durations import Speed
from emucluster.core.kubelet.commands import StartContainer
from emucluster.core.kubelet.events import ContainerStarted
from emucluster.core.kubelet.kubelet import Kubelet
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.objects import Object, Pod
from emucluster.live.actors.control_plane import GC_THRESHOLD
from emucluster.live.control.api import Api
from emucluster.live.control.driver import Driver
from emucluster.live.control.front import Front
from emucluster.live.control.late_answers import LateAnswers
from emucluster.live.kubeapi.credentials import Credentials
from emucluster.live.kubeapi.serving import Serving
from emucluster.live.kubeapi.streams.ways import Ways
from emucluster.live.node.informer import Informer
from emucluster.live.node.kubelet_driver import KubeletDriver
from emucluster.live.node.machine import KINDS
from emucluster.live.rpc.channel import connect_aio
from emucluster.live.rpc.pb import api_pb2_grpc
from emucluster.live.rpc.server import CallCounts, bind, make_server

ADDRESS, TOKEN = "127.0.0.1", "of-the-benchmark"
NAMESPACE = "round-0"


def cpu_s() -> float:
    """Of all threads of this process."""
    return time.process_time()


def by_thread() -> dict[str, float]:
    """CPU seconds of this process's threads, by name."""
    found: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        name = (task / "comm").read_text().strip()
        spent_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        found[name] = found.get(name, 0.0) + spent_s
    return found


# --- the control plane ---------------------------------------------------------------------------


async def no_cloud(_command: Any) -> tuple[str, ...]:
    return ()


def plane(directory: Path, orders: Any, profile: str) -> None:
    """Serves until it is told to end; to every other order it answers with what it has spent."""

    async def main() -> None:
        counts, late, front = CallCounts(), LateAnswers(), Front()
        credentials = Credentials(directory, "benchmark")
        driver = Driver(
            directory / "store.sqlite",
            speed=Speed(1.0),
            cloud=None,
            perform=no_cloud,
            on_failure=lambda error: os._exit(1),
            synchronous="FULL",
            root_ca=credentials.authority.certificate.decode(),
        )
        driver.start()
        await driver.settled()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        server = make_server(TOKEN, counts=counts, interceptors=[late])
        api_pb2_grpc.add_ApiServicer_to_server(Api(driver, late=late), server)
        behind = bind(server, ADDRESS, 0)
        await server.start()
        grpc_address = front.open(ADDRESS, 0, (ADDRESS, behind))
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            port = probe.getsockname()[1]
        ways = Ways(front.forwarding, inner=ADDRESS, address=ADDRESS, token=TOKEN)
        serving = Serving(
            driver, address=ADDRESS, credentials=credentials, ways=ways, late=late, port=port
        )
        await serving.open(front, ADDRESS)
        orders.send((f"{grpc_address[0]}:{grpc_address[1]}", directory / "kubeconfig"))
        profiler = cProfile.Profile(time.thread_time)
        loop = asyncio.get_running_loop()
        while (order := await loop.run_in_executor(None, orders.recv)) != "end":
            if profile:
                profiler.disable()
                if order != "ready":
                    profiler.enable()
            usage = resource.getrusage(resource.RUSAGE_SELF)
            facts = {"user": usage.ru_utime, "system": usage.ru_stime, **by_thread()}
            ready = sum(map(is_ready, driver.store.list(Pod, NAMESPACE)))
            orders.send((facts, dict(counts.by_method), driver.store.version, ready))
        if profile:
            profiler.dump_stats(profile)
        os._exit(0)

    uvloop.run(main())


# --- its nodes -----------------------------------------------------------------------------------


class Node:
    """A kubelet whose containers run as soon as they are to."""

    def __init__(self, number: int, api: str) -> None:
        name, rng = f"node-{number}", random.Random(number)
        settings = KubeletSettings(
            address=f"127.16.0.{number}", pod_cidr=f"127.32.{number}.0/24", zone="zone-a"
        )
        channel = connect_aio(api, {"grpc.channel_id": number})
        self._driver = KubeletDriver(
            Kubelet(name, settings, rng=rng),
            channel,
            TOKEN,
            node_name=name,
            run_action=self._run,
        )
        self._informer = Informer(
            channel,
            TOKEN,
            KINDS,
            node_name=name,
            on_event=self._take,
            on_listed=self._listed,
            rng=rng,
        )

    async def start(self) -> None:
        self._informer.start()
        self._driver.start()
        await self._driver.registered.wait()

    def _run(self, action: Any) -> None:
        if isinstance(action, StartContainer):
            event = ContainerStarted(
                action.pod.uid, action.spec.name, action.container_id, os.getpid()
            )
            asyncio.get_running_loop().call_soon(self._driver.handle, event)

    def _take(self, type_: Any, obj: Object, _old: Object | None) -> None:
        self._driver.take_object(type_, obj)

    def _listed(self) -> None:
        self._driver.take_pods([o for o in self._informer.objects.values() if isinstance(o, Pod)])


def nodes(count: int, api: str, orders: Any) -> None:
    async def main() -> None:
        await asyncio.gather(*(Node(number, api).start() for number in range(1, count + 1)))
        orders.send(count)
        while await asyncio.get_running_loop().run_in_executor(None, orders.recv) != "end":
            orders.send(cpu_s())
        os._exit(0)

    uvloop.run(main())


# --- what is measured ----------------------------------------------------------------------------


async def pods(way: over_https.Way, count: int, spent: Any) -> None:
    """Create them, and tell at the last acknowledgement and when all are Ready."""
    there = f"/api/v1/namespaces/{NAMESPACE}/pods"
    connection = await way.connect()
    body = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"%b"}}'
    await connection.ask("POST", "/api/v1/namespaces", body % NAMESPACE.encode())
    await asyncio.sleep(1.0)
    spent("begin")
    per_s = await over_https.create(way, there, [f"pod-{n}" for n in range(count)])
    spent("acknowledged")
    print(f"acknowledged pods/s {per_s:.0f}", flush=True)
    while spent("ready") < count:  # noqa: ASYNC110 - it is another process that works
        await asyncio.sleep(1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--profile", default="")
    arguments = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    ours, planes = processes.Pipe()
    with tempfile.TemporaryDirectory() as directory:
        args = (Path(directory), planes, arguments.profile)
        processes.Process(target=plane, args=args, daemon=True).start()
        api, kubeconfig = ours.recv()
        ours_of_nodes, theirs = processes.Pipe()
        args = (arguments.nodes, api, theirs)
        processes.Process(target=nodes, args=args, daemon=True).start()
        ours_of_nodes.recv()
        seen: dict[str, Any] = {}

        def spent(moment: str) -> int:
            ours.send(moment)
            ours_of_nodes.send(moment)
            *facts, ready = ours.recv()
            seen[moment] = (*facts, ours_of_nodes.recv(), cpu_s())
            return ready

        asyncio.run(pods(over_https.way_of(kubeconfig), arguments.pods, spent))
        for pipe in (ours, ours_of_nodes):
            pipe.send("end")
        for process in multiprocessing.active_children():
            process.join()
    _print(seen, arguments.pods)


def _print(seen: dict[str, Any], count: int) -> None:
    facts, calls, version, kubelets_s, client_s = seen["begin"]
    for moment in ("acknowledged", "ready"):
        now, now_calls, now_version, now_kubelets_s, now_client_s = seen[moment]
        spent = {name: 1000 * (now[name] - facts.get(name, 0.0)) / count for name in now}
        print(f"until {moment}: ms/pod of the control plane {spent['user'] + spent['system']:.2f}")
        for name, ms in spent.items():
            if ms >= 0.01:
                print(f"    {name:20} {ms:6.2f}")
        made = {
            name.rpartition("/")[2]: (n - calls.get(name, 0)) / count
            for name, n in now_calls.items()
        }
        print(f"  writes/pod {(now_version - version) / count:.2f}")
        print("  calls/pod", " ".join(f"{name} {n:.2f}" for name, n in made.items() if n > 0.01))
        print(f"  ms/pod of the kubelets {1000 * (now_kubelets_s - kubelets_s) / count:.2f}")
        print(f"  ms/pod of the client {1000 * (now_client_s - client_s) / count:.2f}")


if __name__ == "__main__":
    main()
