"""The control plane as an actor: a thin shell around `live.control`."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from emucluster.core.addresses import API_PORT, DNS_PORT, Slice
from emucluster.core.dns.records import DnsView
from emucluster.core.durations import Speed
from emucluster.live.control.api import Api
from emucluster.live.control.cloud import Cloud
from emucluster.live.control.dns_feed import DnsFeed
from emucluster.live.control.driver import Driver
from emucluster.live.dns_server import DnsServer
from emucluster.live.logs import log_to_file
from emucluster.live.rpc.pb import api_pb2_grpc
from emucluster.live.rpc.server import bind, make_server

STOP_GRACE_S = 0.5
FAILED_EXIT_CODE = 74
"""EX_IOERR."""
FAIL_STOP_DELAY_S = 0.5


class ControlPlane:
    """Store, controllers, scheduler, Api and DNS in one process; durable in `directory`.

    `config` is what the keeper knows: cluster, slice, directory, token, speed, cloud, lab.
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
            "dns": f"{self._address}:{self._dns_port}",
        }

    async def stop(self, grace_s: float) -> None:
        """Stop serving; what was acknowledged is on disk."""
        if self._driver is None:
            return
        await self._server.stop(min(grace_s, STOP_GRACE_S))
        self._feed.stop()
        await self._dns.close()
        self._driver.close()
        await self._cloud.close()
        self._driver = None

    @property
    def _address(self) -> str:
        bind_host = self._config.get("host_bind")
        return str(bind_host or Slice(self._config["slice"]).control_plane)

    @property
    def _dns_port(self) -> int:
        return int(self._config.get("dns_port") or DNS_PORT)

    async def _start(self, directory: Path) -> None:
        config = self._config
        self._cloud = Cloud(config["lab"], config["token"])
        driver = Driver(
            directory / "store.sqlite",
            speed=Speed(config["speed"]),
            cloud=None if config.get("cloud") == "none" else config.get("cloud"),
            perform=self._cloud.perform,
            on_failure=_fail_stop,
        )
        driver.start()
        await driver.settled()
        view = DnsView(outside=dict(config.get("outside") or {}))
        self._feed = DnsFeed(driver, view)
        self._feed.start()
        self._dns = DnsServer(view, self._address, self._dns_port)
        await self._dns.start()
        self._server = make_server(config["token"])
        api_pb2_grpc.add_ApiServicer_to_server(Api(driver), self._server)
        bind(self._server, self._address, API_PORT)
        await self._server.start()
        self._driver = driver


def _fail_stop(error: Exception) -> None:
    """A write was lost: memory is ahead of the disk, so this process must not be believed.

    Requests that wait get their error first. Ray starts a new process from what is on disk.
    """
    logging.getLogger("emucluster.control").critical("the store failed, stopping: %s", error)
    asyncio.get_running_loop().call_later(FAIL_STOP_DELAY_S, os._exit, FAILED_EXIT_CODE)
