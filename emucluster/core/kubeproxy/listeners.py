"""Which ports of a node's address kube-proxy answers on, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .service_ports import ServicePort, ServicePortName
from .table import RouteTable

ListenMode = Literal["open", "refuse", "drop", "health"]


@dataclass(frozen=True, slots=True)
class Listen:
    """A port and what a connection from outside finds there.

    `open` connections get an endpoint, `refuse` ones are refused (nobody listens), `drop` ones are
    never answered (the node has no endpoint of its own under policy Local; pods and the node
    itself still get through). `health` answers HTTP: a healthCheckNodePort. `service` is the port
    of the Service; under `health` its port name is "".
    """

    port: int
    mode: ListenMode
    service: ServicePortName


class NodePortListeners:
    """The wanted listeners of one node, kept by difference."""

    def __init__(self, node_name: str) -> None:
        self._node = node_name
        self._version = 0
        self._known: dict[int, Listen] = {}
        self._ports_of: dict[ServicePortName, set[int]] = {}

    def wanted(self, table: RouteTable) -> frozenset[Listen]:
        """All listeners, from the table alone."""
        numbers = {*table.node_ports, *table.health_check_node_ports}
        found = (self._at(table, number) for number in numbers)
        return frozenset(listen for listen in found if listen is not None)

    def take_changes(self, table: RouteTable) -> list[tuple[int, Listen | None]]:
        """Ports whose listener changed since the last call. Cost: the service ports changed."""
        changed = table.changed_since(self._version)
        self._version = table.version
        touched: dict[int, None] = {}
        for name in changed:
            for held_by in (name, name._replace(port="")):  # a health port has no name
                touched.update(dict.fromkeys(sorted(self._ports_of.get(held_by, ()))))
            touched.update(dict.fromkeys(self._numbers(table, name)))
        out: list[tuple[int, Listen | None]] = []
        for number in touched:
            listen = self._at(table, number)
            if listen != self._known.get(number):
                self._remember(number, listen)
                out.append((number, listen))
        return out

    def _numbers(self, table: RouteTable, name: ServicePortName) -> list[int]:
        """The ports that a service port asks for now."""
        port = table.ports.get(name)
        if port is None:
            return []
        return [n for n in (port.node_port, port.health_check_node_port) if n is not None]

    def _at(self, table: RouteTable, number: int) -> Listen | None:
        if (port := table.node_ports.get(number)) is not None:
            return self._node_port(table, port)
        if (service := table.health_check_node_ports.get(number)) is not None:
            return Listen(number, "health", ServicePortName(*service, ""))
        return None

    def _remember(self, number: int, listen: Listen | None) -> None:
        before = self._known.pop(number, None)
        if before is not None:
            self._ports_of[before.service].discard(number)
            if not self._ports_of[before.service]:
                del self._ports_of[before.service]
        if listen is not None:
            self._known[number] = listen
            self._ports_of.setdefault(listen.service, set()).add(number)

    def _node_port(self, table: RouteTable, port: ServicePort) -> Listen:
        assert port.node_port is not None
        endpoints = table.endpoints(port.name)
        mode: ListenMode = "open"
        if not endpoints.has_any:
            mode = "refuse"
        elif port.external_local and not endpoints.usable_locally(self._node):
            mode = "drop"
        return Listen(port.node_port, mode, port.name)
