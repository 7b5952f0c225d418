"""A load balancer with its machines on virtual time: silence, refusals, and a client's calls."""

from __future__ import annotations

import heapq
import random

from emucluster.core.cloudlb.commands import (
    Command,
    NoTarget,
    ProbeResult,
    ResetFlows,
    SendProbe,
    Target,
    TargetBecame,
)
from emucluster.core.cloudlb.load_balancer import LoadBalancer, Machine
from emucluster.core.cloudlb.presets import LoadBalancerPolicy

PORT, NODE_PORT = 8080, 30080


class World:
    """Machines that answer checks at once, or not at all while they are silent."""

    def __init__(self, policy: LoadBalancerPolicy, machines: int = 3) -> None:
        self.balancer = LoadBalancer(policy, rng=random.Random(1))
        self.machines = {
            f"node-{n}": Machine(f"127.16.0.{n}", f"zone-{n % 2}") for n in range(1, machines + 1)
        }
        self.silent: set[str] = set()
        self.refusing: set[str] = set()
        self.now_s = 0.0
        self._client_port = 20_000
        self.log: list[tuple[float, Command]] = []
        self._ends: list[tuple[float, int, ProbeResult]] = []
        self.configure()

    def configure(self) -> None:
        """Tell the balancer of the machines there are."""
        self._take(
            self.balancer.configure(
                ports={PORT: NODE_PORT},
                machines=self.machines,
                health_check_node_port=32000,
                now_s=self.now_s,
            )
        )

    def run_until(self, end_s: float) -> None:
        """Everything due up to and at `end_s`."""
        while (due_s := self._due_s()) <= end_s:
            self.now_s = max(self.now_s, due_s)
            if self._ends and self._ends[0][0] <= self.now_s:
                _, probe, result = heapq.heappop(self._ends)
                self._take(self.balancer.handle_probe(probe, result, now_s=self.now_s))
            else:
                self._take(self.balancer.wake(now_s=self.now_s))
        self.now_s = end_s

    def call(self) -> Target | NoTarget:
        """One connection of an outside client with a port of its own."""
        self._client_port += 1
        return self.balancer.choose("127.224.0.1", self._client_port, PORT)

    def times_of(self, name: str, state: str) -> list[float]:
        return [
            at_s
            for at_s, c in self.log
            if isinstance(c, TargetBecame) and c.target.name == name and c.state == state
        ]

    def resets(self) -> list[tuple[float, str]]:
        return [(at_s, c.target.name) for at_s, c in self.log if isinstance(c, ResetFlows)]

    def _due_s(self) -> float:
        wake_s = self.balancer.next_wake_s()
        ends = [at_s for at_s, _, _ in self._ends[:1]]
        return min([*ends, *([] if wake_s is None else [wake_s])], default=float("inf"))

    def _take(self, commands: list[Command]) -> None:
        for command in commands:
            self.log.append((self.now_s, command))
            if isinstance(command, SendProbe):
                heapq.heappush(self._ends, self._end_of(command))

    def _end_of(self, probe: SendProbe) -> tuple[float, int, ProbeResult]:
        if probe.name in self.silent:
            return self.now_s + probe.connect_timeout_s, probe.probe, "timeout"
        if probe.name in self.refusing:
            return self.now_s, probe.probe, "refused"
        return self.now_s, probe.probe, "passed"
