"""Keeps a node's listening sockets equal to what kube-proxy wants: nodePorts and health checks."""

import logging

from emucluster.core.addresses import HEALTHZ_PORT
from emucluster.core.kubeproxy import NodeProxy
from emucluster.live.clock import now_s, stamp
from emucluster.live.network import healthz
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.healthz import Answer
from emucluster.live.network.listener import Listener
from emucluster.live.node.routing import Routing

log = logging.getLogger("emucluster.service_ports")


class ServicePorts:
    """NodePort listeners at `address`, each healthCheckNodePort, and :10256/healthz.

    A port that cannot be bound is logged and tried again with the next change; kube-proxy does
    the same and reports it by an Event, which `on_failure(port, reason)` is for.
    """

    def __init__(
        self, forwarding: Forwarding, address: str, proxy: NodeProxy, routing: Routing
    ) -> None:
        self._forwarding = forwarding
        self._address = address
        self._proxy = proxy
        self._routing = routing
        self._node_ports: dict[int, Listener] = {}
        self._health_ports: dict[int, Listener] = {}
        healthz.listen(forwarding, address, HEALTHZ_PORT, self._healthz)

    def sync(self) -> None:
        """Carry out the changes that kube-proxy has noted since the last call."""
        for change in self._proxy.take_listener_changes():
            if change.health_check:
                self._sync_health(change.port, wanted=change.mode is not None)
            else:
                self._sync_node_port(change.port, change.mode)

    @property
    def open_ports(self) -> list[int]:
        """NodePorts that answer, for `describe`."""
        return sorted(p for p, listener in self._node_ports.items() if listener.mode == "open")

    def _sync_node_port(self, port: int, mode: str | None) -> None:
        listener = self._node_ports.get(port)
        if mode is None:
            if listener is not None:
                self._forwarding.close_listener(self._node_ports.pop(port))
            return
        if listener is None:
            try:
                listener = self._forwarding.listen(
                    self._address, port, self._routing.node_port, hop="node-port"
                )
            except OSError as error:
                log.error("nodePort %d cannot be opened: %s", port, error)
                return
            self._node_ports[port] = listener
        assert mode in ("open", "refuse", "drop")
        listener.set_mode(mode)  # type: ignore[arg-type]

    def _sync_health(self, port: int, *, wanted: bool) -> None:
        if not wanted:
            if port in self._health_ports:
                self._forwarding.close_listener(self._health_ports.pop(port))
            return
        if port in self._health_ports:
            return

        def check(_path: str) -> Answer:
            return Answer(*self._proxy.service_health(port))

        try:
            self._health_ports[port] = healthz.listen(
                self._forwarding, self._address, port, check
            )
        except OSError as error:
            log.error("healthCheckNodePort %d cannot be opened: %s", port, error)

    def _healthz(self, path: str) -> Answer:
        return Answer(*self._proxy.healthz(now_s(), stamp(), path=path))
