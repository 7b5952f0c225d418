"""The API server as a node's kubelet uses it: requests that travel, and may get no answer."""

from __future__ import annotations

import random
from collections.abc import Callable

from emucluster.core.errors import (
    AlreadyExists,
    ApiError,
    NotFound,
    ServiceUnavailable,
    Timeout,
)
from emucluster.core.kubelet.commands import (
    ApiWrite,
    FinishPodDeletion,
    RecordEvent,
    RegisterNode,
    RenewLease,
    WriteNodeStatus,
    WritePodStatus,
)
from emucluster.core.kubelet.events import WriteFailed, Wrote
from emucluster.core.objects import (
    Lease,
    LeaseSpec,
    Node,
    Object,
    ObjectMeta,
    Pod,
    PodCondition,
    replace,
)

from .clock import VirtualClock
from .control_plane import SimControlPlane
from .event_loop import EventLoop

LEASE_NAMESPACE = "kube-node-lease"
REQUEST_TIMEOUT_S = 10.0
ONE_WAY_S = (0.0005, 0.003)
"""From a node to the API server or back."""

Answer = Callable[[Wrote | WriteFailed], None]


class ApiServer:
    """Requests of nodes to the control plane. An answer comes in any case, at the latest after
    the client's own time-out."""

    def __init__(
        self,
        loop: EventLoop,
        clock: VirtualClock,
        control_plane: SimControlPlane,
        *,
        rng: random.Random,
    ) -> None:
        self.control_plane = control_plane
        self._loop, self._clock, self._rng = loop, clock, rng

    def one_way_s(self) -> float:
        """How long a message takes this time."""
        return self._rng.uniform(*ONE_WAY_S)

    def write(self, command: ApiWrite, answer: Answer) -> None:
        """Send a write of a kubelet."""
        pending = True

        def finish(event: Wrote | WriteFailed) -> None:
            nonlocal pending
            if pending:
                pending = False
                limit.cancel()
                answer(event)

        def reply(event: Wrote | WriteFailed) -> None:
            self._loop.call_later(self.one_way_s(), lambda: finish(event))

        def fail(error: ApiError) -> None:
            reply(WriteFailed(command, str(error), isinstance(error, NotFound)))

        def arrive() -> None:
            host = self.control_plane.host
            if not host.arrive(serve):
                fail(ServiceUnavailable("connection refused"))

        def serve() -> None:
            try:
                self.control_plane.write(
                    lambda: self._carry_out(command), lambda _: reply(Wrote(command))
                )
            except ApiError as error:
                fail(error)

        late = Timeout("the request could not be completed in time")
        limit = self._loop.call_later(
            REQUEST_TIMEOUT_S, lambda: finish(WriteFailed(command, str(late)))
        )
        self._loop.call_later(self.one_way_s(), arrive)

    def record(self, notes: list[RecordEvent]) -> None:
        """Send Events, best effort."""

        def serve() -> None:
            self.control_plane.write(lambda: [*map(self.control_plane.record, notes)], _ignore)

        self._loop.call_later(self.one_way_s(), lambda: self.control_plane.host.arrive(serve))

    # --- what the API server does ----------------------------------------------------------------

    def _carry_out(self, command: ApiWrite) -> object:
        match command:
            case RenewLease(node_name=name, lease_duration_s=duration_s):
                return self._renew(name, duration_s)
            case WritePodStatus():
                return self._write_pod_status(command)
            case WriteNodeStatus(node=node):
                return self._write_node_status(node)
            case RegisterNode(node=node):
                return self._register(node)
            case FinishPodDeletion(namespace=namespace, name=name, uid=uid):
                return self.control_plane.admission.delete(
                    "Pod", namespace, name, uid=uid, grace_period_s=0, stamp=self._clock.stamp()
                )

    def _renew(self, node_name: str, duration_s: float) -> Object:
        store = self.control_plane.store
        if store.get(Node, "", node_name) is None:
            raise NotFound.of("nodes", node_name)
        lease = store.get(Lease, LEASE_NAMESPACE, node_name)
        now = self._clock.micro_stamp()
        if lease is not None:
            return store.update(replace(lease, spec=replace(lease.spec, renew_time=now)))
        spec = LeaseSpec(
            holder_identity=node_name,
            lease_duration_seconds=max(1, round(duration_s)),
            renew_time=now,
        )
        meta = ObjectMeta(name=node_name, namespace=LEASE_NAMESPACE)
        return store.create(Lease(metadata=meta, spec=spec), stamp=self._clock.stamp())

    def _write_pod_status(self, command: WritePodStatus) -> Object:
        pod = self.control_plane.store.get(Pod, command.namespace, command.name)
        if pod is None or pod.metadata.uid != command.uid:
            raise NotFound.of("pods", command.name)
        status = replace(command.status, conditions=_merged(pod, command))
        return self._update_status(replace(pod, status=status))

    def _write_node_status(self, node: Node) -> Object:
        current = self.control_plane.store.get(Node, "", node.metadata.name)
        if current is None:
            raise NotFound.of("nodes", node.metadata.name)
        return self._update_status(replace(current, status=node.status))

    def _update_status(self, obj: Object) -> Object:
        admission = self.control_plane.admission
        return admission.update(obj, stamp=self._clock.stamp(), subresource="status")

    def _register(self, node: Node) -> Object:
        try:
            return self.control_plane.admission.create(node, stamp=self._clock.stamp())
        except AlreadyExists:
            return self._write_node_status(node)


def _merged(pod: Pod, command: WritePodStatus) -> tuple[PodCondition, ...]:
    """Conditions of others stay; the kubelet's own are replaced."""
    own = {condition.type for condition in command.status.conditions}
    kept = tuple(each for each in pod.status.conditions if each.type not in own)
    return (*command.status.conditions, *kept)


def _ignore(_result: object) -> None:
    return None
