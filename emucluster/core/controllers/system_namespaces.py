"""Brings back the namespaces that every cluster has.

kubernetes/pkg/controlplane/controller/systemnamespaces
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from emucluster.core.admission.admission import NAMESPACES, Admission
from emucluster.core.durations import Speed
from emucluster.core.errors import ApiError

from .rounds import Rounds

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

PERIOD_S = 60.0


class SystemNamespaces:
    """Creates, once a minute, those that are missing. One that terminates is not."""

    kinds: ClassVar[frozenset[str]] = frozenset({"Namespace"})

    def __init__(self, admission: Admission, *, speed: Speed) -> None:
        self._admission = admission
        self._missing = set(NAMESPACES)
        self._rounds = Rounds(speed.duration_s(PERIOD_S))

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        self._rounds.begin(now_s)
        name = event.object.metadata.name
        if event.type != "DELETED":
            self._missing.discard(name)
        elif name in NAMESPACES:
            self._missing.add(name)
            self._rounds.want(now_s)

    def flush(self, *, now_s: float, stamp: str) -> None:
        if not self._rounds.take(now_s):
            return
        for name in NAMESPACES:
            if name in self._missing:
                try:
                    self._admission.ensure_namespace(name, stamp=stamp)
                except ApiError:
                    self._rounds.want(now_s)

    def next_wake_s(self) -> float | None:
        return self._rounds.due_s if self._missing else None
