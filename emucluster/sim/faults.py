"""Faults of the simulated cluster, as leases that end by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, cast

from emucluster.core.controllers.cloud_commands import LoadBalancerRef
from emucluster.core.errors import EmuclusterError, NotFound, UsageError
from emucluster.core.faults import (
    FaultLease,
    FaultTarget,
    Ledger,
    check,
    is_over_at_once,
    parse_target,
)

from .balancer import SimBalancer
from .cloud import Cloud
from .containers import Container
from .control_plane import SimControlPlane
from .event_loop import EventLoop
from .node import SimNode

SIMULATED = ("power-off", "crash", "freeze")


class Faults:
    """Applies faults to nodes, pods, load balancers and the control plane, and lifts them.

    Args:
        note: is told what was done, for the history.
    """

    def __init__(
        self,
        loop: EventLoop,
        nodes: Mapping[str, SimNode],
        cloud: Cloud,
        control_plane: SimControlPlane,
        *,
        note: Callable[[str], None],
    ) -> None:
        self._loop, self._nodes, self._cloud = loop, nodes, cloud
        self._control_plane, self._note = control_plane, note
        self._ledger = Ledger()
        self._count = 0
        self._frozen: dict[str, list[Container]] = {}

    def inject(self, kind: str, target: str, for_s: float | None) -> str:
        """Put a fault in force. Raises UsageError, NotFound; also for what is not simulated."""
        parsed = parse_target(target)
        params = check(kind, parsed, {}, for_s)
        if kind not in SIMULATED:
            raise UsageError(f'fault "{kind}": is not simulated; known: {", ".join(SIMULATED)}')
        self._count += 1
        now_s = self._loop.now_s()
        ends_s = None if for_s is None else now_s + for_s
        lease = FaultLease(f"f{self._count}", kind, str(parsed), now_s, ends_s, params)
        self._ledger.inject(lease, now_s=now_s)
        try:
            self._apply(lease, parsed)
        except EmuclusterError:
            self._ledger.discard(lease.id)
            raise
        self._note(f"{kind} {parsed}")
        if is_over_at_once(kind, parsed):
            self._ledger.clear(lease.id, now_s=now_s)
        elif for_s is not None:
            self._loop.call_later(for_s, lambda: self.clear(lease.id))
        return lease.id

    def clear(self, fault_id: str) -> None:
        """Lift a fault that is in force."""
        lease = self._ledger.clear(fault_id, now_s=self._loop.now_s())
        if lease is not None:
            self._note(f"end of {lease.kind} {lease.target}")
            self._lift(lease, parse_target(lease.target))

    def _apply(self, lease: FaultLease, target: FaultTarget) -> None:
        match target.kind:
            case "node":
                kind = cast(Literal["power-off", "crash", "freeze"], lease.kind)
                self._node(target.name).fail(kind)
            case "pod":
                self._break_pod(lease, target)
            case "lb":
                balancer = self._balancer(target)
                balancer.crash() if lease.kind == "crash" else balancer.freeze()
            case _ if lease.kind == "crash":
                self._control_plane.crash()
            case _:
                self._control_plane.freeze()

    def _lift(self, lease: FaultLease, target: FaultTarget) -> None:
        match target.kind:
            case "node":
                self._node(target.name).mend(lease.kind)
            case "pod":
                for container in self._frozen.pop(lease.id, []):
                    if container.host.power == "frozen":
                        container.host.thaw()
            case "lb":
                ref = LoadBalancerRef(target.namespace, target.name)
                if ref in self._cloud.balancers:
                    self._cloud.balancers[ref].mend(lease.kind)
            case _ if lease.kind == "freeze":
                self._control_plane.thaw()

    def _break_pod(self, lease: FaultLease, target: FaultTarget) -> None:
        for node in self._nodes.values():
            found = node.containers.named(target.namespace, target.name)
            if not found:
                continue
            if node.host.power != "running":
                raise EmuclusterError(f"{node.name} is {node.host.power}")
            for container in found:
                if lease.kind == "crash":
                    node.containers.crash(container)
                else:
                    container.host.fail("frozen")
                    self._frozen.setdefault(lease.id, []).append(container)
            return
        raise NotFound.of("pods", target.name)

    def _node(self, name: str) -> SimNode:
        if name not in self._nodes:
            raise NotFound.of("nodes", name)
        return self._nodes[name]

    def _balancer(self, target: FaultTarget) -> SimBalancer:
        ref = LoadBalancerRef(target.namespace, target.name)
        if ref not in self._cloud.balancers:
            raise NotFound.of("services", target.name)
        return self._cloud.balancers[ref]
