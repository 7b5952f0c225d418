"""How a node tells that it is alive: its Lease, and its Node's status.

As kubernetes/kubernetes pkg/kubelet/kubelet_node_status.go and k8s.io/component-helpers lease
controller: the Lease every 10 s, with a little jitter; the status when it differs, computed every
10 s, and otherwise every 5 min. Failed writes are retried with back-off from 200 ms to 7 s. As
those 7 s are meant to be less than the renewal's interval and much less than the time after which
a silent node is given up, they are divided by the speed as these are.

A kubelet registers its Node once in its life (registerWithAPIServer): one that is deleted
meanwhile stays gone, whatever it writes, until the kubelet starts anew or somebody else creates it.
"""

from __future__ import annotations

import random

from emucluster.core.durations import Speed
from emucluster.core.kubelet import wording
from emucluster.core.kubelet.backoff import Backoff, write_backoff
from emucluster.core.kubelet.commands import (
    Command,
    RecordEvent,
    RegisterNode,
    RenewLease,
    WriteNodeStatus,
)
from emucluster.core.kubelet.events import WriteFailed, Wrote
from emucluster.core.kubelet.node_object import HEALTHY, boot_id_of, node_object
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.objects import Node, NodeCondition

LEASE_JITTER = 0.04


class _Write:
    """One kind of write: when it is due next, and whether one is under way."""

    def __init__(self, backoff: Backoff) -> None:
        self.due_s: float | None = None
        self.in_flight: Command | None = None
        self._backoff = backoff

    def is_due(self, now_s: float) -> bool:
        return self.in_flight is None and self.due_s is not None and now_s >= self.due_s

    def next_s(self) -> float | None:
        return self.due_s if self.in_flight is None else None

    def done(self, due_s: float | None) -> None:
        self.in_flight, self.due_s = None, due_s
        self._backoff.reset()

    def failed(self, now_s: float) -> None:
        self._backoff.next(now_s, now_s)
        self.in_flight, self.due_s = None, now_s + self._backoff.delay_s


class Heartbeat:
    """Registration, Lease and status of one node."""

    def __init__(self, node_name: str, settings: KubeletSettings, rng: random.Random) -> None:
        self._name = node_name
        self._settings = settings
        self._rng = rng
        self._boot_id = ""
        self._register, self._lease, self._status = (
            _Write(_backoff(settings.speed)) for _ in range(3)
        )
        self._since: dict[str, tuple[str, str]] = {}
        self._seen: Node | None = None
        self._reported_s: float | None = None
        self._is_registered = False
        self._to_tell: list[RecordEvent] = []
        """What is said once the Node is there, or its status is written."""

    def start(self, now_s: float, *, reboot: bool = False) -> list[Command]:
        """A kubelet begins: register, and renew the Lease at once."""
        self._boot_id = boot_id_of(self._rng.getrandbits(128))
        for write in (self._register, self._lease, self._status):
            write.done(None)
        self._register.due_s = self._lease.due_s = now_s
        self._reported_s = None
        told = [wording.node_event(self._name, "Normal", "Starting", "Starting kubelet.")]
        if reboot:
            message = f"Node {self._name} has been rebooted, boot id: {self._boot_id}"
            told.append(wording.node_event(self._name, "Warning", "Rebooted", message))
        # About a Node that is registered first.
        self._to_tell = told
        return []

    def resend(self, now_s: float) -> None:
        """Answers to what is under way will not come."""
        for write in (self._register, self._lease, self._status):
            if write.in_flight is not None:
                write.in_flight, write.due_s = None, now_s

    def seen(self, node: Node) -> None:
        """What the API server has; compared when the status is computed next."""
        if node.metadata.name == self._name:
            self._seen = node

    def wake(self, now_s: float, stamp: str) -> list[Command]:
        commands: list[Command] = []
        if self._is_registered:
            commands += self._to_tell
            self._to_tell = []
        if self._register.is_due(now_s):
            self._register.in_flight = RegisterNode(self._node(stamp))
            commands.append(self._register.in_flight)
        if self._lease.is_due(now_s):
            self._lease.in_flight = RenewLease(self._name, self._settings.lease_duration_s)
            commands.append(self._lease.in_flight)
        if self._status.is_due(now_s):
            commands += self._report(now_s, stamp)
        return commands

    def handle(self, event: Wrote | WriteFailed, now_s: float) -> None:
        speed, command = self._settings.speed, event.command
        renew_s = self._settings.lease_renew_s * (1 + self._rng.random() * LEASE_JITTER)
        after_s = {
            "lease": now_s + speed.duration_s(renew_s),
            "status": now_s + speed.duration_s(self._settings.status_update_s),
        }
        if command is self._lease.in_flight:
            self._settle(self._lease, event, after_s["lease"], now_s)
        elif command is self._status.in_flight:
            self._settle(self._status, event, after_s["status"], now_s)
            self._reported_s = now_s if isinstance(event, Wrote) else self._reported_s
        elif command is self._register.in_flight:
            self._settle(self._register, event, None, now_s)
            if isinstance(event, Wrote):
                if not self._is_registered:
                    self._to_tell.append(self._ready_event())
                self._is_registered = True
                # The status of a Node that existed before is not part of registering it.
                self._status.due_s = now_s

    def next_wake_s(self) -> float | None:
        moments = [each.next_s() for each in (self._register, self._lease, self._status)]
        return min((each for each in moments if each is not None), default=None)

    @staticmethod
    def _settle(
        write: _Write, event: Wrote | WriteFailed, due_s: float | None, now_s: float
    ) -> None:
        if isinstance(event, Wrote):
            write.done(due_s)
        else:
            write.failed(now_s)

    def _report(self, now_s: float, stamp: str) -> list[Command]:
        speed = self._settings.speed
        report_s = speed.duration_s(self._settings.status_report_s)
        fresh = self._reported_s is not None and now_s < self._reported_s + report_s
        if fresh and not self._differs():
            self._status.due_s = now_s + speed.duration_s(self._settings.status_update_s)
            return []
        if self._was_not_ready():
            self._to_tell.append(self._ready_event())
        self._status.in_flight = WriteNodeStatus(self._node(stamp))
        return [self._status.in_flight]

    def _differs(self) -> bool:
        """Whether somebody, such as the node controller, says otherwise about us."""
        if self._seen is None:
            return False
        says = {each.type: each.status for each in self._seen.status.conditions}
        return any(says.get(type_) != status for type_, status, _, _ in HEALTHY)

    def _was_not_ready(self) -> bool:
        seen = self._seen.status.conditions if self._seen is not None else ()
        return any(each.type == "Ready" and each.status != "True" for each in seen)

    def _ready_event(self) -> RecordEvent:
        message = f"Node {self._name} status is now: NodeReady"
        return wording.node_event(self._name, "Normal", "NodeReady", message)

    def _node(self, stamp: str) -> Node:
        says = {each.type: each for each in self._seen.status.conditions} if self._seen else {}
        conditions = []
        for type_, status, reason, message in HEALTHY:
            known = says.get(type_)
            if known is not None and known.status == status and known.last_transition_time:
                self._since[type_] = (status, known.last_transition_time)
            elif known is not None or type_ not in self._since:
                self._since[type_] = (status, stamp)
            conditions.append(
                NodeCondition(
                    type=type_,
                    status=status,
                    reason=reason,
                    message=message,
                    last_heartbeat_time=stamp,
                    last_transition_time=self._since[type_][1],
                )
            )
        return node_object(
            self._name, self._settings, boot_id=self._boot_id, conditions=tuple(conditions)
        )


def _backoff(speed: Speed) -> Backoff:
    backoff = write_backoff()
    backoff.max_s = max(backoff.initial_s, speed.duration_s(backoff.max_s))
    return backoff
