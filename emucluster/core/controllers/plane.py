"""All controllers together: events in, writes and wishes to the cloud out."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from emucluster.core.admission.admission import Admission
from emucluster.core.admission.custom.definition_lifecycle import DefinitionLifecycle
from emucluster.core.admission.lifecycle import EVERY_KIND, GarbageCollector, NamespaceLifecycle
from emucluster.core.durations import Speed
from emucluster.core.errors import Gone
from emucluster.core.objects import Object
from emucluster.core.store import StoreEvent

from .admission_writer import AdmissionWriter
from .cloud_commands import CloudCommand, LoadBalancerRef
from .daemonset import DaemonSetController
from .deployment import DeploymentController
from .dirty import earliest
from .disruption import DisruptionController
from .endpointslice import EndpointSliceController
from .endpointslice_mirroring import EndpointSliceMirroringController
from .event_ttl import EventExpiry
from .evictions import TaintEvictionController
from .kubernetes_service import Address, KubernetesService
from .namespace_defaults import NamespaceDefaults
from .node_lifecycle import NodeLifecycleController, NodeLifecycleSettings
from .podgc import PodGarbageCollector
from .replicaset import ReplicaSetController
from .scheduler import Scheduler
from .service_lb import ServiceLoadBalancerController
from .statefulset import StatefulSetController
from .system_namespaces import SystemNamespaces
from .writer import Controller

MAX_ROUNDS = 100
MAX_WRITES = 200
"""A step ends after about this many writes, so that whoever drives it can serve others."""

_REPLAY_ORDER = (
    "Namespace",
    "Node",
    "Lease",
    "Service",
    "EndpointSlice",
    "Deployment",
    "ReplicaSet",
    "ControllerRevision",
    "DaemonSet",
    "StatefulSet",
    "Pod",
)


class ControlPlane:
    """The controllers of one cluster over its admission and store.

        plane.start(now_s)
        ...
        commands = plane.step(now_s, stamp)   # after writes of others, and at next_wake_s()

    All state is an index of the store: a new plane on a restored store carries on. What is lost is
    time that had run, such as tolerations, and what the cloud was asked, which is asked again.

    Args:
        admission: over the store; also the door by which the controllers write.
        speed: divides grace periods, monitor periods, tolerations and rates.
        cloud: the preset of load balancers; None: there is no cloud.
        rng: chooses names.
        node_lifecycle: flags of node monitoring; None: Kubernetes' defaults.
        root_ca: PEM of the API server's authority, published in every namespace; "": none.
    """

    def __init__(
        self,
        admission: Admission,
        *,
        speed: Speed,
        cloud: str | None,
        rng: Random,
        node_lifecycle: NodeLifecycleSettings | None = None,
        root_ca: str = "",
    ) -> None:
        self._admission, self._store = admission, admission.store
        self._speed, self._cloud, self._rng = speed, cloud, rng
        self._node_lifecycle, self._root_ca = node_lifecycle, root_ca
        self._served_at: Address | None = None
        self._cursor = 0
        self._build()

    def _build(self) -> None:
        writer = AdmissionWriter(self._admission, speed=self._speed)
        rng, speed = self._rng, self._speed
        self._load_balancers = ServiceLoadBalancerController(writer, cloud=self._cloud)
        self._kubernetes = KubernetesService(
            self._admission, speed=speed, served_at=self._served_at
        )
        # Taints come before binding, so that no pod is bound to a node just found unfit.
        self._controllers: tuple[Controller, ...] = (
            NamespaceLifecycle(self._admission),
            SystemNamespaces(self._admission, speed=speed),
            self._kubernetes,
            DefinitionLifecycle(self._admission),
            GarbageCollector(self._admission),
            NamespaceDefaults(writer, root_ca=self._root_ca),
            NodeLifecycleController(writer, speed=speed, settings=self._node_lifecycle),
            TaintEvictionController(writer, speed=speed),
            PodGarbageCollector(writer, speed=speed),
            DeploymentController(writer),
            ReplicaSetController(writer, rng=rng),
            DaemonSetController(writer, rng=rng),
            StatefulSetController(writer),
            DisruptionController(writer),
            Scheduler(writer),
            EndpointSliceController(writer, rng=rng),
            EndpointSliceMirroringController(writer, rng=rng),
            self._load_balancers,
            EventExpiry(writer),
        )
        self._touched: dict[Controller, None] = {}
        """Controllers that were handed events since they last wrote."""
        self._by_kind: dict[str, list[Controller]] = {}
        self._of_all = [c for c in self._controllers if c.kinds == EVERY_KIND]
        for controller in self._controllers:
            for kind in controller.kinds:
                self._by_kind.setdefault(kind, [*self._of_all]).append(controller)

    # --- driving ---------------------------------------------------------------------------------

    def start(self, now_s: float) -> None:
        """Shows the controllers everything that the store has; to be called before `step`."""
        kinds = {row.kind_key for row in self._store.kinds.stored()}
        for kind in (*_REPLAY_ORDER, *sorted(kinds - set(_REPLAY_ORDER))):
            for obj in self._store.list(kind):
                self._hand_out(_added(obj), now_s)
        self._cursor = self._store.version

    def step(self, now_s: float, stamp: str, max_writes: int = MAX_WRITES) -> list[CloudCommand]:
        """Delivers what happened and lets every controller that is due write, until all is quiet.

        Ends early after about `max_writes`; then `next_wake_s()` says that there is more to do.

        Args:
            now_s: monotonic; must not go back.
            stamp: the same moment as RFC 3339, for what is written.

        Returns: what the cloud is to do; answer by `ensured`, `deleted` or `failed`.
        """
        until = self._store.version + max_writes
        for _ in range(MAX_ROUNDS):
            self._deliver(now_s)
            if not self._flush_due(now_s, stamp) or self._store.version > until:
                break
        self._deliver(now_s)
        return self._load_balancers.take_commands()

    def next_wake_s(self) -> float | None:
        """When `step` has to be called even if nothing happens; `-inf`: at once."""
        if self._touched or self._cursor != self._store.version:
            return float("-inf")
        return earliest(*(controller.next_wake_s() for controller in self._controllers))

    def _flush_due(self, now_s: float, stamp: str) -> bool:
        any_due = False
        for controller in self._controllers:
            wake_s = controller.next_wake_s()
            touched = controller in self._touched
            if not touched and (wake_s is None or wake_s > now_s):
                continue
            any_due = True
            self._touched.pop(controller, None)
            controller.flush(now_s=now_s, stamp=stamp)
            # Each sees what those before it wrote, so that none decides on what is outdated.
            self._deliver(now_s)
        return any_due

    def _deliver(self, now_s: float) -> None:
        if self._cursor == self._store.version:
            return
        try:
            events = self._store.events_since(self._cursor)
        except Gone:
            self._build()
            self.start(now_s)
            return
        self._cursor = self._store.version
        for event in events:
            self._hand_out(event, now_s)

    def _hand_out(self, event: StoreEvent, now_s: float) -> None:
        for controller in self._by_kind.get(event.kind, self._of_all):
            controller.handle(event, now_s=now_s)
            self._touched[controller] = None

    def serve_at(self, address: str, port: int, *, now_s: float, stamp: str) -> None:
        """Has the Service default/kubernetes lead to the API at `address`:`port`."""
        self._served_at = (address, port)
        self._kubernetes.serve_at(self._served_at, now_s=now_s, stamp=stamp)

    # --- answers of the cloud --------------------------------------------------------------------

    def ensured(self, ref: LoadBalancerRef, addresses: Sequence[str]) -> None:
        """The load balancer is as last asked for, at these addresses. `step` writes it down."""
        self._load_balancers.ensured(ref, addresses)

    def deleted(self, ref: LoadBalancerRef) -> None:
        """The load balancer is gone."""
        self._load_balancers.deleted(ref)

    def failed(self, ref: LoadBalancerRef, reason: str, *, now_s: float) -> None:
        """The cloud could not do it; it is asked again after 5 s to 300 s."""
        self._load_balancers.failed(ref, reason, now_s=now_s)


def _added(obj: Object) -> StoreEvent:
    version = int(obj.metadata.resource_version or 0)
    return StoreEvent(version, "ADDED", obj.kind_key, obj, None, b"")
