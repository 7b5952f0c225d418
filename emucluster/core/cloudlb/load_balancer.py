"""One Service's load balancer: ports, targets, their checks, and the choice for a connection."""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from emucluster.core.addresses import HEALTHZ_PORT

from .commands import (
    Command,
    NoTarget,
    ProbeResult,
    SendProbe,
    Target,
    TargetState,
)
from .presets import LoadBalancerPolicy
from .target_group import TargetGroup
from .target_health import TargetHealth

CheckKey = tuple[str, str, int]
"""Node name, address and checked port: targets that are checked at one port share one check."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A node as the cloud knows it."""

    address: str
    zone: str = ""


class LoadBalancer:
    """A layer 4 load balancer as a machine: events and time in, commands out.

    It learns about targets by its own health checks alone. Every SendProbe must be answered by
    `handle_probe`, a time-out included.

    Args:
        policy: from `settings.resolve`.
        rng: for the algorithms that draw.
        zones: with cross-zone off, the zones with an address; empty: every zone.
    """

    def __init__(
        self, policy: LoadBalancerPolicy, *, rng: random.Random, zones: Sequence[str] = ()
    ) -> None:
        self.policy = policy
        self.zones = tuple(zones)
        self._rng = rng
        self._groups: dict[int, TargetGroup] = {}
        self._ports: dict[int, int] = {}
        self._machines: dict[str, Machine] = {}
        self._health_check_node_port: int | None = None
        self._sources: tuple[IPv4Network, ...] = ()
        self._checks: dict[CheckKey, TargetHealth] = {}
        self._due: list[tuple[float, int, CheckKey]] = []
        self._running: dict[int, CheckKey] = {}
        self._serial = 0
        self._had_traffic = False
        self._allows = lru_cache(maxsize=4096)(self._is_allowed)

    # --- configuration ---

    def configure(
        self,
        *,
        ports: Mapping[int, int],
        machines: Mapping[str, Machine],
        health_check_node_port: int | None = None,
        source_ranges: Sequence[str] = (),
        now_s: float,
    ) -> list[Command]:
        """Bring ports (to nodePorts), targets and allowed sources to what the cloud wants.

        Only differences act: targets that stay keep their state, those that leave drain. Raises
        ValueError for a source range that is no IPv4 network.
        """
        ranges = tuple(IPv4Network(text.strip()) for text in source_ranges)
        if ranges != self._sources:
            self._sources = ranges
            self._allows.cache_clear()
        self._health_check_node_port = health_check_node_port
        self._ports = dict(ports)
        out = self._retire(ports, machines, now_s=now_s)
        self._machines = dict(machines)
        for port in ports:
            if port not in self._groups:
                group = TargetGroup(self.policy, rng=self._rng, zones=frozenset(self.zones))
                self._groups[port] = group
        self._sync_checks(now_s=now_s)
        return out + self._take_over_states() + self._register()

    def adopt(self, policy: LoadBalancerPolicy, *, now_s: float) -> list[Command]:
        """Go on under another policy, keeping what is known of the targets."""
        self.policy = policy
        for group in self._groups.values():
            group.adopt(policy)
        for check in self._checks.values():
            check.adopt(policy.health_check, now_s=now_s)
        self._sync_checks(now_s=now_s)
        self._due = []
        for key, check in self._checks.items():
            self._schedule(key, check)
        return self._take_over_states()

    def _retire(
        self, ports: Mapping[int, int], machines: Mapping[str, Machine], *, now_s: float
    ) -> list[Command]:
        out: list[Command] = []
        for port, group in self._groups.items():
            for target, state in list(group.states().items()):
                wanted = machines.get(target.name)
                same = (
                    wanted is not None
                    and wanted == self._machines.get(target.name)
                    and ports.get(port) == target.port
                )
                if not same and state != "draining":
                    out += group.deregister(target, now_s=now_s)
        return out

    def _take_over_states(self) -> list[Command]:
        """The checked port may be another one now: then a target's state is its new check's."""
        out: list[Command] = []
        for port, node_port in self._ports.items():
            for name in self._machines:
                state = self._checks[self._check_key(name, node_port)].state
                out += self._groups[port].set_health(name, state, "health check changed")
        return out

    def _register(self) -> list[Command]:
        out: list[Command] = []
        for port, node_port in self._ports.items():
            group = self._groups[port]
            for name, machine in self._machines.items():
                target = Target(name, machine.address, node_port)
                if not group.is_registered(target):
                    check = self._checks[self._check_key(name, node_port)]
                    out += group.register(target, machine.zone, check.state)
        return out

    # --- health checks ---

    def next_wake_s(self) -> float | None:
        """When `wake` must be called next; None while nothing is due."""
        while self._due and self._is_stale(*self._due[0]):
            heapq.heappop(self._due)
        drains = [g.next_drain_end_s() for g in self._groups.values()]
        times = [at for at in drains if at is not None]
        return min([*times, *(at for at, _, _ in self._due[:1])], default=None)

    def wake(self, *, now_s: float) -> list[Command]:
        """Start the checks that are due and end the drains that are over."""
        out: list[Command] = []
        for group in self._groups.values():
            out += group.end_drains(now_s=now_s)
        self._forget_empty_groups()
        while self._due and self._due[0][0] <= now_s:
            at_s, serial, key = heapq.heappop(self._due)
            if not self._is_stale(at_s, serial, key):
                out.append(self._start(key, now_s=now_s))
        return out

    def handle_probe(self, probe: int, result: ProbeResult, *, now_s: float) -> list[Command]:
        """A check ended. Checks of targets that left meanwhile are ignored."""
        key = self._running.pop(probe, None)
        check = self._checks.get(key) if key is not None else None
        if key is None or check is None:
            return []
        changed = check.end(result, now_s=now_s, had_traffic=self._had_traffic)
        self._schedule(key, check)
        out: list[Command] = []
        if changed:
            for port, node_port in self._ports.items():
                if self._check_key(key[0], node_port) == key:
                    group = self._groups[port]
                    out += group.set_health(key[0], check.state, f"health check: {result}")
        return out

    def _start(self, key: CheckKey, *, now_s: float) -> SendProbe:
        self._checks[key].start(now_s=now_s)
        self._serial += 1
        self._running[self._serial] = key
        policy = self.policy.health_check
        return SendProbe(
            probe=self._serial,
            name=key[0],
            address=key[1],
            port=key[2],
            protocol=policy.protocol,
            path=policy.path,
            connect_timeout_s=policy.probe_connect_timeout_s,
            timeout_s=policy.probe_timeout_s,
        )

    def _sync_checks(self, *, now_s: float) -> None:
        """One check for each machine and checked port; those no longer wanted are dropped."""
        wanted: dict[CheckKey, None] = {}
        for name in self._machines:
            for node_port in self._ports.values():
                wanted[self._check_key(name, node_port)] = None
        for key in [k for k in self._checks if k not in wanted]:
            del self._checks[key]
            self._running = {p: k for p, k in self._running.items() if k != key}
        for key in wanted:
            if key not in self._checks:
                self._checks[key] = TargetHealth(self.policy.health_check, now_s=now_s)
                self._schedule(key, self._checks[key])

    def _check_key(self, name: str, node_port: int) -> CheckKey:
        check = self.policy.health_check
        port = node_port
        if check.fixed_port is not None:
            port = check.fixed_port
        elif check.port == "kube-proxy":
            port = HEALTHZ_PORT
        elif check.port == "health-check-node-port" and self._health_check_node_port is not None:
            port = self._health_check_node_port
        return name, self._machines[name].address, port

    def _schedule(self, key: CheckKey, check: TargetHealth) -> None:
        due_s = check.next_wake_s()
        if due_s is not None:
            self._serial += 1
            heapq.heappush(self._due, (due_s, self._serial, key))

    def _is_stale(self, at_s: float, serial: int, key: CheckKey) -> bool:
        check = self._checks.get(key)
        return check is None or check.next_wake_s() != at_s

    def _forget_empty_groups(self) -> None:
        for port in [p for p, g in self._groups.items() if p not in self._ports]:
            if not self._groups[port].states():
                del self._groups[port]

    # --- traffic ---

    def choose(
        self,
        client_ip: str,
        client_port: int,
        port: int,
        *,
        zone: str | None = None,
    ) -> Target | NoTarget:
        """Where a new connection to `port` goes, in constant time.

        Args:
            zone: that of the address which the client dialled; used with cross-zone off.
        """
        if port not in self._ports:
            return NoTarget(f"no listener on port {port}", "drop")
        if not self._allows(client_ip):
            return NoTarget("source address is not in loadBalancerSourceRanges", "drop")
        chosen = self._groups[port].choose(client_ip, client_port, port, zone=zone)
        self._had_traffic = self._had_traffic or isinstance(chosen, Target)
        return chosen

    def flow_opened(self, port: int, target: Target) -> None:
        """A connection to `target` began; counted for least-request."""
        if port in self._groups:
            self._groups[port].flows[target] += 1

    def flow_closed(self, port: int, target: Target) -> None:
        """A connection to `target` ended."""
        if port in self._groups and self._groups[port].flows[target] > 0:
            self._groups[port].flows[target] -= 1

    def states(self) -> dict[int, dict[Target, TargetState]]:
        """By port, every target and its state."""
        return {port: group.states() for port, group in self._groups.items()}

    def chosen(self) -> frozenset[str]:
        """Names of the nodes that new flows go to, by whatever port and zone."""
        return frozenset(
            target.name
            for group in self._groups.values()
            for scope in ((None,) if self.policy.cross_zone or not self.zones else self.zones)
            for target in group.usable(scope)
        )

    def zones_in_service(self) -> tuple[str, ...]:
        """With cross-zone off, the zones whose address DNS answers.

        A zone without healthy target is left out, unless none has one. Source: Network Load
        Balancers guide, "Health checks for your target groups".
        """
        served = tuple(
            z for z in self.zones if all(g.is_zone_in_service(z) for g in self._groups.values())
        )
        return served or self.zones

    def _is_allowed(self, client_ip: str) -> bool:
        if not self._sources:
            return True
        address = IPv4Address(client_ip)
        return any(address in network for network in self._sources)
