"""What the control plane believes of nodes and pods, as its API tells anybody who watches."""

from __future__ import annotations

import random

from emucluster.core.kubeproxy.service_ports import LABEL_SERVICE_NAME
from emucluster.core.objects import EndpointSlice, Node, Object, Pod
from emucluster.live.node.informer import Informer
from emucluster.live.observing.board import ObservationBoard
from emucluster.live.rpc.channel import connect_aio

KINDS = ("EndpointSlice", "Node", "Pod")
BACKOFF_MAX_S = 0.5
"""Sooner than nodes: what is seen late would be reported as noticed late."""


class ApiBeliefs:
    """Follows the API server, through its crashes, from `start` to `stop`.

    Observers `lease` (a node's Ready condition, which the node controller sets by its Lease), `api`
    (a pod's Ready condition) and `endpoints` (ready in an EndpointSlice of a Service).
    """

    def __init__(self, board: ObservationBoard, api: str, token: str) -> None:
        self._board = board
        self._slices: dict[tuple[str, str], set[str]] = {}
        """(Service, pod) -> names of the slices in which it is ready."""
        self._channel = connect_aio(api)
        self._informer = Informer(
            self._channel,
            token,
            KINDS,
            node_name="",
            on_event=self._take,
            on_listed=lambda: None,
            rng=random.Random(),
            backoff_max_s=BACKOFF_MAX_S,
        )

    def start(self) -> None:
        self._informer.start()

    async def stop(self) -> None:
        await self._informer.stop()
        await self._channel.close()

    async def synced(self) -> None:
        """Return once the whole state is known."""
        await self._informer.synced.wait()

    def _take(self, type_: str, obj: Object, old: Object | None) -> None:
        gone = type_ == "DELETED"
        match obj:
            case Node():
                subject = f"node/{obj.metadata.name}"
                self._tell_ready("lease", subject, obj.status.conditions, gone=gone)
            case Pod():
                subject = f"pod/{obj.metadata.namespace}/{obj.metadata.name}"
                self._tell_ready("api", subject, obj.status.conditions, gone=gone)
            case EndpointSlice():
                before = old if isinstance(old, EndpointSlice) else None
                self._take_slice(None if gone else obj, before or obj)
            case _:
                pass

    def _tell_ready(self, observer: str, subject: str, conditions: object, *, gone: bool) -> None:
        assert isinstance(conditions, tuple)
        ready = next((each for each in conditions if each.type == "Ready"), None)
        status = ready.status if ready is not None else "Unknown"
        word = f"{status}: {ready.reason}" if ready is not None and ready.reason else status
        self._board.belief(
            observer,
            subject,
            "in" if status == "True" and not gone else "out",
            "deleted" if gone else word,
            forget=gone,
        )

    def _take_slice(self, now: EndpointSlice | None, before: EndpointSlice) -> None:
        name, service = before.metadata.name, _service_of(now or before)
        ready = _ready_pods(now) if now is not None else frozenset()
        for pod in ready:
            slices = self._slices.setdefault((service, pod), set())
            slices.add(name)
            self._tell_endpoint(service, pod, is_in=True)
        for pod in _ready_pods(before) - ready:
            slices = self._slices.get((service, pod), set())
            slices.discard(name)
            if not slices:
                self._slices.pop((service, pod), None)
                self._tell_endpoint(service, pod, is_in=False)

    def _tell_endpoint(self, service: str, pod: str, *, is_in: bool) -> None:
        self._board.belief(
            "endpoints",
            pod,
            "in" if is_in else "out",
            "ready" if is_in else "not ready",
            service=service,
            forget=not is_in,
        )


def _service_of(endpoint_slice: EndpointSlice) -> str:
    meta = endpoint_slice.metadata
    return f"{meta.namespace}/{(meta.labels or {}).get(LABEL_SERVICE_NAME, '')}"


def _ready_pods(endpoint_slice: EndpointSlice) -> frozenset[str]:
    """Pods that the slice has as ready; a nil condition reads as ready."""
    namespace = endpoint_slice.metadata.namespace
    return frozenset(
        f"pod/{endpoint.target_ref.namespace or namespace}/{endpoint.target_ref.name}"
        for endpoint in endpoint_slice.endpoints
        if endpoint.target_ref is not None
        and endpoint.target_ref.kind == "Pod"
        and endpoint.conditions.ready is not False
    )
