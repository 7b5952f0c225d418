"""The gateways of a node: its own, and one at the address of each of its pods."""

from __future__ import annotations

import logging
from collections.abc import Callable

from emucluster.core.addresses import GATEWAY_PORT
from emucluster.core.routing.node_routing import Caller
from emucluster.live.network import gateway
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener
from emucluster.live.network.routes import Drop, GatewayDecision, Later, Refuse
from emucluster.live.network.sockets import Address
from emucluster.live.pods.runtime import PodRuntime

log = logging.getLogger("emucluster.gateways")

Connect = Callable[[Caller, str, int], GatewayDecision | Later]
"""Decides about a connection of the caller to an address or name, and a port."""


class Gateways:
    """Opens and closes them. What a pod itself cannot do, its gateway does not either."""

    def __init__(self, forwarding: Forwarding, runtime: PodRuntime, connect: Connect) -> None:
        self._forwarding = forwarding
        self._runtime = runtime
        self._connect = connect
        self._listeners: dict[str, Listener] = {}

    @property
    def addresses(self) -> list[str]:
        """Where they are."""
        return sorted(self._listeners)

    def is_at(self, address: Address) -> bool:
        """Whether one of them is at this address and port."""
        return address[1] == GATEWAY_PORT and address[0] in self._listeners

    def open(self, caller: Caller, pod: str = "") -> None:
        """Serve the node itself, or a pod with this name as long as it lives; once each."""
        if caller.ip in self._listeners:
            return

        def on_connect(host: str, port: int, _client: Address) -> GatewayDecision | Later:
            condition = self._runtime.condition_of(caller.ip) if pod else "running"
            if condition == "frozen":
                return Drop(f"pod {pod} is frozen")
            if condition == "stopped":
                return Refuse(f"pod {pod} is not running")
            return self._connect(caller, host, port)

        try:
            self._listeners[caller.ip] = gateway.listen(
                self._forwarding, caller.ip, GATEWAY_PORT, on_connect, hop="pod-ip"
            )
        except OSError as error:
            log.error("gateway of %s cannot be opened: %s", caller.ip, error)

    def close(self, ip: str | None) -> None:
        """Serve this address no longer; flows stay."""
        listener = self._listeners.pop(ip or "", None)
        if listener is not None:
            self._forwarding.close_listener(listener)
