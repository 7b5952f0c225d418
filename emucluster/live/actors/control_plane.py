"""The control plane as an actor: a thin shell around `live.control`."""

import asyncio
import gc
import logging
import os
from pathlib import Path
from typing import Any

from emucluster.core.addresses import API_PORT, DNS_PORT
from emucluster.core.dns.records import DnsView
from emucluster.core.durations import Speed
from emucluster.live.actors import niceness
from emucluster.live.agent import Agent
from emucluster.live.control.api import Api
from emucluster.live.control.cloud import Cloud
from emucluster.live.control.dns_feed import DnsFeed
from emucluster.live.control.driver import Driver
from emucluster.live.control.front import Front
from emucluster.live.control.late_answers import LateAnswers
from emucluster.live.control.plane_faults import PlaneFaults
from emucluster.live.dns_server import DnsServer
from emucluster.live.fault_board import FaultBoard
from emucluster.live.kubeapi.credentials import Credentials
from emucluster.live.kubeapi.serving import Serving
from emucluster.live.kubeapi.streams.ways import Ways
from emucluster.live.logs import log_to_file
from emucluster.live.metrics.control_plane import ApiCollector
from emucluster.live.metrics.machine import StateCollector
from emucluster.live.metrics.page import MachineRoom
from emucluster.live.network.link_faults import LinkFaults
from emucluster.live.rpc.pb import api_pb2_grpc, lab_pb2_grpc
from emucluster.live.rpc.server import CallCounts, bind, make_server

GC_THRESHOLD = 50_000
"""Each request makes many objects that live shortly, and those of the store hold no cycles."""
STOP_GRACE_S = 0.5
FAILED_EXIT_CODE = 74
"""EX_IOERR."""
FAIL_STOP_DELAY_S = 0.5


class ControlPlane:
    """Store, controllers, scheduler, Api, Agent and DNS in one process; durable in `directory`.

    `config` is what the keeper knows: cluster, address (where it serves), inner (an address of its
    own on the loopback), dns_port, directory, token, speed, cloud, fsync, lab, crowd (see
    `niceness`).
    All that a restart needs is in it and in the SQLite file.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._driver: Driver | None = None

    async def start(self) -> dict[str, Any]:
        """Load the store, serve, and return pid and addresses. Calling it again changes nothing."""
        config = self._config
        directory = Path(config["directory"])
        if self._driver is None:
            log_to_file(directory / "control-plane.log")
            await self._start(directory)
        return {
            "pid": os.getpid(),
            "api": f"{self._address}:{API_PORT}",
            "kubernetes": self._kubernetes.address,
            "dns": f"{self._address}:{self._dns_port}",
            "metrics": self._metrics,
        }

    async def stop(self, grace_s: float) -> None:
        """Stop serving; what was acknowledged is on disk."""
        if self._driver is None:
            return
        self._faults.stop()
        self._agent.close()
        await self._kubernetes.aclose(min(grace_s, STOP_GRACE_S))
        await self._server.stop(min(grace_s, STOP_GRACE_S))
        await self._front.aclose()
        self._feed.stop()
        await self._dns.close()
        await self._room.aclose()
        self._driver.close()
        await self._cloud.close()
        self._driver = None

    @property
    def _address(self) -> str:
        return str(self._config["address"])

    @property
    def _dns_port(self) -> int:
        return int(self._config.get("dns_port") or DNS_PORT)

    async def _start(self, directory: Path) -> None:
        niceness.go_ahead(int(self._config.get("crowd", 1)))
        config = self._config
        self._cloud = Cloud(config["lab"], config["token"])
        credentials = Credentials(directory.parent, config["cluster"])
        driver = Driver(
            directory / "store.sqlite",
            speed=Speed(config["speed"]),
            cloud=None if config.get("cloud") == "none" else config.get("cloud"),
            perform=self._cloud.perform,
            on_failure=_fail_stop,
            synchronous="FULL" if config.get("fsync") else "NORMAL",
            root_ca=credentials.authority.certificate.decode(),
        )
        driver.start()
        await driver.settled()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        view = DnsView(outside=dict(config.get("outside") or {}))
        self._feed = DnsFeed(driver, view)
        self._feed.start()
        self._dns = DnsServer(view, self._address, self._dns_port)
        await self._dns.start()
        counts = CallCounts()
        late = LateAnswers()
        self._server = make_server(config["token"], counts=counts, interceptors=[late])
        api_pb2_grpc.add_ApiServicer_to_server(Api(driver, late=late), self._server)
        self._front = Front()
        self._faults = FaultBoard(PlaneFaults(late, LinkFaults(self._front.forwarding)))
        self._agent = Agent(
            "control-plane",
            faults=self._faults,
            flows=self._front.forwarding.flows,
            describe=lambda: {"state": "running"},
        )
        lab_pb2_grpc.add_AgentServicer_to_server(self._agent, self._server)
        behind = str(config["inner"])
        behind_port = bind(self._server, behind, 0)
        await self._server.start()
        self._front.open(self._address, API_PORT, (behind, behind_port))
        self._kubernetes = Serving(
            driver,
            address=self._address,
            credentials=credentials,
            ways=Ways(
                self._front.forwarding, inner=behind, address=self._address, token=config["token"]
            ),
            late=late,
        )
        await self._kubernetes.open(self._front, behind)
        self._room = MachineRoom("control-plane")
        self._metrics = self._room.listen(
            self._address,
            StateCollector("control-plane", "control-plane"),
            ApiCollector(driver.store, driver.broadcaster, counts.by_method),
            self._kubernetes.seen,
        )
        self._driver = driver


def _fail_stop(error: Exception) -> None:
    """A write was lost: memory is ahead of the disk, so this process must not be believed.

    Requests that wait get their error first. Ray starts a new process from what is on disk.
    """
    logging.getLogger("emucluster.control").critical("the store failed, stopping: %s", error)
    asyncio.get_running_loop().call_later(FAIL_STOP_DELAY_S, os._exit, FAILED_EXIT_CODE)
