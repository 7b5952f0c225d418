"""Breaking a cluster from Python: the fault methods of a session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from emucluster.client.fault_request import FaultRequest
from emucluster.client.lab import Fault, LabClient
from emucluster.core.errors import EmuclusterError, NotFound, UsageError
from emucluster.core.faults import check, check_id, is_over_at_once, parse_peer, parse_target

GROUPS = ("zone", "host")
"""Targets that stand for all nodes there."""


class Breaking(ABC):
    """What can be done to the machines and processes of a running cluster."""

    namespace: str
    """Of pods and load balancers whose target names none."""

    @property
    @abstractmethod
    def lab(self) -> LabClient:
        """The machine room."""

    def inject(
        self,
        kind: str,
        target: str,
        for_s: float | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        peers: Sequence[str] = (),
        follow: Literal["identity", "instance"] = "identity",
        fault_id: str | None = None,
        until_s: float | None = None,
    ) -> Fault:
        """Put a fault upon a target and return it, once in force.

        A crash of a pod or of the control plane is over at once, for they are restarted: its state
        is "ended" when this returns. A target may have several faults at once, but for those that
        exclude each other.

        Args:
            kind: power-off, crash, freeze, latency, ...: see `emucluster fault kinds`.
            target: `node/NAME`, `pod/[NAMESPACE/]NAME`, `lb/[NAMESPACE/]SERVICE`,
                `kube-proxy/NODE`, `dns/NODE` or `control-plane`; without NAMESPACE it is in this
                session's. Of a link, the end at which packets are hit as they arrive.
            for_s: the target ends it after so many seconds; None: until cleared. Not for what is
                over at once.
            params: of the kind, as `{"delay": "200ms"}`; what is left out has its default.
            peers: of a link, the other ends: targets, or `outside`.
            follow: a target that restarts has it again (`identity`), or is rid of it (`instance`).
            fault_id: repeated, it is the same fault; once cleared, it does nothing. None: new.
            until_s: wall clock, by which it is over whenever it arrives; past: nothing is done.

        Raises UsageError for a fault that the target cannot have, NotFound.
        """
        return self._inject(
            FaultRequest(kind, target, for_s, params or {}, peers, follow, fault_id, until_s)
        )

    def inject_all(self, wanted: FaultRequest) -> list[Fault]:
        """As `inject`, where `zone/NAME` and `host/NAME` stand for all nodes there.

        All or nothing: if one is refused, those before it are cleared, and its error is raised.
        """
        # A zone and a node of it overlap; what is named twice as it is, is a mistake.
        groups = [peer for peer in wanted.peers if peer.partition("/")[0] in GROUPS]
        peers = [peer for peer in wanted.peers if peer not in groups]
        there = dict.fromkeys(node for peer in groups for node in self._nodes_of(peer))
        peers += [node for node in there if node not in peers]
        made: list[Fault] = []
        try:
            for target in self._nodes_of(wanted.target):
                made.append(self._inject(replace(wanted, target=target, peers=peers)))
        except BaseException:
            self._take_back(made)
            raise
        return made

    def faults(self) -> list[Fault]:
        """The faults that are in force."""
        return [fault for fault in self.lab.faults() if fault.state == "in force"]

    def clear_faults(self, id: str | None = None) -> list[Fault]:
        """End one fault (raises NotFound), or all; returns those that it ended.

        Raises EmuclusterError for those that could not be lifted, once all others are: they are in
        force still, and their targets go on trying.
        """
        cleared = self.lab.clear_faults(id)
        if id is not None and not cleared:
            raise NotFound(f'no fault "{id}" is in force')
        stuck = [fault for fault in cleared if fault.state == "in force"]
        if stuck:
            told = "; ".join(f"fault {f.id}: {f.kind} on {f.target} {f.error}" for f in stuck)
            raise EmuclusterError(f"{told}; still in force, and tried again")
        return cleared

    def _inject(self, wanted: FaultRequest) -> Fault:
        if wanted.fault_id is not None:
            check_id(wanted.fault_id)
        target = parse_target(wanted.target, self.namespace)
        peers = [parse_peer(peer, self.namespace) for peer in wanted.peers]
        at_once = wanted.until_s is not None and is_over_at_once(wanted.kind, target)
        for_s = None if at_once else wanted.for_s
        check(wanted.kind, target, wanted.params, for_s, peers)
        return self.lab.inject(replace(wanted, target=str(target), peers=peers))

    def _nodes_of(self, target: str) -> list[str]:
        group, _, name = target.partition("/")
        if group not in GROUPS:
            return [target]
        nodes = [machine for machine in self.lab.status().machines if machine.kind == "node"]
        found = [f"node/{node.name}" for node in nodes if getattr(node, group) == name]
        if not found:
            known = ", ".join(sorted({getattr(node, group) for node in nodes})) or "none"
            raise UsageError(f'target "{target}": no node is there; there are: {known}')
        return found

    def _take_back(self, made: Sequence[Fault]) -> None:
        for fault in made:
            try:
                self.lab.clear_faults(fault.id)
            except EmuclusterError:
                continue  # over by itself, or not to be reached: its own clock ends it
