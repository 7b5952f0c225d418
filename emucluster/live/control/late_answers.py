"""An API server whose answers come late."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease
from emucluster.core.faults.triggers import late_by_s

API = "/emucluster.v1.Api/"


class LateAnswers(grpc.aio.ServerInterceptor):
    """The fault `slow` of the control plane: each call begins late, each message of a watch too.

    Of several in force the delays add up. What the lab itself asks (`Agent`) is answered at once.
    Crash and freeze are done to the process from outside, for it cannot end them itself.
    """

    def __init__(self) -> None:
        self._slow: dict[str, FaultLease] = {}
        self._rng = random.Random()

    @property
    def in_force(self) -> bool:
        """Whether anything is late."""
        return bool(self._slow)

    async def wait(self) -> None:
        """As long as one answer is to be late."""
        await asyncio.sleep(
            sum(late_by_s(lease.params, self._rng) for lease in self._slow.values())
        )

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        if self._slow and handler_call_details.method.startswith(API):
            await self.wait()
        return await continuation(handler_call_details)

    async def break_(self, lease: FaultLease) -> str:
        """Raises EmuclusterError for anything but `slow`."""
        if lease.kind != "slow":
            raise EmuclusterError(
                f"{lease.kind} cannot be held at the control plane: it is done to its process, "
                "from outside"
            )
        self._slow[lease.id] = lease
        return "calls and watches held up"

    async def mend(self, lease: FaultLease) -> None:
        self._slow.pop(lease.id, None)
