"""Keeps the Service default/kubernetes, and what says where it leads.

kubernetes/pkg/controlplane/controller/kubernetesservice
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from emucluster.core.admission.admission import Admission
from emucluster.core.admission.api_endpoints import NAME, NAMESPACE, publish
from emucluster.core.durations import Speed
from emucluster.core.errors import ApiError

from .rounds import Rounds

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

PERIOD_S = 10.0
"""DefaultEndpointReconcilerInterval."""

Address = tuple[str, int]


class KubernetesService:
    """Creates, every 10 s, the Service where it is missing, and puts its Endpoints and its
    EndpointSlice right. What others write into the Service stays, as upstream.

    Args:
        served_at: address and port of the API; None: it is not served, and there are no endpoints.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"Service", "Endpoints", "EndpointSlice"})

    def __init__(self, admission: Admission, *, speed: Speed, served_at: Address | None) -> None:
        self._admission, self._served_at = admission, served_at
        self._rounds = Rounds(speed.duration_s(PERIOD_S))

    def serve_at(self, at: Address, *, now_s: float, stamp: str) -> None:
        """The API is there from now on."""
        self._served_at = at
        self._rounds.begin(now_s)
        publish(self._admission.store, *at, stamp=stamp)

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        meta = event.object.metadata
        if (meta.namespace, meta.name) == (NAMESPACE, NAME):
            self._rounds.want(now_s)

    def flush(self, *, now_s: float, stamp: str) -> None:
        if not self._rounds.take(now_s):
            return
        try:
            self._admission.ensure_kubernetes(stamp=stamp)
        except ApiError:
            self._rounds.want(now_s)
            return
        if self._served_at is not None:
            publish(self._admission.store, *self._served_at, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return self._rounds.due_s
