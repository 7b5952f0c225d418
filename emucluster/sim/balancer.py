"""One load balancer on virtual time: `core.cloudlb` with its checks and flows on the network."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Literal

from emucluster.core.cloudlb.commands import (
    Command,
    NoTarget,
    ResetFlows,
    SendProbe,
    Target,
    TargetBecame,
    TargetGone,
)
from emucluster.core.cloudlb.load_balancer import LoadBalancer, Machine
from emucluster.core.cloudlb.presets import LoadBalancerPolicy
from emucluster.core.cloudlb.settings import resolve
from emucluster.core.controllers.cloud_commands import LoadBalancerSpec
from emucluster.core.durations import Speed

from .event_loop import EventLoop, Timer
from .flow import Flow, IdleRule
from .host import Host
from .network import CheckResult, Network
from .routes import Decision, Drop, Onward, ProbeAnswer, Refuse


@dataclass(frozen=True, slots=True)
class Change:
    """A target's state changed, as the load balancer sees it."""

    at_s: float
    service: str
    target: Target
    state: str


class SimBalancer:
    """Serves one Service of type LoadBalancer at `address`, or with cross-zone off at one address
    for each zone. Raises EmuclusterError for settings that make no sense."""

    def __init__(
        self,
        loop: EventLoop,
        network: Network,
        address: str,
        spec: LoadBalancerSpec,
        *,
        speed: Speed,
        rng: random.Random,
        on_change: Callable[[Change], None],
    ) -> None:
        self.host = Host(f"lb/{spec.ref.namespace}/{spec.ref.service}")
        self.address = address
        self._loop, self._network = loop, network
        self._speed, self._rng, self._on_change = speed, rng, on_change
        self._spec = spec
        self._policy = self._resolve(spec)
        self._zone_of = self._zones(spec)
        self._timer: Timer | None = None
        self._machine = self._new_machine()
        self.configure(spec)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._zone_of) or (self.address,)

    def states(self) -> dict[str, str]:
        """The state of each node's targets; the worst where the ports differ."""
        found: dict[str, str] = {}
        for targets in self._machine.states().values():
            for target, state in targets.items():
                if state != "healthy" or target.name not in found:
                    found[target.name] = state
        return found

    def configure(self, spec: LoadBalancerSpec) -> None:
        """Take the cloud's wish: ports, targets, settings."""
        policy = self._resolve(spec)
        self._spec = spec
        commands: list[Command] = []
        if policy != self._policy:
            self._policy = policy
            commands += self._machine.adopt(policy, now_s=self._loop.now_s())
        zones = self._zones(spec)
        if zones != self._zone_of:
            self._forget_addresses()
            self._zone_of = zones
            self.host.life += 1  # answers to the old machine's checks are void
            self._machine = self._new_machine()
        for address in self.addresses:
            self._network.stations[address] = self
        commands += self._machine.configure(
            ports={port.port: port.node_port for port in spec.ports},
            machines={t.node: Machine(t.address, t.zone) for t in spec.targets},
            health_check_node_port=spec.health_check_node_port or None,
            source_ranges=spec.source_ranges,
            now_s=self._loop.now_s(),
        )
        self._perform(commands)
        self._arm()

    def remove(self) -> None:
        """The load balancer is deleted, and its addresses go dark."""
        self.host.fail("crashed")
        self._network.reset_all(self.host, "load balancer deleted")
        self._forget_addresses()

    # --- faults ----------------------------------------------------------------------------------

    def crash(self) -> None:
        """Every connection is reset, and new ones are refused."""
        self._network.reset_all(self.host, f"{self.host.name} crashed")
        self.host.fail("crashed")

    def freeze(self) -> None:
        self.host.fail("frozen")

    def mend(self, kind: str) -> None:
        """After a freeze as it was; after a crash as a process that knows no target's health."""
        if kind == "freeze":
            self.host.thaw()
            return
        self.host.boot()
        self._machine = self._new_machine()
        self.configure(self._spec)

    # --- traffic ---------------------------------------------------------------------------------

    def accept(self, flow: Flow, arrival: Onward) -> Decision:
        """Choose a target for a connection."""
        client_ip, client_port = flow.source, flow.client[1]
        address, port = arrival.to
        machine = self._machine
        chosen = machine.choose(client_ip, client_port, port, zone=self._zone_of.get(address))
        if isinstance(chosen, NoTarget):
            return Drop(chosen.reason) if chosen.how == "drop" else Refuse(chosen.reason)
        flow.target = chosen
        if self._policy.idle_timeout_s is not None:
            flow.idle = IdleRule(self._policy.idle_timeout_s, self._policy.idle_ends_with)
        machine.flow_opened(port, chosen)
        flow.on_leave[self.host.name] = lambda: machine.flow_closed(port, chosen)
        return Onward(
            (chosen.address, chosen.port),
            client_ip if self._policy.preserves_client_ip else self.address,
            dial_timeout_s=self._policy.dial_timeout_s,
        )

    def answer_check(self, port: int, protocol: Literal["tcp", "http"], path: str) -> ProbeAnswer:
        """Load balancers are not checked by load balancers."""
        del protocol, path
        return "passed" if any(each.port == port for each in self._spec.ports) else "refused"

    # --- health checks ---------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self._machine.next_wake_s()
        if wake_s is not None:
            self._timer = self._loop.call_at(wake_s, self.host.bound(self._wake))

    def _wake(self) -> None:
        self._perform(self._machine.wake(now_s=self._loop.now_s()))
        self._arm()

    def _perform(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case SendProbe():
                    self._check(command)
                case ResetFlows(target=target, reason=reason):
                    for flow in [f for f in self.host.flows.values() if f.target == target]:
                        self._network.reset(flow, self.host, reason)
                case TargetBecame(target=target, state=state):
                    self._note(target, state)
                case TargetGone(target=target):
                    self._note(target, "gone")

    def _check(self, probe: SendProbe) -> None:
        life, machine = self.host.life, self._machine

        def ended(result: CheckResult) -> None:
            if self.host.life == life:
                self.host.arrive(lambda: take(result))

        def take(result: CheckResult) -> None:
            now_s = self._loop.now_s()
            self._perform(machine.handle_probe(probe.probe, result, now_s=now_s))
            self._arm()

        self._network.check(
            (probe.address, probe.port),
            protocol=probe.protocol,
            path=probe.path,
            connect_timeout_s=probe.connect_timeout_s,
            timeout_s=probe.timeout_s,
            done=ended,
        )

    def _note(self, target: Target, state: str) -> None:
        service = f"{self._spec.ref.namespace}/{self._spec.ref.service}"
        self._on_change(Change(self._loop.now_s(), service, target, state))

    # --- configuration ---------------------------------------------------------------------------

    def _resolve(self, spec: LoadBalancerSpec) -> LoadBalancerPolicy:
        settings: dict[str, Any] = dict(spec.settings)
        if spec.client_affinity:
            settings.setdefault("client_affinity", True)
        return resolve(spec.preset, local=spec.local_only, settings=settings, speed=self._speed)

    def _zones(self, spec: LoadBalancerSpec) -> dict[str, str]:
        """With cross-zone off, an address for each zone: the third byte is the zone's rank."""
        if self._policy.cross_zone:
            return {}
        zones = sorted({target.zone for target in spec.targets})
        base = int(IPv4Address(self.address))
        return {str(IPv4Address(base + 256 * rank)): z for rank, z in enumerate(zones, start=1)}

    def _new_machine(self) -> LoadBalancer:
        zones = tuple(self._zone_of.values())
        return LoadBalancer(self._policy, rng=self._rng, zones=zones)

    def _forget_addresses(self) -> None:
        for address in self.addresses:
            self._network.stations.pop(address, None)
