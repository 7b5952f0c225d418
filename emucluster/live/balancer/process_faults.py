"""Faults of a load balancer's own process."""

from __future__ import annotations

from typing import Protocol

from emucluster.core.faults import FaultLease
from emucluster.live.network.forwarder import Forwarding


class Process(Protocol):
    """What can stop, go on, and begin afresh: a `Balancer`."""

    forwarding: Forwarding

    def stop(self) -> None: ...

    def go_on(self) -> None: ...

    def begin_afresh(self) -> None: ...


class ProcessFaults:
    """crash: resets, then refused, and it forgets; freeze: accepts, never answers, goes on."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def break_(self, lease: FaultLease) -> str:
        self._process.stop()
        if lease.kind == "crash":
            self._process.forwarding.close_all_with_reset()
            return "sockets reset"
        self._process.forwarding.freeze()
        return "process stopped serving"

    async def mend(self, lease: FaultLease) -> None:
        if lease.kind == "crash":
            self._process.begin_afresh()
        else:
            self._process.go_on()
