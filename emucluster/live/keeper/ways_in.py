"""The edge's listeners for other machines: published ports, and far pods' gateways.

A client elsewhere cannot dial 127.240.0.1, so what outsiders may reach is published at `--bind`.
A client on the keeper's machine dials a pod's own gateway to stand with it; where the pod is on
another machine, the same address stands here for it and leads there through a tunnel with a MAC.
"""

import logging
import socket
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

from emucluster.live.keeper.belief import Entrance
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener
from emucluster.live.network.routes import Route, Tunnel
from emucluster.live.network.sockets import Address

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
UNPRIVILEGED = 1024


class _Listeners(Generic[Key]):
    """Listeners by what they are for, kept equal to what is wanted."""

    def __init__(self, forwarding: Forwarding, open_: Callable[[Key], Listener]) -> None:
        self.held: dict[Key, Listener] = {}
        self._forwarding = forwarding
        self._make = open_

    def sync(self, wanted: Collection[Key]) -> None:
        for key in [key for key in self.held if key not in wanted]:
            self._forwarding.close_listener(self.held.pop(key))
        for key in sorted((key for key in wanted if key not in self.held), key=str):
            try:
                self.held[key] = self._make(key)
            except OSError as error:
                log.error("%s cannot be served for other machines: %s", key, error)


class PublishedEntrances:
    """One host:port at `bind` for each nodePort of each node and each load balancer's port.

    A load balancer has its own port there, if that is free; all others are the kernel's choice.
    Clients that come in here are seen with `bind` as their address, as by any gateway with NAT.
    """

    def __init__(
        self, forwarding: Forwarding, bind: str, real: Callable[[Address], Address]
    ) -> None:
        self._forwarding = forwarding
        self._bind = bind
        self._real = real
        self._listeners = _Listeners[Entrance](forwarding, self._open)

    def sync(self, wanted: Collection[Entrance]) -> None:
        """Publish exactly these."""
        self._listeners.sync(frozenset(wanted))

    def shown(self) -> list[tuple[Entrance, Address]]:
        """What is published, and where."""
        return [(each, listener.address) for each, listener in self._listeners.held.items()]

    def _open(self, entrance: Entrance) -> Listener:
        if entrance.name.startswith("lb/") and entrance.address[1] >= UNPRIVILEGED:
            try:
                return self._listen(entrance, entrance.address[1])
            except OSError:
                pass  # somebody has it
        return self._listen(entrance, 0)

    def _listen(self, entrance: Entrance, port: int) -> Listener:
        def decide(_client: Address, _local: Address) -> Route:
            return Route(self._real(entrance.address), source=self._bind, hop="edge")

        return self._forwarding.listen(self._bind, port, decide, hop="edge")


class FarGateways:
    """Gateways of pods and nodes on other machines, at their own addresses here.

    No hop of a path and in no flow record: the pod's own gateway is where its path begins.
    """

    def __init__(self, forwarding: Forwarding, bind: str, token: bytes) -> None:
        self._forwarding = forwarding
        self._bind = bind
        self._token = token
        self._doors: dict[Address, Address] = {}
        self._listeners = _Listeners[Address](forwarding, self._open)

    def sync(self, doors: Mapping[Address, Address]) -> None:
        """Stand for exactly these gateways, each reached through its machine's door."""
        self._doors = dict(doors)
        self._listeners.sync(doors.keys())

    def _open(self, gateway: Address) -> Listener:
        def accepted(sock: socket.socket, client: Address, local: Address) -> None:
            connection = self._forwarding.admit(sock, client, local, hop="edge", record=False)
            if connection is not None:
                via = Tunnel(self._doors[gateway], self._token, source=self._bind)
                route = Route(gateway, source=client[0], via=via)
                self._forwarding.carry_out(connection, route)

        return self._forwarding.add_listener(Listener(*gateway, accepted))
