"""Keeps a node's listening sockets equal to what kube-proxy wants: nodePorts and health checks."""

import logging

from emucluster.core.addresses import HEALTHZ_PORT
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.health import HttpAnswer
from emucluster.core.kubeproxy.listeners import Listen
from emucluster.live.clock import now_s, stamp
from emucluster.live.network import healthz
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.healthz import Answer
from emucluster.live.network.listener import Listener, Mode
from emucluster.live.node.published_ports import PublishedPorts
from emucluster.live.node.routing import Routing

log = logging.getLogger("emucluster.service_ports")


class ServicePorts:
    """NodePort listeners at `address`, each healthCheckNodePort, and :10256/healthz.

    A port that cannot be bound is logged, and tried again when its Service changes. With
    `published`, each is served at the machine's address as well.
    """

    def __init__(
        self,
        forwarding: Forwarding,
        address: str,
        proxy: NodeProxy,
        routing: Routing,
        *,
        published: PublishedPorts | None = None,
    ) -> None:
        self._forwarding = forwarding
        self._address = address
        self._proxy = proxy
        self._routing = routing
        self._node_ports: dict[int, Listener] = {}
        self._health_ports: dict[int, Listener] = {}
        self._modes: dict[int, Mode] = {}
        self._stopped = False
        self._published = published
        self._health_ports[HEALTHZ_PORT] = healthz.listen(
            forwarding, address, HEALTHZ_PORT, self._healthz
        )
        if published is not None:
            published.health(HEALTHZ_PORT, self._healthz)

    def sync(self) -> None:
        """Carry out the changes that kube-proxy has noted since the last call."""
        for port, wanted in self._proxy.take_listener_changes():
            if wanted is None or (wanted.mode == "health") != (port in self._health_ports):
                self._close(port)
            if wanted is not None:
                self._open(port, wanted)

    @property
    def open_ports(self) -> list[int]:
        """NodePorts that answer, for `describe`."""
        return sorted(p for p, listener in self._node_ports.items() if listener.mode == "open")

    def stop(self, stopped: bool) -> None:
        """Answer at no port, nodePorts and health checks alike; or go on as kube-proxy wants it."""
        self._stopped = stopped
        for port in (*self._node_ports, *self._health_ports):
            self._set_mode(port)

    def _set_mode(self, port: int) -> None:
        mode = "drop" if self._stopped else self._modes.get(port, "open")
        listener = self._node_ports.get(port) or self._health_ports[port]
        listener.set_mode(mode)
        if self._published is not None:
            self._published.set_mode(port, mode)

    def _close(self, port: int) -> None:
        for ports in (self._node_ports, self._health_ports):
            if port in ports:
                self._forwarding.close_listener(ports.pop(port))
        self._modes.pop(port, None)
        if self._published is not None:
            self._published.close(port)

    def _open(self, port: int, wanted: Listen) -> None:
        try:
            if wanted.mode == "health":
                if port not in self._health_ports:
                    self._health_ports[port] = self._listen_health(port)
                    self._set_mode(port)
                return
            if port not in self._node_ports:
                self._node_ports[port] = self._forwarding.listen(
                    self._address,
                    port,
                    self._routing.node_port,
                    hop="node-port",
                    service=str(wanted.service.service),
                )
            if self._published is not None:
                self._published.node_port(
                    port, self._routing.node_port, service=str(wanted.service.service)
                )
            self._modes[port] = wanted.mode
            self._set_mode(port)
        except OSError as error:
            log.error("port %d cannot be opened: %s", port, error)

    def _listen_health(self, port: int) -> Listener:
        def check(_path: str) -> Answer:
            answer = self._proxy.service_health(port, now_s())
            return _http(answer) if answer is not None else Answer(503, {}, b"")

        if self._published is not None:
            self._published.health(port, check)
        return healthz.listen(self._forwarding, self._address, port, check)

    def _healthz(self, target: str) -> Answer:
        """As Go's ServeMux has it: these two paths and no other (pkg/proxy/healthcheck)."""
        match target.partition("?")[0]:
            case "/healthz":
                return _http(self._proxy.healthz(now_s(), stamp()))
            case "/livez":
                return _http(self._proxy.livez(now_s(), stamp()))
            case _:
                return Answer(404, {"content-type": "text/plain"}, b"404 page not found\n")


def _http(answer: HttpAnswer) -> Answer:
    return Answer(answer.status, dict(answer.headers), answer.body)
