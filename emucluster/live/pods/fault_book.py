"""The faults that a node's pods have, as the node's container runtime looks them up.

By namespace and name, not by uid: a fault may follow a pod that is started again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emucluster.core.kubelet.commands import PodIdentity
from emucluster.live.pods.answer_faults import AnswerFault

PodName = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class PodEntry:
    """What one pod has, by the ids of faults.

    Attributes:
        answers: in the order in which they began.
        frozen: its processes are stopped, and stay so when they are started anew.
        unready: its readiness probes fail just now.
    """

    answers: dict[str, AnswerFault] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    unready: set[str] = field(default_factory=set)

    def is_blank(self) -> bool:
        return not (self.answers or self.frozen or self.unready)


class FaultBook:
    """Written by who holds the faults, read by the runtime whenever a container starts."""

    def __init__(self) -> None:
        self._entries: dict[PodName, PodEntry] = {}

    def entry(self, namespace: str, name: str) -> PodEntry:
        """The entry of a pod, to be written to."""
        return self._entries.setdefault((namespace, name), PodEntry())

    def erase(self, namespace: str, name: str, fault_id: str) -> None:
        """A fault of this pod is over."""
        entry = self._entries.get((namespace, name))
        if entry is None:
            return
        entry.answers.pop(fault_id, None)
        entry.frozen.discard(fault_id)
        entry.unready.discard(fault_id)
        if entry.is_blank():
            del self._entries[namespace, name]

    def answers(self, pod: PodIdentity) -> tuple[AnswerFault, ...]:
        """What a server of this pod starts with."""
        entry = self._entries.get((pod.namespace, pod.name))
        return tuple(entry.answers.values()) if entry is not None else ()

    def is_frozen(self, pod: PodIdentity) -> bool:
        """Whether a fault keeps this pod stopped."""
        entry = self._entries.get((pod.namespace, pod.name))
        return entry is not None and bool(entry.frozen)

    def unready_by(self, pod: PodIdentity) -> str:
        """The fault by which this pod's readiness probes fail now; empty: none."""
        entry = self._entries.get((pod.namespace, pod.name))
        return min(entry.unready, default="") if entry is not None else ""
