"""A node's ports once more at its machine's address, for load balancers and clients elsewhere.

Several nodes of one machine cannot all have its port 30080. So the kernel chooses a port for each,
and the node announces them (see `annotations`).
"""

import logging
import socket
from collections.abc import Callable, Mapping

from emucluster.live.network import healthz
from emucluster.live.network.forwarder import Forwarding, OnAccept
from emucluster.live.network.healthz import OnCheck
from emucluster.live.network.listener import Listener, Mode
from emucluster.live.network.sockets import Address

log = logging.getLogger("emucluster.published_ports")


class PublishedPorts:
    """Listeners at `machine_address` that do what those at `node_address` do.

    They belong to the node's `forwarding`, so its faults act on them alike. `announce` is called
    with all of them whenever one is added or removed.
    """

    def __init__(
        self,
        forwarding: Forwarding,
        node_address: str,
        machine_address: str,
        announce: Callable[[Mapping[int, Address]], None],
    ) -> None:
        self._forwarding = forwarding
        self._node_address = node_address
        self._machine_address = machine_address
        self._announce = announce
        self._listeners: dict[int, Listener] = {}

    def node_port(self, port: int, decide: OnAccept, *, service: str) -> None:
        """Publish a nodePort. `decide` is asked as if it were dialled."""
        if port not in self._listeners:
            local = (self._node_address, port)

            def accepted(sock: socket.socket, client: Address, at: Address) -> None:
                connection = self._forwarding.admit(
                    sock, client, at, hop="node-port", service=service
                )
                if connection is not None:
                    connection.flow.asked = f"{local[0]}:{local[1]}"
                    self._forwarding.carry_out(connection, decide(client, local))

            listener = Listener(self._machine_address, 0, accepted)
            self._add(port, self._forwarding.add_listener(listener))

    def health(self, port: int, check: OnCheck) -> None:
        """Publish a port that answers health checks."""
        if port not in self._listeners:
            self._add(port, healthz.listen(self._forwarding, self._machine_address, 0, check))

    def set_mode(self, port: int, mode: Mode) -> None:
        """Change how a published port answers."""
        if port in self._listeners:
            self._listeners[port].set_mode(mode)

    def close(self, port: int) -> None:
        """Publish it no longer."""
        listener = self._listeners.pop(port, None)
        if listener is not None:
            self._forwarding.close_listener(listener)
            self._tell()

    def _add(self, port: int, listener: Listener) -> None:
        self._listeners[port] = listener
        self._tell()

    def _tell(self) -> None:
        self._announce({port: listener.address for port, listener in self._listeners.items()})
