"""One load balancer: its listeners, its health checks, its faults."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

from emucluster.core.cloudlb.broken_checks import BrokenChecks
from emucluster.core.cloudlb.commands import (
    Command,
    NoTarget,
    ProbeResult,
    ResetFlows,
    SendProbe,
    Target,
    TargetBecame,
    TargetGone,
)
from emucluster.core.cloudlb.load_balancer import LoadBalancer, Machine
from emucluster.core.cloudlb.presets import LoadBalancerPolicy
from emucluster.core.cloudlb.settings import resolve
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import FaultLease
from emucluster.live.balancer.check import check
from emucluster.live.balancer.check_faults import CheckFaults
from emucluster.live.balancer.observing import TargetBeliefs
from emucluster.live.balancer.process_faults import ProcessFaults
from emucluster.live.clock import now_s, wall_s
from emucluster.live.fault_board import Breakable
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.link_faults import LinkFaults
from emucluster.live.network.listener import Listener
from emucluster.live.network.marks import mark_of
from emucluster.live.network.routes import DIAL_TIMEOUT_S, Decision, Drop, Refuse, Route
from emucluster.live.network.sockets import Address

log = logging.getLogger("emucluster.balancer")

HISTORY_MAX = 1000


class Balancer:
    """Serves one Service of type LoadBalancer at `address`.

    With cross-zone off, each zone has an address of its own: the third byte of `address` plus the
    zone's rank from 1. With several machines, `machine_address` is what targets elsewhere are
    dialled from: neither a client's address nor one of 127.0.0.0/8 can be a source to there.
    """

    def __init__(
        self,
        forwarding: Forwarding,
        address: str,
        spec: Any,
        *,
        speed: Speed,
        machine_address: str = "",
        beliefs: TargetBeliefs | None = None,
    ) -> None:
        self.name = forwarding.host
        self.address = address
        self.history: list[dict[str, Any]] = []
        self.forwarding = forwarding
        forwarding.links.mark = mark_of(address)
        self._speed = speed
        self._machine_address = machine_address
        self._beliefs = beliefs or TargetBeliefs(f"{spec.namespace}/{spec.service}")
        self._spec = spec
        self._policy = self._resolve(spec)
        self._take_idle_timeout()
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._zone_of: dict[str, str] = {}
        self._published: dict[tuple[str, int], Address] = {}
        self._halted = False
        self._waiting: list[tuple[int, ProbeResult]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._probes: set[asyncio.Task[None]] = set()
        self.checks: Counter[tuple[str, str]] = Counter()
        """Health checks that ended, by node and result."""
        self._epoch = 0
        self._machine = self._new_machine()
        self._links = LinkFaults(forwarding)
        self._process = ProcessFaults(self)
        self._broken_checks = BrokenChecks()
        self._check_faults = CheckFaults(self._broken_checks, self._send_held_checks)
        self.configure(spec)

    @property
    def addresses(self) -> tuple[str, ...]:
        """One address, or with cross-zone off one for each zone."""
        if self._policy.cross_zone:
            return (self.address,)
        return tuple(self._zone_of) or (self.address,)

    def configure(self, spec: Any) -> None:
        """Take the cloud's wish: ports, targets, settings. Raises EmuclusterError."""
        policy = self._resolve(spec)
        self._spec = spec
        self._take_zones(spec, policy)
        if policy != self._policy:
            self._policy = policy
            self._take_idle_timeout()
            self._perform(self._machine.adopt(policy, now_s=now_s()))
        self._published = {
            (target.node, port): (end.ip, end.port)
            for target in spec.targets
            for port, end in target.published.items()
        }
        commands = self._machine.configure(
            ports={port.port: port.node_port for port in spec.ports},
            machines={t.node: Machine(t.address, t.zone) for t in spec.targets},
            health_check_node_port=spec.health_check_node_port or None,
            source_ranges=list(spec.source_ranges),
            now_s=now_s(),
        )
        self._perform(commands)
        self._sync_listeners()
        self._arm()

    def describe(self) -> dict[str, Any]:
        """What the load balancer believes, for people and tests."""
        return {
            "state": self.forwarding.state,
            "preset": self._policy.name,
            "addresses": list(self.addresses),
            "cross_zone": self._policy.cross_zone,
            "listeners": sorted(port for _, port in self._listeners),
            "targets": [
                {
                    "port": port,
                    "node": t.name,
                    "address": t.address,
                    "node_port": t.port,
                    "state": s,
                }
                for port, states in self._machine.states().items()
                for t, s in states.items()
            ],
            "history": self.history[-100:],
        }

    async def aclose(self) -> None:
        """Stop checks and close every socket."""
        self.stop()
        for task in self._probes:
            task.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        await self.forwarding.aclose()

    # --- faults

    async def break_(self, lease: FaultLease) -> str:
        """crash: reset and refuse; freeze: accept and never answer."""
        return await self._part(lease).break_(lease)

    async def mend(self, lease: FaultLease) -> None:
        """crash: a new process that knows no target's health; freeze: as it was."""
        await self._part(lease).mend(lease)

    def _part(self, lease: FaultLease) -> Breakable:
        """What carries a fault out."""
        kind = lease.fault_kind
        if kind.is_link:
            return self._links
        return self._check_faults if kind.layer == "belief" else self._process

    def stop(self) -> None:
        """The process does nothing any more: checks that are under way wait for their answer."""
        self._halted = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go_on(self) -> None:
        """As if it had been stopped for a while."""
        self._halted = False
        waiting, self._waiting = self._waiting, []
        self.forwarding.resume()
        for probe, result in waiting:
            self._perform(self._machine.handle_probe(probe, result, now_s=now_s()))
        self._send_held_checks()
        self._wake()

    def begin_afresh(self) -> None:
        """A new process, which knows no target's health."""
        self._halted = False
        self._waiting = []
        self._forget_targets()
        self.configure(self._spec)
        self.forwarding.resume()

    # --- configuration

    def _resolve(self, spec: Any) -> LoadBalancerPolicy:
        settings: dict[str, Any] = dict(spec.settings)
        if spec.client_affinity:
            settings.setdefault("client_affinity", True)
        return resolve(spec.preset, local=spec.local_only, settings=settings, speed=self._speed)

    def _take_idle_timeout(self) -> None:
        self.forwarding.idle_timeout_s = self._policy.idle_timeout_s
        self.forwarding.idle_how = "drop" if self._policy.idle_ends_with == "silence" else "rst"

    def _new_machine(self) -> LoadBalancer:
        zones = () if self._policy.cross_zone else tuple(self._zone_of.values())
        return LoadBalancer(self._policy, rng=random.Random(), zones=zones)

    def _forget_targets(self) -> None:
        """Begin with targets of which nothing is known; checks under way count no more."""
        self._epoch += 1
        self._broken_checks.forget_held()
        self._machine = self._new_machine()

    def _take_zones(self, spec: Any, policy: LoadBalancerPolicy) -> None:
        if policy.cross_zone:
            zone_of: dict[str, str] = {}
        else:
            net, cluster, third, number = self.address.split(".")
            zones = sorted({target.zone for target in spec.targets})
            zone_of = {
                f"{net}.{cluster}.{int(third) + rank}.{number}": zone
                for rank, zone in enumerate(zones, start=1)
            }
        if zone_of != self._zone_of:
            self._zone_of = zone_of
            self._policy = policy
            self._forget_targets()

    def _sync_listeners(self) -> None:
        addresses = self.addresses
        wanted = {(a, port.port) for a in addresses for port in self._spec.ports}
        for key in [key for key in self._listeners if key not in wanted]:
            self.forwarding.close_listener(self._listeners.pop(key))
        sources = tuple(IPv4Network(text.strip()) for text in self._spec.source_ranges) or None
        for address, port in sorted(wanted):
            if (address, port) not in self._listeners:
                self._listeners[address, port] = self._listen(address, port)
            self._listeners[address, port].allow_sources(sources)

    def _listen(self, address: str, port: int) -> Listener:
        service = f"{self._spec.namespace}/{self._spec.service}"
        try:
            return self.forwarding.listen(
                address, port, self._on_accept, hop="load-balancer", service=service
            )
        except OSError as error:
            raise EmuclusterError(f"load balancer cannot listen: {error}") from error

    # --- traffic

    def _on_accept(self, client: Address, local: Address) -> Decision:
        zone = self._zone_of.get(local[0])
        chosen = self._machine.choose(client[0], client[1], local[1], zone=zone)
        if isinstance(chosen, NoTarget):
            return Drop(chosen.reason) if chosen.how == "drop" else Refuse(chosen.reason)
        destination = self._real(chosen.name, chosen.address, chosen.port)
        keeps = self._policy.preserves_client_ip and not self._machine_address
        return Route(
            destination=destination,
            source=client[0] if keeps else self._source_to(destination),
            endpoint=f"{chosen.address}:{chosen.port}",
            dial_timeout_s=self._policy.dial_timeout_s or DIAL_TIMEOUT_S,
        )

    def _real(self, node: str, address: str, port: int) -> Address:
        return self._published.get((node, port), (address, port))

    def _source_to(self, destination: Address) -> str:
        """Whence the load balancer itself dials."""
        if self._machine_address and not destination[0].startswith("127."):
            return self._machine_address
        return self.address

    # --- health checks

    def _wake(self) -> None:
        if not self._halted:
            self._perform(self._machine.wake(now_s=now_s()))
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self._machine.next_wake_s()
        if wake_s is not None and not self._halted:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.001, wake_s - now_s()), self._wake)

    def _perform(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case SendProbe() if not self._broken_checks.holds(command):
                    task = asyncio.get_running_loop().create_task(self._probe(command))
                    self._probes.add(task)
                    task.add_done_callback(self._probes.discard)
                case ResetFlows(target=target, reason=reason):
                    self._reset(target, reason)
                case TargetBecame():
                    self._note(command.target, command.state, command.reason)
                case TargetGone(target=target):
                    self._note(target, "gone", "deregistered")
        if any(isinstance(command, TargetBecame | TargetGone) for command in commands):
            self._beliefs.tell(self._machine)

    def _reset(self, target: Target, reason: str) -> None:
        endpoint = f"{target.address}:{target.port}"
        count = self.forwarding.reset_where(lambda flow: flow.endpoint == endpoint, reason=reason)
        log.info("%s: %d flows of %s reset: %s", self.name, count, target.name, reason)

    def _note(self, target: Target, state: str, reason: str) -> None:
        log.info("%s: target %s is %s: %s", self.name, target.name, state, reason)
        self._beliefs.note(target.name, state, reason)
        entry = {
            "wall_s": wall_s(),
            "node": target.name,
            "node_port": target.port,
            "state": state,
            "reason": reason,
        }
        self.history = [*self.history, entry][-HISTORY_MAX:]

    def _send_held_checks(self) -> None:
        if not self._halted:
            self._perform(self._broken_checks.take_held())

    async def _probe(self, command: SendProbe) -> None:
        epoch = self._epoch
        address = self._real(command.name, command.address, command.port)
        found = await check(
            command, address, source=self._source_to(address), dial=self.forwarding.links.dial
        )
        result = self._broken_checks.told(found)
        self.checks[command.name, result] += 1
        if epoch != self._epoch:
            return
        if self._halted:
            self._waiting.append((command.probe, result))
            return
        self._perform(self._machine.handle_probe(command.probe, result, now_s=now_s()))
        self._arm()
