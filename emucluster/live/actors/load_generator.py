"""A load generator as an actor: a thin shell around `live.load`."""

import gc
import os
from pathlib import Path
from typing import Any

from emucluster.live.load.service import LoadService
from emucluster.live.logs import log_to_file
from emucluster.live.metrics.load import LoadCollector
from emucluster.live.metrics.machine import StateCollector
from emucluster.live.metrics.page import MachineRoom
from emucluster.live.rpc.pb import load_pb2_grpc
from emucluster.live.rpc.server import bind, make_server

GC_THRESHOLD = 50_000
"""Calls make many objects that live shortly; collecting them less often halves the longest lag."""


class LoadGenerator:
    """Serves `Load` at `address` (default 127.0.0.1) and `port` (default 0, the kernel's choice).

    `config`: name, token, directory (of its log), and optionally address and port.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    async def start(self) -> dict[str, Any]:
        """Serve and return pid, agent (ip:port of `Load`) and metrics."""
        config = self._config
        name = config["name"]
        log_to_file(Path(config["directory"]) / f"{name}.log")
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        self._service = LoadService(name)
        address = config.get("address") or "127.0.0.1"
        self._server = make_server(config["token"])
        load_pb2_grpc.add_LoadServicer_to_server(self._service, self._server)
        port = bind(self._server, address, config.get("port") or 0)
        await self._server.start()
        self._room = MachineRoom(name)
        metrics = self._room.listen(
            address,
            StateCollector(name, "load-generator"),
            LoadCollector(self._service.counts, lambda: self._service.in_flight),
            port=0,
        )
        return {"pid": os.getpid(), "agent": f"{address}:{port}", "metrics": metrics}

    async def stop(self, grace_s: float) -> None:
        """End the load, let watchers have its last batch, and close."""
        await self._service.stop(grace_s)
        await self._server.stop(grace_s)
        await self._room.aclose()
