"""The cloud's own API: load balancers, with addresses of the cloud's choosing."""

from __future__ import annotations

import random
from collections.abc import Callable

from emucluster.core.addresses import Slice
from emucluster.core.controllers.cloud_commands import (
    CloudCommand,
    EnsureLoadBalancer,
    LoadBalancerRef,
    LoadBalancerSpec,
)
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError

from .balancer import Change, SimBalancer
from .event_loop import EventLoop
from .network import Network

CALL_S = 0.2
"""How long the cloud takes for a call."""


class Cloud:
    """Creates, changes and deletes load balancers, one for each Service that asks.

    Args:
        on_change: is told of every change of a target's state.
    """

    def __init__(
        self,
        loop: EventLoop,
        network: Network,
        *,
        addresses: Slice,
        speed: Speed,
        rng: random.Random,
        on_change: Callable[[Change], None],
    ) -> None:
        self.balancers: dict[LoadBalancerRef, SimBalancer] = {}
        self._loop, self._network = loop, network
        self._addresses, self._speed, self._rng = addresses, speed, rng
        self._on_change = on_change
        self._created = 0

    def perform(
        self,
        command: CloudCommand,
        done: Callable[[tuple[str, ...] | EmuclusterError], None],
    ) -> None:
        """Carry out a command; `done` gets the addresses, or why it could not be done."""

        def act() -> None:
            try:
                result = self._act(command)
            except EmuclusterError as error:
                done(error)
            else:
                done(result)

        self._loop.call_later(CALL_S, act)

    def _act(self, command: CloudCommand) -> tuple[str, ...]:
        if isinstance(command, EnsureLoadBalancer):
            return self._ensure(command.spec)
        balancer = self.balancers.pop(command.ref, None)
        if balancer is not None:
            balancer.remove()
        return ()

    def _ensure(self, spec: LoadBalancerSpec) -> tuple[str, ...]:
        balancer = self.balancers.get(spec.ref)
        if balancer is not None:
            balancer.configure(spec)
            return balancer.addresses
        number = self._created + 1  # below 256: the third byte is for zones
        balancer = SimBalancer(
            self._loop,
            self._network,
            self._addresses.load_balancer(number),
            spec,
            speed=self._speed,
            rng=self._rng,
            on_change=self._on_change,
        )
        self._created += 1
        self.balancers[spec.ref] = balancer
        return balancer.addresses
