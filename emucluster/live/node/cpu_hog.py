"""Somebody else who uses the processor of a node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease

PERIOD_S = 0.01
"""About as long as a scheduler lets one process run while another waits."""
SHARE_MAX = 0.99
"""What is left lets the fault be cleared."""


class CpuHog:
    """Takes its share of what the node's own process could do, by spinning in its event loop.

    The process is one thread of Python, so this is contention for one core: kubelet, kube-proxy,
    DNS and forwarding get what is left. Pods have processes of their own and are not slowed down,
    but by what the node does for them.

    Args:
        packing: with pods inside the node's process it would hit them too, and nobody could tell
            the node's trouble from the pods'; it is refused.
        is_up: a machine that is down does not work.
    """

    def __init__(self, packing: str, is_up: Callable[[], bool]) -> None:
        self._packing = packing
        self._is_up = is_up
        self._shares: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def break_(self, lease: FaultLease) -> str:
        """Begin to spin; the greatest share counts. Raises EmuclusterError but for packing pod."""
        if self._packing != "pod":
            raise EmuclusterError(
                f"cpu-hog needs packing pod: with packing {self._packing} pods are in the node's "
                "own process, and would be starved with it"
            )
        self._shares[lease.id] = min(SHARE_MAX, float(lease.params["share"]))
        if self._task is None:
            self._task = asyncio.create_task(self._spin(), name="cpu-hog")
        return "spinning in the node's process"

    async def mend(self, lease: FaultLease) -> None:
        """Leave the processor to the node, if no other lease is in force."""
        self._shares.pop(lease.id, None)
        if not self._shares:
            self.stop()

    def stop(self) -> None:
        """Spin no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _spin(self) -> None:
        """What the loop had since the last time, times share/(1-share), is taken; then it is let
        go: so the share is kept also when the loop has more to do than it can."""
        while True:
            share = max(self._shares.values())
            began_s = time.perf_counter()
            await asyncio.sleep(PERIOD_S * (1 - share))
            if not self._is_up():
                continue
            had_s = time.perf_counter() - began_s
            until_s = time.perf_counter() + had_s * share / (1 - share)
            while time.perf_counter() < until_s:
                pass
