"""The API server as a node's kubelet uses it: requests that travel, and may get no answer."""

from __future__ import annotations

import random
from collections.abc import Callable

from emucluster.core.admission.node_leases import renew
from emucluster.core.admission.pod_status import write_pod_status
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
    Node,
    Object,
    replace,
)

from .clock import VirtualClock
from .control_plane import SimControlPlane
from .event_loop import EventLoop

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
            case WritePodStatus(namespace=namespace, name=name, uid=uid, status=status):
                return write_pod_status(
                    self.control_plane.admission,
                    namespace,
                    name,
                    uid,
                    status,
                    stamp=self._clock.stamp(),
                )
            case WriteNodeStatus(node=node):
                return self._write_node_status(node)
            case RegisterNode(node=node):
                return self._register(node)
            case FinishPodDeletion(namespace=namespace, name=name, uid=uid):
                return self.control_plane.admission.delete(
                    "Pod", namespace, name, uid=uid, grace_period_s=0, stamp=self._clock.stamp()
                )

    def _renew(self, node_name: str, duration_s: float) -> Object:
        return renew(
            self.control_plane.admission,
            node_name,
            duration_s=duration_s,
            micro_stamp=self._clock.micro_stamp(),
            stamp=self._clock.stamp(),
        )

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


def _ignore(_result: object) -> None:
    return None
