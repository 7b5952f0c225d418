"""The faults of a node: who carries out which, and what hides which."""

from __future__ import annotations

from emucluster.core.faults import FaultLease, FaultTarget, parse_target
from emucluster.core.kubelet.commands import RuntimeCommand
from emucluster.core.kubelet.events import ContainerExited, ContainerStarted, RuntimeEvent
from emucluster.live.fault_board import Breakable, FaultBoard
from emucluster.live.node.cpu_hog import CpuHog
from emucluster.live.node.pod_faults import PodFaults
from emucluster.live.node.power import Power
from emucluster.live.pods.runtime import PodRuntime


class NodeFaults:
    """What a `FaultBoard` breaks and mends of a node, its pods, its kube-proxy and its DNS."""

    def __init__(
        self,
        name: str,
        runtime: PodRuntime,
        *,
        power: Power,
        cpu_hog: CpuHog,
        links: Breakable,
        pods: PodFaults,
        proxy: Breakable,
        dns: Breakable,
    ) -> None:
        self._name = name
        self._runtime = runtime
        self._power = power
        self._cpu_hog = cpu_hog
        self._links = links
        self._pods = pods
        self._proxy = proxy
        self._dns = dns
        self._board: FaultBoard | None = None

    def tell(self, board: FaultBoard) -> None:
        """Let the board know what becomes of the machine and its pods."""
        self._power.on_up = board.machine_up
        self._board = board

    async def break_(self, lease: FaultLease) -> str:
        """Put a fault on the node or a part of it into effect; the mechanism is returned."""
        return await self._part(lease).break_(lease)

    async def mend(self, lease: FaultLease) -> None:
        """Lift a fault."""
        await self._part(lease).mend(lease)

    def hides(self, lease: FaultLease) -> str:
        """Why a lease can have no effect now: the machine is down. Empty: it can."""
        if self._power.state == "running" or lease.fault_kind.layer == "machine":
            return ""
        return f"{self._name} is {self._power.state}"

    async def stop(self) -> None:
        """End what acts by itself."""
        self._cpu_hog.stop()
        await self._pods.aclose()
        await self._power.stop()

    def holds(self, command: RuntimeCommand) -> bool:
        """Whether a command of the kubelet is held back, for it would end a zombie."""
        return self._pods.holds(command)

    def take_event(self, event: RuntimeEvent) -> None:
        """The runtime tells of a container: does its pod go, or come back?"""
        pod = self._runtime.identity_of(event.pod_uid)
        if self._board is None or pod is None:
            return
        stopped = self._runtime.condition_of(pod.ip) == "stopped"
        if isinstance(event, ContainerStarted):
            self._board.target_back(_pod(pod.namespace, pod.name))
        elif isinstance(event, ContainerExited) and stopped:
            self._board.target_gone(_pod(pod.namespace, pod.name))

    def take_deleted(self, namespace: str, name: str) -> None:
        """The API server has this pod no more."""
        if self._board is not None:
            self._board.target_deleted(_pod(namespace, name))

    def _part(self, lease: FaultLease) -> Breakable:
        """What carries a fault out."""
        target = parse_target(lease.target).kind
        if lease.fault_kind.is_link or (target, lease.kind) == ("node", "slow"):
            return self._links
        if lease.kind == "cpu-hog":
            return self._cpu_hog
        others = {"pod": self._pods, "kube-proxy": self._proxy, "dns": self._dns}
        return others.get(target, self._power)


def _pod(namespace: str, name: str) -> str:
    return str(FaultTarget("pod", namespace, name))
