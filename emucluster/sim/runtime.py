"""A whole cluster on virtual time, as `emucluster.runtime.ClusterRuntime`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from emucluster.core.addresses import Slice
from emucluster.core.controllers.cloud_commands import LoadBalancerRef
from emucluster.core.controllers.node_lifecycle import NodeLifecycleSettings
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError, NoRoute, UsageError
from emucluster.core.kubeproxy.choose import Mode
from emucluster.core.objects import Object, manifest
from emucluster.core.objects.registry import BY_KIND, resource
from emucluster.core.store import StoreEvent
from emucluster.runtime import CALL_TIMEOUT_S, ConditionNotMet, Outcome

from .api import ApiServer
from .balancer import Change
from .calls import Channel, SimConnection
from .clock import VirtualClock
from .cloud import Cloud
from .control_plane import SimControlPlane
from .destinations import Destination, resolve
from .event_loop import EventLoop
from .faults import Faults
from .flow import Flow
from .host import Host
from .network import Network
from .node import SimNode, World
from .routes import Decision, Onward
from .routing import Caller
from .traffic import Load


class SimRuntime:
    """Control plane, nodes, cloud and network, driven by one event loop.

    Args:
        nodes: node-1, node-2, ...; they boot at once.
        zones: zone-a, zone-b, ...; nodes take turns.
        cloud: preset of load balancers; None: there is no cloud.
        speed: divides configured durations.
        seed: of everything that is drawn. The same seed gives the same history.
        node_lifecycle: flags of node monitoring.
        stand_in: run echo for images that cannot be pulled.
    """

    def __init__(
        self,
        *,
        nodes: int = 3,
        zones: int = 2,
        cloud: str | None = "aws-nlb",
        speed: float = 1.0,
        seed: int = 0,
        kube_proxy_mode: Mode = "rr",
        node_lifecycle: NodeLifecycleSettings | None = None,
        stand_in: bool = False,
    ) -> None:
        self.history: list[tuple[float, str]] = []
        """What was committed, what load balancers noticed and what was broken, with its moment."""
        self.clock = VirtualClock()
        self.loop = EventLoop(self.clock)
        self._seed = seed
        self._addresses, self._speed = Slice(0), Speed(speed)
        self.network = Network(self.loop, rng=self._stream("network"))
        self.cloud = Cloud(
            self.loop,
            self.network,
            addresses=self._addresses,
            speed=self._speed,
            rng=self._stream("cloud"),
            on_change=self._note_target,
        )
        self.control_plane = SimControlPlane(
            self.loop,
            self.clock,
            self.cloud,
            speed=self._speed,
            preset=cloud,
            rng=self._stream("control-plane"),
            node_lifecycle=node_lifecycle,
            on_event=self._note_event,
        )
        api = ApiServer(self.loop, self.clock, self.control_plane, rng=self._stream("api"))
        world = World(
            loop=self.loop,
            clock=self.clock,
            network=self.network,
            api=api,
            addresses=self._addresses,
            speed=self._speed,
            mode=kube_proxy_mode,
            stand_in=stand_in,
        )
        self.nodes: dict[str, SimNode] = {}
        for number in range(1, nodes + 1):
            zone = f"zone-{chr(ord('a') + (number - 1) % zones)}"
            node = SimNode(world, number, zone, rng=self._stream(f"node-{number}"))
            self.nodes[node.name] = node
        self._faults = Faults(
            self.loop, self.nodes, self.cloud, self.control_plane, note=self._note
        )
        self._outside = Host("outside")
        self._outside_ip = self._addresses.outside_client(1)

    @property
    def speed(self) -> float:
        """By what configured durations are divided."""
        return self._speed.factor

    # --- objects ---------------------------------------------------------------------------------

    def apply(self, text: str) -> None:
        """Create or change what the manifest says; it is durable on return. Raises ApiError."""
        objects = manifest.load(text, source="manifest")
        stamp = self.clock.stamp()
        self._write(lambda: self.control_plane.admission.apply(objects, "default", stamp=stamp))

    def get(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """The object as the store has it, None if there is none."""
        found = resource(kind)
        namespace = namespace if BY_KIND[found.kind].namespaced else ""
        return self.control_plane.store.get(found.kind, namespace, name)

    def list(self, kind: str, namespace: str | None = "default") -> Sequence[Object]:
        """All objects of a kind; None: of all namespaces."""
        found = resource(kind)
        namespace = namespace if BY_KIND[found.kind].namespaced else None
        return tuple(self.control_plane.store.list(found.kind, namespace))

    def scale(self, kind: str, name: str, replicas: int, namespace: str = "default") -> None:
        """Set the replicas of a Deployment or ReplicaSet. Raises ApiError."""
        found, stamp = resource(kind).kind, self.clock.stamp()
        admission = self.control_plane.admission
        self._write(lambda: admission.scale(found, namespace, name, replicas, stamp=stamp))

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str = "default",
        *,
        grace_period_s: int | None = None,
    ) -> None:
        """Ask for deletion, and do not wait for it. Raises ApiError."""
        found = resource(kind)
        namespace = namespace if BY_KIND[found.kind].namespaced else ""
        self._write(
            lambda: self.control_plane.admission.delete(
                found.kind,
                namespace,
                name,
                stamp=self.clock.stamp(),
                grace_period_s=grace_period_s,
            )
        )

    def _write(self, decide: Callable[[], object]) -> None:
        """A user's write; time passes until it is durable."""
        if self.control_plane.host.power != "running":
            raise EmuclusterError(f"the control plane is {self.control_plane.host.power}")
        answered: list[object] = []
        self.control_plane.write(decide, answered.append)
        while not answered:
            self.loop.run_one(self.loop.now_s() + 1.0)

    # --- faults ----------------------------------------------------------------------------------

    def inject(self, kind: str, target: str, for_s: float | None = None) -> str:
        """Put a fault in force and return its id. Raises UsageError, NotFound."""
        return self._faults.inject(kind, target, for_s)

    def clear(self, fault_id: str) -> None:
        """Lift a fault. Does nothing if it has ended."""
        self._faults.clear(fault_id)

    # --- traffic ---------------------------------------------------------------------------------

    def connect(
        self,
        target: str,
        *,
        source: str = "outside",
        node: str | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Outcome:
        """One echo call over a connection of its own; time passes until it is over."""
        try:
            connection = self.open(target, source=source, node=node)
        except NoRoute as error:
            return Outcome("denied", reason=str(error))
        outcome = connection.call(timeout_s)
        connection.close()
        return outcome

    def open(
        self, target: str, *, source: str = "outside", node: str | None = None
    ) -> SimConnection:
        """A long-lived connection, dialled by its first call. Raises NoRoute."""
        return SimConnection(self.loop, self.channel(target, source=source, node=node))

    def load(
        self,
        target: str,
        *,
        rate_per_s: float,
        source: str = "outside",
        node: str | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Load:
        """Calls at a steady rate from now on, while time passes. Raises NoRoute."""
        self._destination(target, source, node)
        return Load(
            self.loop,
            lambda: self.channel(target, source=source, node=node),
            rate_per_s=rate_per_s,
            timeout_s=timeout_s,
        )

    def channel(self, target: str, *, source: str = "outside", node: str | None = None) -> Channel:
        """A client's connection for calls that go on beside others. Raises NoRoute."""
        host, port = self._destination(target, source, node)
        origin, client_ip, decide = self._client(source, host, port)

        def dial() -> Flow:
            flow = self.network.new_flow(client_ip)
            self.network.dial(flow, origin, decide)
            return flow

        return Channel(self.loop, self.network, dial)

    def _destination(self, target: str, source: str, node: str | None) -> Destination:
        return resolve(
            target,
            outside=source == "outside",
            node=node,
            store=self.control_plane.store,
            addresses=self._addresses,
        )

    def _client(
        self, source: str, host: str, port: int
    ) -> tuple[tuple[Host, ...], str, Callable[[], Decision]]:
        """The hosts that a client's connections begin on, its address, and who decides there."""
        if source == "outside":
            ip = self._outside_ip
            return (self._outside,), ip, lambda: Onward((host, port), ip)
        kind, _, name = source.partition("/")
        if kind == "node" and name in self.nodes:
            node = self.nodes[name]
            caller = Caller("node", node.address, "default")
            return (node.host,), node.address, lambda: node.routing.connect(caller, host, port)
        found = [
            (container, node)
            for node in self.nodes.values()
            for container in node.containers.named("default", name)
            if kind == "pod"
        ]
        if found:
            container, home = found[0]
            inside = Caller("pod", container.identity.ip, "default")
            origin = (container.host, home.host)
            return origin, inside.ip, lambda: home.routing.connect(inside, host, port)
        raise UsageError(f'nobody is at "{source}": no such node, or no such pod that runs')

    def lb_targets(self, service: str, namespace: str = "default") -> Mapping[str, str]:
        """By node, the state of its target as the Service's load balancer sees it."""
        balancer = self.cloud.balancers.get(LoadBalancerRef(namespace, service))
        return balancer.states() if balancer is not None else {}

    # --- time ------------------------------------------------------------------------------------

    def now_s(self) -> float:
        """Seconds since the simulation began."""
        return self.loop.now_s()

    def sleep(self, seconds: float) -> None:
        """Let so much virtual time pass, with all that happens in it."""
        self.loop.run_until(self.loop.now_s() + seconds)

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float, what: str) -> float:
        """Let time pass until the condition holds; looked at after every single event.

        A condition may itself make calls, which take time. Raises ConditionNotMet.
        """
        end_s = self.loop.now_s() + timeout_s
        while not condition():
            if self.loop.now_s() >= end_s:
                raise ConditionNotMet(what, timeout_s)
            self.loop.run_one(end_s)
        return self.loop.now_s()

    # --- history ---------------------------------------------------------------------------------

    def _stream(self, name: str) -> random.Random:
        """A source of chance of its own, so that one part's draws do not move another's."""
        return random.Random(f"{self._seed}/{name}")

    def _note(self, what: str) -> None:
        self.history.append((self.loop.now_s(), what))

    def _note_event(self, event: StoreEvent) -> None:
        meta = event.object.metadata
        where = f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name
        self._note(f"{event.version} {event.type} {event.kind} {where} {meta.uid}")

    def _note_target(self, change: Change) -> None:
        self._note(f"lb {change.service}: {change.target.name} is {change.state}")
