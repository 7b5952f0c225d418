"""What a node has to give, and what the pods on it take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from emucluster.core.objects import Container, Node, Pod
from emucluster.core.objects.quantity import Quantity, milli

DEFAULT_PODS = 110
"""Pods a node, where it does not say (kubelet's maxPods)."""
COUNTED = ("cpu", "memory")
TOO_MANY = "Too many pods"
PORTS_TAKEN = "node(s) didn't have free ports for the requested pod ports"

HostPort = tuple[str, str, int]
"""(host IP, protocol, port); "0.0.0.0" is every IP of the node."""
ANY_IP = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Needs:
    """What one pod takes of its node besides a slot, in thousandths of a core and of a byte."""

    resources: tuple[tuple[str, int], ...] = ()
    ports: tuple[HostPort, ...] = ()

    @classmethod
    def of(cls, pod: Pod) -> Needs:
        return cls(_requests(pod), _host_ports(pod))


@dataclass(slots=True)
class NodeRoom:
    """The free part of one node."""

    slots: int = DEFAULT_PODS
    limits: dict[str, int] = field(default_factory=dict)
    pods: int = 0
    used: dict[str, int] = field(default_factory=dict)
    ports: dict[HostPort, int] = field(default_factory=dict)

    def declare(self, node: Node) -> None:
        """Takes over what the node says that it has; resources it does not name have no limit."""
        allocatable = node.status.allocatable or {}
        slots = _read(allocatable.get("pods"))
        self.slots = DEFAULT_PODS if slots is None else slots // 1000
        limits = {name: _read(allocatable.get(name)) for name in COUNTED}
        self.limits = {name: limit for name, limit in limits.items() if limit is not None}

    def take(self, needs: Needs) -> None:
        self._change(needs, 1)

    def give_back(self, needs: Needs) -> None:
        self._change(needs, -1)

    def _change(self, needs: Needs, sign: int) -> None:
        self.pods += sign
        for name, amount in needs.resources:
            self.used[name] = self.used.get(name, 0) + sign * amount
        for port in needs.ports:
            count = self.ports.get(port, 0) + sign
            if count > 0:
                self.ports[port] = count
            else:
                self.ports.pop(port, None)

    def refusals(self, needs: Needs) -> list[str]:
        """Why the pod does not fit now, in kube-scheduler's words; empty if it does."""
        if needs.ports and any(self._taken(port) for port in needs.ports):
            return [PORTS_TAKEN]
        reasons = [TOO_MANY] if self.pods >= self.slots else []
        for name, amount in needs.resources:
            limit = self.limits.get(name)
            if amount and limit is not None and self.used.get(name, 0) + amount > limit:
                reasons.append(f"Insufficient {name}")
        return reasons

    def would_hold(self, needs: Needs) -> bool:
        """Whether the pod would fit if nothing else were on the node."""
        limits = self.limits
        return all(amount <= limits.get(name, amount) for name, amount in needs.resources)

    def _taken(self, wanted: HostPort) -> bool:
        ip, protocol, port = wanted
        return any(
            (protocol, port) == (held_protocol, held_port)
            and (ip == held_ip or ANY_IP in (ip, held_ip))
            for held_ip, held_protocol, held_port in self.ports
        )


def _requests(pod: Pod) -> tuple[tuple[str, int], ...]:
    """The sum of its containers, or the largest init container where that is more."""
    totals: list[tuple[str, int]] = []
    for name in COUNTED:
        running = sum(_request(each, name) for each in pod.spec.containers)
        starting = max((_request(each, name) for each in pod.spec.init_containers), default=0)
        overhead = _read((pod.spec.overhead or {}).get(name)) or 0
        if total := max(running, starting) + overhead:
            totals.append((name, total))
    return tuple(totals)


def _request(container: Container, name: str) -> int:
    if container.resources is None:
        return 0
    requests, limits = container.resources.requests or {}, container.resources.limits or {}
    # A limit without a request is the request too.
    return _read(requests.get(name, limits.get(name))) or 0


def _host_ports(pod: Pod) -> tuple[HostPort, ...]:
    containers: Iterable[Container] = pod.spec.containers
    return tuple(
        (port.host_ip or ANY_IP, port.protocol or "TCP", port.host_port)
        for container in containers
        for port in container.ports
        if port.host_port
    )


def _read(quantity: Quantity | None) -> int | None:
    try:
        return None if quantity is None else milli(quantity)
    except ValueError:
        return None
