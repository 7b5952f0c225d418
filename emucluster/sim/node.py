"""A simulated node: kubelet, kube-proxy, DNS and pods on a host that can fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from emucluster.core.addresses import HEALTHZ_PORT, TUNNEL_PORT, Slice
from emucluster.core.dns.records import DnsView
from emucluster.core.durations import Speed
from emucluster.core.kubelet.commands import ApiWrite, Command, ReadinessBecame, RecordEvent
from emucluster.core.kubelet.events import KubeletEvent, WriteFailed, Wrote
from emucluster.core.kubelet.kubelet import Kubelet, ObjectEvent
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.kubeproxy.choose import Mode, NodeProxy
from emucluster.core.kubeproxy.listeners import Listen
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.objects import Object, Pod

from .api import ApiServer
from .clock import VirtualClock
from .containers import Containers
from .event_loop import EventLoop, Timer
from .flow import Flow
from .host import Host
from .informer import Informer
from .network import Network
from .routes import Decision, Onward, ProbeAnswer
from .routing import Routing


@dataclass(frozen=True, slots=True)
class World:
    """What all nodes share."""

    loop: EventLoop
    clock: VirtualClock
    network: Network
    api: ApiServer
    addresses: Slice
    speed: Speed
    mode: Mode
    stand_in: bool


class SimNode:
    """From boot on it registers, renews its lease, follows the API server and runs its pods."""

    def __init__(self, world: World, number: int, zone: str, *, rng: random.Random) -> None:
        self.name = f"node-{number}"
        self.address = world.addresses.node(number)
        self.host = Host(self.name)
        self._world, self._loop = world, world.loop
        report = self._report
        self.containers = Containers(self.host, world.loop, world.network, rng=rng, report=report)
        self._table = RouteTable()
        self._proxy = NodeProxy(self.name, self._table, mode=world.mode, rng=rng)
        self._listening: dict[int, Listen] = {}
        self._dns = DnsView()
        self.routing = Routing(
            name=self.name,
            address=self.address,
            addresses=world.addresses,
            proxy=self._proxy,
            dns=self._dns,
            listening=self.containers.listening,
            now_s=world.clock.now_s,
            rng=rng,
        )
        settings = KubeletSettings(
            address=self.address,
            pod_cidr=world.addresses.pod_cidr(number),
            zone=zone,
            speed=world.speed,
            stand_in=world.stand_in,
        )
        self._kubelet = Kubelet(self.name, settings, rng=rng)
        self._timer: Timer | None = None
        self._informer = Informer(
            world.loop,
            world.api,
            self.host,
            node_name=self.name,
            on_event=self._take,
            on_listed=self._listed,
            rng=rng,
        )
        world.network.stations[self.address] = self
        self._perform(self._kubelet.start(self._now_s(), self._stamp()))
        self._arm()
        self._informer.connect()

    # --- faults ----------------------------------------------------------------------------------

    def fail(self, kind: Literal["power-off", "crash", "freeze"]) -> None:
        """Lose power, crash, or stop as by SIGSTOP."""
        if kind == "freeze":
            self.host.fail("frozen")
            return
        if kind == "crash":
            self._world.network.reset_all(self.host, f"{self.name} crashed")
        self._informer.disconnect()
        self.host.fail("crashed" if kind == "crash" else "silent")

    def mend(self, kind: str) -> None:
        """After a freeze as it was; else it boots: old connections are reset, pods start again."""
        if kind == "freeze":
            self.host.thaw()
            return
        self.host.boot()
        self._world.network.reset_all(self.host, f"{self.name} booted")
        self.containers.lose_all()
        self._perform(self._kubelet.reboot(self._now_s(), self._stamp()))
        self._arm()
        self._informer.connect(afresh=True)

    # --- traffic ---------------------------------------------------------------------------------

    def accept(self, flow: Flow, arrival: Onward) -> Decision:
        """A connection at this node's address: through the tunnel, or to a nodePort."""
        if arrival.to[1] == TUNNEL_PORT and arrival.endpoint is not None:
            return self.routing.tunnelled(arrival.endpoint, flow.source)
        return self.routing.node_port(arrival.to[1], flow.source)

    def answer_check(self, port: int, protocol: Literal["tcp", "http"], path: str) -> ProbeAnswer:
        """What kube-proxy's listeners, /healthz and healthCheckNodePorts say."""
        if port == HEALTHZ_PORT:
            answer = self._proxy.healthz(self._now_s(), self._stamp())
            return "passed" if protocol == "tcp" or answer.status == 200 else "bad-status"
        listen = self._listening.get(port)
        if listen is None or listen.mode == "refuse":
            return "refused"
        if listen.mode == "drop":
            return "dropped"
        if listen.mode == "health" and protocol == "http":
            found = self._proxy.service_health(port, self._now_s())
            return "passed" if found is not None and found.status == 200 else "bad-status"
        return "passed" if protocol == "tcp" else "bad-status"

    # --- the kubelet -----------------------------------------------------------------------------

    def _feed(self, step: Callable[[], Sequence[Command]]) -> None:
        self._perform(step())
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self._kubelet.next_wake_s()
        if wake_s is not None:
            self._timer = self._loop.call_at(wake_s, self.host.bound(self._wake))

    def _wake(self) -> None:
        self._feed(lambda: self._kubelet.wake(self._now_s(), self._stamp()))

    def _report(self, event: KubeletEvent) -> None:
        self._feed(lambda: self._kubelet.handle(event, self._now_s(), self._stamp()))

    def _perform(self, commands: Sequence[Command]) -> None:
        notes = [command for command in commands if isinstance(command, RecordEvent)]
        if notes:
            self._world.api.record(notes)
        for command in commands:
            if isinstance(command, ApiWrite):
                self._write(command)
            elif not isinstance(command, RecordEvent | ReadinessBecame):
                self.containers.perform(command)

    def _write(self, command: ApiWrite) -> None:
        life = self.host.life

        def answered(event: Wrote | WriteFailed) -> None:
            if self.host.life == life:
                self.host.arrive(lambda: self._report(event))

        self._world.api.write(command, answered)

    # --- what it is told -------------------------------------------------------------------------

    def _take(self, type_: ObjectEvent, obj: Object) -> None:
        if isinstance(obj, Pod):
            if self._informer.version is not None:  # else it comes with the list
                self._feed(
                    lambda: self._kubelet.handle_pod(type_, obj, self._now_s(), self._stamp())
                )
            return
        self._proxy.health.queued(now_s=self._now_s())
        self._table.handle(type_, obj)
        self._dns.handle(type_, obj)
        self.routing.take_object(type_, obj)
        for port, listen in self._proxy.take_listener_changes():
            if listen is None:
                self._listening.pop(port, None)
            else:
                self._listening[port] = listen
        self._proxy.health.updated(stamp=self._stamp())
        self._feed(lambda: self._kubelet.handle_object(type_, obj, self._now_s(), self._stamp()))

    def _listed(self) -> None:
        pods = [obj for obj in self._informer.objects.values() if isinstance(obj, Pod)]
        self._feed(lambda: self._kubelet.handle_pod_list(pods, self._now_s(), self._stamp()))

    def _now_s(self) -> float:
        return self._world.clock.now_s()

    def _stamp(self) -> str:
        return self._world.clock.stamp()
