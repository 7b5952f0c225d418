"""The power of a node: without it, crashed, or stopped, and how it comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal, cast

from emucluster.core.faults import FaultLease
from emucluster.live.dns_server import DnsServer
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.node.announcer import Announcer
from emucluster.live.node.informer import Informer
from emucluster.live.node.kubelet_driver import KubeletDriver
from emucluster.live.pods.runtime import PodRuntime

log = logging.getLogger("emucluster.node")

PowerState = Literal["running", "silent", "frozen", "crashed"]
Loss = Literal["power-off", "crash", "freeze"]


class Power:
    """Puts the faults of the whole machine into effect, on all its parts at once.

    Attributes:
        on_change: is called each time that `state` changed.
        on_up: is told each time that the machine is back; True if it booted, False if it goes on.
    """

    def __init__(
        self,
        *,
        kubelet: KubeletDriver,
        informer: Informer,
        announcer: Announcer,
        dns_server: DnsServer,
        forwarding: Forwarding,
        runtime: PodRuntime,
    ) -> None:
        self._state: PowerState = "running"
        self.mechanism = ""
        self.on_change: Callable[[], None] = lambda: None
        self.on_up: Callable[[bool], None] = lambda booted: None
        self._kubelet = kubelet
        self._informer = informer
        self._announcer = announcer
        self._dns_server = dns_server
        self._forwarding = forwarding
        self._runtime = runtime
        self._flapping: asyncio.Task[None] | None = None
        self._flapped_enough = asyncio.Event()

    @property
    def state(self) -> PowerState:
        """What the machine does, as its peers would put it."""
        return self._state

    @state.setter
    def state(self, state: PowerState) -> None:
        self._state = state
        self.on_change()

    async def break_(self, lease: FaultLease) -> str:
        """Lose power, crash, or stop as by SIGSTOP; flap: again and again until mended.

        A reboot is a crash whose lease ends by itself.
        """
        if lease.kind == "reboot":
            return await self._go_down("crash")
        if lease.kind != "flap":
            return await self._go_down(cast(Loss, lease.kind))
        mechanism = await self._go_down(lease.params["as"])
        self._flapped_enough.clear()
        self._flapping = asyncio.create_task(self._flap(lease), name="flap")
        return mechanism

    async def mend(self, lease: FaultLease) -> None:
        """A frozen node goes on, a silent or crashed one boots."""
        if self._flapping is not None:
            self._flapped_enough.set()
            # In the midst of going down or up it comes to the end of that.
            (failed,) = await asyncio.gather(self._flapping, return_exceptions=True)
            if failed is not None:
                log.error("flapping ended before its time: %r", failed)
            self._flapping = None
        if self.state != "running":
            await self._come_up()

    async def stop(self) -> None:
        """Flap no more."""
        if self._flapping is not None:
            self._flapping.cancel()
            await asyncio.gather(self._flapping, return_exceptions=True)

    async def _flap(self, lease: FaultLease) -> None:
        """From down on: up, down, up, ... until told that it is enough."""
        while not await self._enough(lease.params["down"]):
            await self._come_up()
            if await self._enough(lease.params["up"]):
                return
            await self._go_down(lease.params["as"])

    async def _enough(self, within_s: float) -> bool:
        try:
            await asyncio.wait_for(self._flapped_enough.wait(), within_s)
        except TimeoutError:
            return False
        return True

    async def _go_down(self, how: Loss) -> str:
        self._kubelet.halt()
        self._informer.pause()
        self._announcer.halt(True)
        self._dns_server.set_mode("silent")
        match how:
            case "power-off":
                self.state = "silent"
                self.mechanism = self._forwarding.silence()
                await self._runtime.freeze_all()
            case "freeze":
                self.state = "frozen"
                self.mechanism = "process stopped serving"
                self._forwarding.freeze()
                await self._runtime.freeze_all()
            case "crash":
                self.state = "crashed"
                self.mechanism = "sockets reset"
                self._forwarding.close_all_with_reset()
                await self._runtime.kill_all()
        return self.mechanism

    async def _come_up(self) -> None:
        """Raises what keeps it from coming up; it is as it was then, and can be tried again."""
        was, mechanism = self.state, self.mechanism
        self.state, self.mechanism = "running", ""
        try:
            await self._bring_up(was)
        except BaseException:
            self.state, self.mechanism = was, mechanism
            raise
        self.on_up(was != "frozen")

    async def _bring_up(self, was: PowerState) -> None:
        self._announcer.halt(False)
        if was == "frozen":
            await self._runtime.thaw_all()
            self._forwarding.resume()
            self._dns_server.set_mode("open")
            self._informer.resume(reconnect=False)
            self._kubelet.go_on()
        else:
            await self._runtime.kill_all()
            self._forwarding.resume()
            self._dns_server.set_mode("open")
            self._informer.resume(reconnect=True)
            self._kubelet.reboot()
